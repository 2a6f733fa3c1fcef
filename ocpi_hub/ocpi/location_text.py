"""EVSEs and connectors inside the text of a Location.

A stored Location is the text its owner sent. A change of one EVSE or connector replaces that part
and the `last_updated` above it; every other value keeps its text, numbers and unknown fields
included. Ids compare case-folded; of children with the same id the first one counts.

The texts are objects that passed the models of their version.
Spec: 2.2.1 mod_locations_put_method, mod_locations_patch_method (LO-05).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ocpi_hub.ocpi.json_text import elements, members
from ocpi_hub.ocpi.merge import merge_patch
from ocpi_hub.ocpi.values import parse_datetime


@dataclass(frozen=True, slots=True)
class _List:
    """A list of children: the field of the parent, and the field that names a child."""

    field: str
    identifier: str


_EVSES: Final = _List("evses", "uid")
_CONNECTORS: Final = _List("connectors", "id")


class _Parent:
    """The text of a Location or an EVSE, taken apart once: a large one takes milliseconds."""

    def __init__(self, text: str, kind: _List) -> None:
        self._fields = dict(members(text))
        self._kind = kind
        held = self._fields.get(kind.field, "null")
        self._children = [] if held == "null" else elements(held)
        values = json.loads(held, parse_float=str, parse_int=str) or ()
        self._identifiers: list[str] = [value[kind.identifier].casefold() for value in values]
        self._bytes: int | None = None

    def find(self, identifier: str) -> str | None:
        """The text of a child; None if there is none with this id."""
        at = self._index(identifier)
        return None if at is None else self._children[at]

    def children(self) -> list[tuple[str, str]]:
        """Ids, folded, and texts."""
        return list(zip(self._identifiers, self._children, strict=True))

    def string(self, field: str) -> str:
        """A field of the parent that is a string."""
        value: str = json.loads(self._fields[field])
        return value

    def put(self, child: str, last_updated: str) -> None:
        """Put this child in its place, or at the end."""
        identifier = _string(child, self._kind.identifier)
        after = self.bytes_with(child, last_updated)
        at = self._index(identifier)
        if at is None:
            self._children.append(child)
            self._identifiers.append(identifier.casefold())
        else:
            self._children[at] = child
        self._fields.setdefault(self._kind.field, "[]")
        self._fields["last_updated"] = self._dated(last_updated)
        self._bytes = after

    def text(self) -> str:
        """The text of the parent with the children as they are now."""
        return _object(self._fields | {self._kind.field: f"[{','.join(self._children)}]"})

    def with_child(self, child: str, last_updated: str) -> str:
        """The text of the parent with this child in its place, or at the end."""
        self.put(child, last_updated)
        return self.text()

    def bytes_with(self, child: str, last_updated: str) -> int:
        """How many bytes the text would have with this child."""
        if self._bytes is None:
            self._bytes = len(self.text().encode())
        before = self.find(_string(child, self._kind.identifier))
        if before is None:
            grown = len(child.encode()) + (1 if self._children else 0)
        else:
            grown = len(child.encode()) - len(before.encode())
        dates = len(self._dated(last_updated)) - len(self._fields["last_updated"])
        return self._bytes + grown + dates

    def _dated(self, last_updated: str) -> str:
        standing: str = json.loads(self._fields["last_updated"])
        return json.dumps(_later(standing, last_updated))

    def _index(self, identifier: str) -> int | None:
        wanted = identifier.casefold()
        return self._identifiers.index(wanted) if wanted in self._identifiers else None


class OpenLocation:
    """The text of a Location, taken apart once for any number of changes of its EVSEs.

    Changes are made here; `text` puts the Location together again.
    """

    def __init__(self, text: str) -> None:
        self._parent = _Parent(text, _EVSES)

    @property
    def path(self) -> tuple[str, str, str]:
        """Country code, party id and id as the owner spells them."""
        return (
            self._parent.string("country_code"),
            self._parent.string("party_id"),
            self._parent.string("id"),
        )

    def evses(self) -> list[tuple[str, str]]:
        """All EVSEs as they stand, each after its uid, folded."""
        return self._parent.children()

    def evse(self, evse_uid: str) -> str | None:
        """The EVSE as it stands; None if there is no such EVSE."""
        return self._parent.find(evse_uid)

    def bytes_with(self, evse: str, last_updated: str) -> int:
        """How many bytes the Location would have after `put`."""
        return self._parent.bytes_with(evse, last_updated)

    def put(self, evse: str, last_updated: str) -> None:
        """Put an EVSE into its place, as `with_evse` does; raises as that."""
        self._parent.put(evse, last_updated)

    def text(self) -> str:
        """The Location as it is now."""
        return self._parent.text()


def connector_of(evse: str, connector_id: str) -> str | None:
    """The connector as it stands in the text of an EVSE; None if there is no such connector."""
    return _Parent(evse, _CONNECTORS).find(connector_id)


def evse_with_connector(evse: str, connector: str, last_updated: str) -> str:
    """The EVSE with this connector; arguments and errors as of `with_connector`."""
    return _Parent(evse, _CONNECTORS).with_child(connector, last_updated)


def last_updated_of(text: str) -> str:
    """The `last_updated` of a Location, EVSE or connector as it was written.

    Raises:
        ValueError: there is none.
    """
    return _string(text, "last_updated")


def evse_text(location: str, evse_uid: str) -> str | None:
    """The EVSE as it stands in the Location; None if there is no such EVSE."""
    return _Parent(location, _EVSES).find(evse_uid)


def connector_text(location: str, evse_uid: str, connector_id: str) -> str | None:
    """The connector as it stands in the Location; None if there is no such EVSE or connector."""
    evse = evse_text(location, evse_uid)
    return None if evse is None else connector_of(evse, connector_id)


def with_evse(location: str, evse: str, last_updated: str) -> str:
    """The Location with this EVSE in the place of the one with its uid, or at the end of the list.

    Args:
        last_updated: DateTime, without quotes, for the Location; one that is older than what stands
            there changes nothing.

    Raises:
        ValueError: the EVSE has no uid, or `last_updated` is no DateTime.
    """
    return _Parent(location, _EVSES).with_child(evse, last_updated)


def with_connector(location: str, evse_uid: str, connector: str, last_updated: str) -> str | None:
    """The Location with this connector in its EVSE; None if there is no such EVSE.

    Args:
        last_updated: as for `with_evse`, for the EVSE and for the Location.

    Raises:
        ValueError: the connector has no id, or `last_updated` is no DateTime.
    """
    parent = _Parent(location, _EVSES)
    evse = parent.find(evse_uid)
    if evse is None:
        return None
    return parent.with_child(evse_with_connector(evse, connector, last_updated), last_updated)


def patched_evse(location: str, evse_uid: str, patch: str) -> tuple[str, str] | None:
    """Location and EVSE after a PATCH of the EVSE; None if there is no such EVSE.

    The EVSE takes the patch's `last_updated`, whatever stood there: the caller decides whether a
    patch is too old. The Location takes it unless its own is later. A patch may remove what is
    required: validate the EVSE before it is stored.

    Raises:
        ValueError: the patch has no `last_updated` that is a DateTime, or changes the uid.
    """
    parent = _Parent(location, _EVSES)
    evse = parent.find(evse_uid)
    if evse is None:
        return None
    changed = _patched(evse, _EVSES, patch)
    return parent.with_child(changed, _string(patch, "last_updated")), changed


def patched_connector(
    location: str, evse_uid: str, connector_id: str, patch: str
) -> tuple[str, str] | None:
    """Location and connector after a PATCH of the connector; None if there is no such connector.

    As `patched_evse`, and the EVSE follows like the Location.

    Raises:
        ValueError: the patch has no `last_updated` that is a DateTime, or changes the id.
    """
    grandparent = _Parent(location, _EVSES)
    evse = grandparent.find(evse_uid)
    if evse is None:
        return None
    parent = _Parent(evse, _CONNECTORS)
    connector = parent.find(connector_id)
    if connector is None:
        return None
    changed, moment = _patched(connector, _CONNECTORS, patch), _string(patch, "last_updated")
    return grandparent.with_child(parent.with_child(changed, moment), moment), changed


def _patched(child: str, kind: _List, patch: str) -> str:
    changed = merge_patch(child, patch)
    before, after = (_string(text, kind.identifier) for text in (child, changed))
    if before.casefold() != after.casefold():
        raise ValueError(f"{kind.identifier} never changes")
    return changed


def _string(text: str, field: str) -> str:
    """The string in a field of an object.

    Raises:
        ValueError: there is none.
    """
    value: object = json.loads(text, parse_float=_no_string, parse_int=_no_string).get(field)
    if not isinstance(value, str):
        raise ValueError(f"{field} is missing or no string")
    return value


def _no_string(_number: str) -> None:
    """A number, however long, is no string."""


def _object(fields: Mapping[str, str]) -> str:
    """The text of an object with these texts of values."""
    pairs = (f"{json.dumps(name, ensure_ascii=False)}:{text}" for name, text in fields.items())
    return f"{{{','.join(pairs)}}}"


def _later(standing: str, new: str) -> str:
    """The later DateTime as it was written; the new one if they are the same moment."""
    return standing if parse_datetime(new) < parse_datetime(standing) else new
