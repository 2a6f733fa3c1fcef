"""Tariffs that objects name, kept for a while until it is looked whether their owner sent them.

A Location may arrive before its Tariffs, so it would be wrong to look at once. What waits here is
bounded, in all and for each platform: what does not fit is not looked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PlatformId
from ocpi_hub.domain.quality import Subject

MOST: Final = 20_000
MOST_OF_PLATFORM: Final = 1000
"""Tariffs that wait to be looked for."""

_Name = tuple[PlatformId, str, ObjectKey]
"""Who named it, in an object of which module, and the Tariff."""


@dataclass(slots=True)
class NamedTariff:
    """A Tariff that was named.

    Attributes:
        subject, path: the first object that named it, and where.
        times: how many objects did, the last one at `last_at`.
        due: when it is to be looked for, on the monotonic clock.
    """

    tariff: ObjectKey
    subject: Subject
    path: str
    first_at: datetime
    last_at: datetime
    due: float
    times: int = 1


class NamedTariffs:
    """The Tariffs that wait, in the order in which they are due.

    Args:
        wait_s: seconds from the first time that a Tariff is named until it is looked for.
    """

    def __init__(self, *, wait_s: float) -> None:
        self._wait_s = wait_s
        self._waiting: dict[_Name, NamedTariff] = {}
        self._of_platform: Counter[PlatformId] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, subject: Subject, tariffs: Mapping[str, str], at: datetime, now: float) -> None:
        """An object names Tariffs of its owner: ids, each with the field."""
        if subject.owner is None:
            return
        platform = subject.platform_id
        for tariff_id, path in tariffs.items():
            tariff = ObjectKey(Module.TARIFFS.value, subject.owner, tariff_id)
            name = (platform, subject.module, tariff)
            known = self._waiting.get(name)
            if known is not None:
                known.times += 1
                known.last_at = at
            elif len(self._waiting) < MOST and self._of_platform[platform] < MOST_OF_PLATFORM:
                due = now + self._wait_s
                self._waiting[name] = NamedTariff(tariff, subject, path, at, at, due)
                self._of_platform[platform] += 1

    def due(self, now: float, most: int) -> Sequence[NamedTariff]:
        """Those whose time has come; they go on waiting until `done`."""
        found: list[NamedTariff] = []
        for named in self._waiting.values():
            if named.due > now or len(found) == most:
                break
            found.append(named)
        return found

    def done(self, looked_for: Iterable[NamedTariff]) -> None:
        """These need not be looked for any more."""
        for named in looked_for:
            subject = named.subject
            del self._waiting[subject.platform_id, subject.module, named.tariff]
            self._of_platform[subject.platform_id] -= 1
            if not self._of_platform[subject.platform_id]:
                del self._of_platform[subject.platform_id]
