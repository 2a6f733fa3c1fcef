"""What owners have, what the hub has acknowledged of it, and what each party should hold of that.

In memory and without any rule of the hub but what OCPI and the documentation promise to partners.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.support.copies import Fields, Key

EVERYBODY = "*"


class Dates:
    """Values for `last_updated`: the time of day, and each later than the one before."""

    def __init__(self) -> None:
        self._last = datetime.now(UTC)

    def next(self) -> str:
        self._last = max(datetime.now(UTC), self._last + timedelta(milliseconds=1))
        return f"{self._last:%Y-%m-%dT%H:%M:%S}.{self._last.microsecond // 1000:03}Z"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of an owner.

    Attributes:
        after: the object as it is when the request is done; None: deleted.
        audience: the party it is addressed to, or everybody.
    """

    method: str
    path: str
    body: Fields | None
    after: Fields | None
    audience: str = EVERYBODY


@dataclass(slots=True)
class Owned:
    """One object in its owner's eyes.

    Attributes:
        versions: what was acknowledged, by audience: when, counted by the model, and the fields.
        unsure: requests whose outcome the owner does not know.
        listed: the owner leaves what it is unsure of to the hub, which reads its list.
        behind: the hub may lack what the owner has: only a PUT of the whole object helps.
        flying: a request is under way.
        home_first: what is under way is in the owner's list already, and stays there if it is
            refused; otherwise it has not happened then.
        payer: the only party it concerns; empty for what is shared.
    """

    key: Key
    payer: str = ""
    versions: dict[str, tuple[int, Fields | None]] = field(default_factory=dict)
    unsure: list[Ask] = field(default_factory=list)
    listed: bool = False
    behind: bool = False
    flying: bool = False
    home_first: bool = True

    def fields(self, audience: str = EVERYBODY) -> Fields | None:
        """As its owner has it for everybody, or for one party."""
        return self.versions.get(audience, (0, None))[1]

    def shown_to(self, party: str) -> Fields | None:
        """What a party that works with the owner should hold.

        A copy of its own stands in front of what everybody has; one that was deleted hides what
        everybody had by then.
        """
        at, fields = self.versions.get(EVERYBODY, (0, None))
        own_at, own = self.versions.get(party, (0, None))
        if own is not None:
            return own
        return fields if at > own_at else None


@dataclass(slots=True)
class Roaming:
    """All objects, by key, and which parties work together.

    Attributes:
        apart: (CPO, eMSP) pairs whose relation was withdrawn, with the newest date by then.
    """

    cpos: tuple[str, ...]
    emsps: tuple[str, ...]
    objects: dict[Key, Owned] = field(default_factory=dict)
    apart: dict[tuple[str, str], str] = field(default_factory=dict)
    _count: int = 0

    def pair(self, one: str, other: str) -> tuple[str, str]:
        return (one, other) if one in self.cpos else (other, one)

    def related(self, one: str, other: str) -> bool:
        return self.pair(one, other) not in self.apart

    def others(self, party: str) -> tuple[str, ...]:
        return self.emsps if party in self.cpos else self.cpos

    def done(self, item: Owned, ask: Ask) -> None:
        """A request was acknowledged."""
        self._count += 1
        if ask.after is None and ask.audience == EVERYBODY:
            # What was addressed to single parties under the same id goes along.
            for audience in item.versions:
                item.versions[audience] = (self._count, None)
        item.versions[ask.audience] = (self._count, ask.after)

    def listed(self, owner: str, module: str) -> Iterator[Fields]:
        """What an owner's list shows: what it has, whoever knows of it by now."""
        for item in self.objects.values():
            if item.key.owner == owner and item.key.module == module:
                shown = item.home_first or not item.flying
                asks = item.unsure if shown else []
                newest = [ask.after for ask in asks if ask.audience == EVERYBODY]
                fields = newest[-1] if newest else item.fields()
                if fields is not None:
                    yield fields

    def should_hold(self, party: str) -> dict[Key, Fields]:
        """What a party should hold of owners that it works with."""
        found: dict[Key, Fields] = {}
        for key, item in self.objects.items():
            concerned = party == item.payer if item.payer else key.owner in self.others(party)
            fields = item.shown_to(party) if concerned and self.related(party, key.owner) else None
            if fields is not None:
                found[key] = fields
        return found


def differences(expected: dict[Key, Fields], found: dict[Key, Fields]) -> list[str]:
    """Where two sets of objects differ, one line for each object."""
    lines = []
    for key in sorted(expected.keys() | found.keys()):
        wanted, got = expected.get(key), found.get(key)
        if wanted != got:
            lines.append(f"{'/'.join(key)}: {_difference(wanted, got)}")
    return lines


def _difference(wanted: Fields | None, got: Fields | None) -> str:
    if wanted is None or got is None:
        return "is missing" if got is None else f"should not be there: {_short(got)}"
    names = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
    return "; ".join(
        f"{name} should be {_short(wanted.get(name))}, is {_short(got.get(name))}" for name in names
    )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 300 else f"{text[:300]}..."
