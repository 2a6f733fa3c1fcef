"""The figures of the overview, read at most every few seconds however many look."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ocpi_hub.admin.lanes import lane_items
from ocpi_hub.admin.metrics.figures import FigureReader
from ocpi_hub.admin.views.lanes import LaneItem
from ocpi_hub.clock import Clock
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.store.figures import Figures
from ocpi_hub.store.traffic import DayOfCdrs, PostgresTraffic, TrafficMinute, TrafficStep

KEPT_S = 4.0
DAY_KEPT_S, OLD_DAY_KEPT_S = 60.0, 1800.0
"""Seconds for which kWh are kept, of today and of an older day: a million CDRs take a while."""
SHOWN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OverviewNow:
    """What is shown.

    Attributes:
        figures: None while the database does not answer in time.
        lanes: those with a backlog or gaps, the most first.
    """

    at: datetime
    minutes: Sequence[TrafficMinute]
    figures: Figures | None
    lanes: Sequence[LaneItem]


class OverviewFigures:
    """Reads them."""

    def __init__(
        self, traffic: PostgresTraffic, figures: FigureReader, keeper: DirectoryKeeper, clock: Clock
    ) -> None:
        self._traffic = traffic
        self._figures = figures
        self._keeper = keeper
        self._clock = clock
        self._kept: tuple[float, OverviewNow] | None = None
        self._days: dict[date, tuple[float, DayOfCdrs]] = {}
        self._reading = asyncio.Lock()

    async def now(self) -> OverviewNow:
        """The latest.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        async with self._reading:
            at = self._clock.monotonic()
            if self._kept is None or at - self._kept[0] >= KEPT_S:
                self._kept = (at, await self._read())
            return self._kept[1]

    async def within(self, since: datetime, step: timedelta) -> Sequence[TrafficStep]:
        """Traffic in steps: see `PostgresTraffic.within`."""
        return await self._traffic.within(since, step)

    async def energy(self, days: int) -> Sequence[DayOfCdrs]:
        """kWh of the last days, in order; of those that are over, not always the newest."""
        async with self._reading:
            now, today = self._clock.monotonic(), self._clock.now().date()
            wanted = [today - timedelta(days=ago) for ago in reversed(range(days))]
            for day in wanted:
                again = DAY_KEPT_S if day == today else OLD_DAY_KEPT_S
                kept = self._days.get(day)
                if kept is None or now - kept[0] >= again:
                    self._days[day] = (now, await self._traffic.energy(day))
            self._days = {day: self._days[day] for day in wanted}
            return [self._days[day][1] for day in wanted]

    async def _read(self) -> OverviewNow:
        now = self._clock.now()
        minutes = await self._traffic.since(now - SHOWN)
        figures = await self._figures.figures()
        lanes: list[LaneItem] = []
        if figures is not None:
            items = lane_items(figures.lanes, figures.past, self._keeper.current, now)
            lanes = [item for item in items if item.backlog or item.gaps]
            lanes.sort(key=lambda item: (-item.backlog - item.gaps, item.receiver))
        return OverviewNow(now, minutes, figures, lanes)
