"""The newest states of shared objects: what was acknowledged, and what receivers were given."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.copies import Fields, Given, Key, changed_object, comparable


@dataclass(slots=True)
class Model:
    """The newest acknowledged state of everything."""

    objects: dict[Key, Fields] = field(default_factory=dict)
    changes: int = 0

    def learn(self, change: Given) -> None:
        """A change was acknowledged; an older one than what is there changes nothing."""
        self.changes += 1
        held = self.objects.get(change.key)
        if held is not None and change.fields["last_updated"] < _dated(held, change.part):
            return
        changed = changed_object(held, change)
        assert changed is not None
        self.objects[change.key] = changed

    def of(self, module: str) -> dict[Key, Fields]:
        return {key: comparable(value) for key, value in self.objects.items() if key[0] == module}


def _dated(held: Fields, part: tuple[str, ...]) -> str:
    """The `last_updated` of an object, or of an EVSE of it and what that has."""
    if part:
        held = next(evse for evse in held["evses"] if evse["uid"] == part[0])
    return str(held["last_updated"])


@dataclass(slots=True)
class Order:
    """The newest states that receivers got; Locations have the date of their own in their name."""

    faults: list[str] = field(default_factory=list)
    _newest: dict[tuple[str, Key, str], str] = field(default_factory=dict)

    def note(self, given: Given, what: str) -> None:
        for place, date in self._dates(given).items():
            at = (given.receiver, given.key, place)
            if date < (before := self._newest.get(at, "")):
                self.faults.append(f"{at} {what} {date} after {before}")
            self._newest[at] = max(date, before)

    @staticmethod
    def _dates(given: Given) -> dict[str, str]:
        fields = given.fields
        if given.part:
            return {given.part[0]: fields["last_updated"]}
        evses = {evse["uid"]: evse["last_updated"] for evse in fields.get("evses", ())}
        return evses | {name: fields[name] for name in ("name", "last_updated") if name in fields}
