"""Counts of mild faults, in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.quality import Quality
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.quality import Tally, TallyKey
from ocpi_hub.errors import StoreUnavailable
from tests.support.directory import ManualClock

WAIT_S = 60.0


class MemoryQualityStore:
    """A store that adds, until it is broken.

    Attributes:
        tariffs: those that the hub holds.
        writes: how often something was added.
        looks: how many Tariffs were looked for, each time.
    """

    def __init__(self) -> None:
        self.counted: dict[TallyKey, Tally] = {}
        self.tariffs: set[ObjectKey] = set()
        self.broken = False
        self.writes = 0
        self.looks: list[int] = []

    async def add(self, tallies: Mapping[TallyKey, Tally]) -> None:
        self._require_whole()
        self.writes += 1
        for key, tally in tallies.items():
            known = self.counted.get(key)
            self.counted[key] = known.plus(tally) if known else tally

    async def held(self, tariffs: Collection[ObjectKey]) -> Collection[ObjectKey]:
        self._require_whole()
        self.looks.append(len(tariffs))
        return self.tariffs & set(tariffs)

    def _require_whole(self) -> None:
        if self.broken:
            raise StoreUnavailable("the database is away")

    def rules(self) -> dict[tuple[str, str], int]:
        """Counts by module and rule."""
        return {(key.module, key.rule): tally.count for key, tally in self.counted.items()}


def make_quality(store: MemoryQualityStore | None = None, clock: Clock | None = None) -> Quality:
    """Counts that go nowhere unless they are flushed."""
    return Quality(
        store or MemoryQualityStore(),
        clock or ManualClock(),
        mask=lambda uid: f"hash{len(uid)}",
        tariff_wait_s=WAIT_S,
    )
