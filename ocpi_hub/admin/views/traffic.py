"""How figures of traffic look: what the console's overview and charts are made of."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.overview import OverviewNow
from ocpi_hub.admin.views.base import Moment, View, moment
from ocpi_hub.admin.views.lanes import LaneItem
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.figures import CustodyCount
from ocpi_hub.store.traffic import DayOfCdrs, TrafficMinute, TrafficStep


class TrafficPart(View):
    """Requests of some time; latencies are those of requests to the hub, in milliseconds."""

    at: Moment = Field(description="when it begins")
    received: int
    sent: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class TrafficMinuteView(TrafficPart):
    """A minute."""

    decided: dict[str, int] = Field(description="authorizations by who decided")


class TrafficStepView(TrafficPart):
    """Some minutes; percentiles are means of theirs, weighted by requests."""

    modules: dict[str, int] = Field(description="requests by module")
    outcomes: dict[str, int] = Field(
        description="authorizations by what was allowed; `none`: without an answer"
    )
    waiting: dict[str, int] = Field(
        description="the most that waited at a time: CDRs, Sessions, pushes that were not taken"
    )


class CustodyView(View):
    """Directed objects of a module in one state."""

    module: str
    state: str
    objects: int
    oldest_at: Moment | None


class OverviewView(View):
    """What flows, and what is stuck."""

    at: Moment
    minutes: tuple[TrafficMinuteView, ...] = Field(
        description="of the last hour; those without any traffic are missing"
    )
    custody: tuple[CustodyView, ...] | None = Field(
        description="null: the database did not answer in time"
    )
    processes: int | None = Field(description="of the hub that are alive")
    lanes: tuple[LaneItem, ...] = Field(description="with a backlog or gaps, the most first")


class TrafficView(View):
    """Traffic of a stretch of time; steps without any are missing."""

    since: Moment
    step_s: int
    steps: tuple[TrafficStepView, ...]


class DayOfCdrsView(View):
    """CDRs that ended on a day, UTC."""

    day: str
    cdrs: int
    energy_kwh: float


def overview(now: OverviewNow) -> OverviewView:
    figures = now.figures
    return OverviewView(
        at=timestamp(now.at),
        minutes=tuple(map(_minute, now.minutes)),
        custody=tuple(map(_custody, figures.custody)) if figures else None,
        processes=figures.processes if figures else None,
        lanes=tuple(now.lanes),
    )


def traffic_step(step: TrafficStep) -> TrafficStepView:
    return TrafficStepView(
        at=timestamp(step.step),
        received=step.received,
        sent=step.sent,
        failed=step.failed,
        p50_ms=step.p50_ms,
        p95_ms=step.p95_ms,
        p99_ms=step.p99_ms,
        modules=dict(step.modules),
        outcomes=dict(step.outcomes),
        waiting=dict(step.waiting),
    )


def day_of_cdrs(day: DayOfCdrs) -> DayOfCdrsView:
    return DayOfCdrsView(day=day.day.isoformat(), cdrs=day.cdrs, energy_kwh=day.energy_kwh)


def _minute(minute: TrafficMinute) -> TrafficMinuteView:
    return TrafficMinuteView(
        at=timestamp(minute.minute),
        received=minute.received,
        sent=minute.sent,
        failed=minute.failed,
        p50_ms=minute.p50_ms,
        p95_ms=minute.p95_ms,
        p99_ms=minute.p99_ms,
        decided=dict(minute.decided),
    )


def _custody(count: CustodyCount) -> CustodyView:
    return CustodyView(
        module=count.module,
        state=count.state,
        objects=count.objects,
        oldest_at=moment(count.oldest_at),
    )
