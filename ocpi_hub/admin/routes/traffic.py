"""What flows and what is stuck, in figures: the overview, and traffic over an hour to a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import Field

from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import API, AnyRoute, Call, Given, NoBody, Route
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.traffic import (
    DayOfCdrsView,
    OverviewView,
    TrafficView,
    day_of_cdrs,
    overview,
    traffic_step,
)
from ocpi_hub.ocpi.envelope import timestamp

DAYS: Final = 30
"""Days that energy is told of."""
ORIGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Steps begin at multiples since then."""


class Back(StrEnum):
    """How far back; each has steps of its own."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def span(self) -> timedelta:
        return _SPANS[self][0]

    @property
    def step(self) -> timedelta:
        return _SPANS[self][1]

    def begins(self, now: datetime) -> datetime:
        """The first step of those that end with the present one."""
        last = now - (now - ORIGIN) % self.step
        return last - self.step * (self.span // self.step - 1)


_SPANS: Final = {
    Back.HOUR: (timedelta(hours=1), timedelta(minutes=1)),
    Back.DAY: (timedelta(hours=24), timedelta(minutes=15)),
    Back.WEEK: (timedelta(days=7), timedelta(hours=2)),
}


class TrafficGiven(Given):
    back: Back = Field(Back.HOUR, description="how far back")


def traffic_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    figures = parts.overview

    async def now(call: Call[NoParameters, NoBody]) -> OverviewView:
        return overview(await figures.now())

    async def traffic(call: Call[TrafficGiven, NoBody]) -> TrafficView:
        back = call.given.back
        since = back.begins(parts.clock.now())
        found = await figures.within(since, back.step)
        return TrafficView(
            since=timestamp(since),
            step_s=int(back.step.total_seconds()),
            steps=tuple(map(traffic_step, found)),
        )

    async def energy(call: Call[NoParameters, NoBody]) -> Page[DayOfCdrsView]:
        return Page(items=tuple(map(day_of_cdrs, await figures.energy(DAYS))), next=None)

    return (
        Route("GET", f"{API}/overview", Scope.READ,
              "What flows and what is stuck: the last hour, custody, lanes that are behind",
              NoParameters, NoBody, OverviewView, now),
        Route("GET", f"{API}/traffic", Scope.READ,
              "Requests, failures, answer times, decisions, and what waited, in steps",
              TrafficGiven, NoBody, TrafficView, traffic),
        Route("GET", f"{API}/traffic/energy", Scope.READ,
              "kWh and CDRs of the last 30 days, UTC",
              NoParameters, NoBody, Page[DayOfCdrsView], energy),
    )  # fmt: skip
