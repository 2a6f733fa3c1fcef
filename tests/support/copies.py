"""Copies of OCPI objects, and what PUT and PATCH make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

Fields = dict[str, Any]


class Key(NamedTuple):
    """Which object, wherever it is kept; `kind` is the type of a token."""

    module: str
    owner: str
    object_id: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """A push as it arrived, for one party.

    Attributes:
        part: ids of the EVSE and connector that it is about, of a Location.
    """

    method: str
    receiver: str
    key: Key
    part: tuple[str, ...]
    fields: Fields


def changed_object(held: Fields | None, given: Given) -> Fields | None:
    """The object after a PUT or PATCH; None: it cannot be applied to what is held."""
    if given.part:
        return None if held is None else _with_part(held, given)
    if given.method == "PUT":
        return given.fields
    if held is None:
        return None
    merged = held | given.fields
    if given.key.module == "sessions" and "charging_periods" in given.fields:
        merged["charging_periods"] = [
            *held.get("charging_periods", []),
            *given.fields["charging_periods"],
        ]
    return merged


def _with_part(location: Fields, given: Given) -> Fields | None:
    """The Location with a changed EVSE or connector, and the dates above it."""
    uid, *connector = given.part
    evses = {evse["uid"]: evse for evse in location["evses"]}
    evse = evses.get(uid)
    if connector:
        if evse is None:
            return None
        connectors = {each["id"]: each for each in evse["connectors"]}
        before = connectors.get(connector[0])
        changed = _changed_part(before, given)
        if changed is None:
            return None
        connectors[connector[0]] = changed
        evses[uid] = _dated(evse | {"connectors": list(connectors.values())}, changed)
    else:
        changed = _changed_part(evse, given)
        if changed is None:
            return None
        evses[uid] = changed
    return _dated(location | {"evses": list(evses.values())}, evses[uid])


def _changed_part(held: Fields | None, given: Given) -> Fields | None:
    if given.method == "PUT":
        return given.fields
    return None if held is None else held | given.fields


def _dated(parent: Fields, child: Fields) -> Fields:
    """The parent is as young as its youngest child (LO-05)."""
    return parent | {"last_updated": max(parent["last_updated"], child["last_updated"])}


def comparable(value: Fields) -> Fields:
    """An object whose lists of parts are in the order of their ids: that order means nothing."""
    sorted_parts = dict(value)
    for name, identifier in (("evses", "uid"), ("connectors", "id")):
        if name in value:
            parts = sorted(value[name], key=lambda part: str(part[identifier]))
            sorted_parts[name] = [comparable(part) for part in parts]
    return sorted_parts
