"""Copies of the Locations: what the CPOs have, what the eMSPs hold, and what lies between. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocpi_hub.demo.parties import ALL_CPOS, Company, related

Locations = Mapping[str, Mapping[str, Any]]
"""Location objects by owner and id."""


def by_key(locations: Iterable[Mapping[str, Any]]) -> Locations:
    return {f"{each['country_code']}*{each['party_id']} {each['id']}": each for each in locations}


def evse_times(locations: Locations) -> dict[str, str]:
    """When each charging point changed last, by its uid."""
    return {
        evse["uid"]: evse["last_updated"]
        for location in locations.values()
        for evse in location["evses"]
    }


def behind(held: Locations, own: Locations) -> dict[str, str]:
    """The charging points that a copy lacks the latest state of, with the time of that state.

    All times are written alike, so that their order is that of their texts.
    """
    known = evse_times(held)
    return {uid: time for uid, time in evse_times(own).items() if known.get(uid, "") < time}


@dataclass(frozen=True, slots=True)
class Push:
    """A push that an eMSP took: of a charging point, or of a Location with all of its own.

    Attributes:
        uid: of the charging point; None when it was a whole Location.
        told: the charging points in it, with the times of their latest changes.
    """

    location_id: str
    uid: str | None
    told: Mapping[str, str]


def with_news(pushes: Iterable[Push], behind: Mapping[str, str]) -> list[Push]:
    """The pushes that told something an eMSP did not know when it was behind like that."""
    unknown, found = dict(behind), []
    for push in pushes:
        news = {uid for uid, moment in push.told.items() if moment >= unknown.get(uid, "~")}
        if news:
            found.append(push)
        for uid in news:
            del unknown[uid]
    return found


@dataclass(frozen=True, slots=True)
class Return:
    """What an eMSP that was away got afterwards.

    Attributes:
        at: when it came back, an OCPI DateTime.
        behind: the charging points it had to learn about, with the time of their latest change.
        since: how often each charging point changed after that.
        pushes: what it was pushed after that.
    """

    company: Company
    at: str
    behind: Mapping[str, str]
    since: Mapping[str, int]
    pushes: Sequence[Push]

    def too_many(self) -> Iterator[str]:
        """What was pushed more often than there was something to tell.

        A Location comes whole only when the hub found changes in a CPO's list: once.
        """
        for uid, count in Counter(push.uid for push in self.pushes if push.uid).items():
            due = (uid in self.behind) + self.since.get(uid, 0)
            if count > due:
                yield f"{uid} was pushed {count} times instead of {due}"
        whole = Counter(push.location_id for push in self.pushes if push.uid is None)
        for location_id, count in whole.items():
            if count > 1:
                yield f"{location_id} was pushed {count} times"


@dataclass(frozen=True, slots=True)
class Copies:
    """Who has which Locations at the end.

    Attributes:
        own: of all CPOs.
        held: what each eMSP was pushed.
        served: what the hub listed to each eMSP.
        returned: of the eMSP that was away.
    """

    own: Locations
    held: Mapping[Company, Locations]
    served: Mapping[Company, Locations]
    returned: Return


def open_to(emsp: Company, locations: Locations) -> Locations:
    """Those of CPOs that have a relation with an eMSP."""
    owners = {str(cpo.party) for cpo in ALL_CPOS if related(cpo, emsp)}
    return {key: each for key, each in locations.items() if key.partition(" ")[0] in owners}


def differences(name: str, copy: Locations, own: Locations) -> Iterator[str]:
    """What a copy has otherwise than the CPOs, Location by Location."""
    for key in sorted(own.keys() | copy.keys()):
        if key not in copy:
            yield f"{name} lacks {key}"
        elif key not in own:
            yield f"{name} has {key}, which is nobody's"
        elif copy[key] != own[key]:
            yield f"{name} has {key} otherwise: {_fields(copy[key], own[key])}"


def _fields(copy: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    return ", ".join(
        name for name in sorted(own.keys() | copy.keys()) if copy.get(name) != own.get(name)
    )
