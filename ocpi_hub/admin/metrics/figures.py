"""What is read from the database when somebody asks: custody, lanes, processes.

It is read for one scrape and kept for a few seconds, a failure as well, so that many who ask cost
the database no more than one. Without the database these figures are missing, and nothing else is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ocpi_hub.admin.lanes import lane_items
from ocpi_hub.admin.metrics.instruments import PREFIX
from ocpi_hub.admin.views.lanes import LaneItem
from ocpi_hub.clock import Clock
from ocpi_hub.delivery.whitelist_runs import RunState
from ocpi_hub.delivery.whitelist_staleness import Freshness
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PlatformState
from ocpi_hub.errors import StoreError
from ocpi_hub.store.database import Database
from ocpi_hub.store.figures import CustodyCount, Figures, read_figures
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

KEPT_S = 5.0
STATEMENT_MS = 2000
READ_S = 4.0
"""Seconds for all of it, waiting for a connection included."""
TOP_RECEIVERS = 20
"""Receivers that are named with what they are owed: those that are owed most."""


@dataclass(frozen=True, slots=True)
class _Kept:
    figures: Figures | None
    read_at: float


class FigureReader:
    """Reads figures, at most once in `KEPT_S` seconds.

    Args:
        alive: age of a heartbeat up to which a process counts.
    """

    def __init__(self, database: Database, clock: Clock, *, alive: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._alive = alive
        self._kept: _Kept | None = None
        self._reading = asyncio.Lock()

    async def figures(self) -> Figures | None:
        """The latest figures; None while the database does not answer in time."""
        async with self._reading:
            kept, now = self._kept, self._clock.monotonic()
            if kept is None or now - kept.read_at >= KEPT_S:
                kept = self._kept = _Kept(await self._read(), self._clock.monotonic())
            return kept.figures

    async def _read(self) -> Figures | None:
        try:
            async with asyncio.timeout(READ_S):
                return await read_figures(
                    self._database, statement_ms=STATEMENT_MS, alive=self._alive
                )
        except (StoreError, TimeoutError) as error:
            log.warning("figures_not_read", reason=str(error) or type(error).__name__)
            return None


class StoredFigures(Collector):
    """Figures as metrics, for one scrape."""

    def __init__(
        self, figures: Figures | None, directory: Callable[[], Directory], now: datetime
    ) -> None:
        self._figures = figures
        self._directory = directory
        self._now = now

    def collect(self) -> Iterator[Metric]:
        figures, directory = self._figures, self._directory()
        yield _gauge("database_up", "1: the database answers in time", 0 if figures is None else 1)
        yield from _platforms(directory, self._now)
        if figures is None:
            return
        yield _gauge("processes", "Processes of the hub that are alive", figures.processes)
        yield _labelled(
            "circuit_open",
            "Platforms that do not answer authorizations",
            ("platform",),
            [((platform,), 1) for platform in figures.circuits],
        )
        yield from _custody(figures.custody, self._now)
        yield from _whitelist(figures)
        yield from _lanes(lane_items(figures.lanes, figures.past, directory, self._now))


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _labelled(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _platforms(directory: Directory, now: datetime) -> Iterator[Metric]:
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for platform in directory.platforms.values():
        counts[platform.state.value, "yes" if platform.online else "no"] += 1
    text = "Platforms by state, and whether they answer"
    yield _labelled("platforms", text, ("state", "online"), sorted(counts.items()))
    yield _labelled(
        "platform_offline_seconds",
        "How long connected platforms have been OFFLINE",
        ("platform",),
        [
            ((platform.platform_id,), max(0.0, (now - platform.offline_since).total_seconds()))
            for platform in directory.platforms.values()
            if platform.state is PlatformState.CONNECTED
            and not platform.online
            and platform.offline_since is not None
        ],
    )


def _custody(counts: Sequence[CustodyCount], now: datetime) -> Iterator[Metric]:
    yield _labelled(
        "custody_objects",
        "Directed objects that are not delivered",
        ("module", "state"),
        [((count.module, count.state), count.objects) for count in counts],
    )
    oldest: dict[str, float] = {}
    for count in counts:
        if count.oldest_at is not None:
            age_s = max(0.0, (now - count.oldest_at).total_seconds())
            oldest[count.module] = max(age_s, oldest.get(count.module, 0.0))
    yield _labelled(
        "custody_oldest_seconds",
        "Age of the oldest directed object that waits for its receiver",
        ("module",),
        [((module,), age_s) for module, age_s in oldest.items()],
    )


def _whitelist(figures: Figures) -> Iterator[Metric]:
    for name, text, states, counts in (
        (
            "whitelist_runs",
            "Readings of token lists that are not over",
            (RunState.RUNNING, RunState.HELD),
            figures.whitelist_runs,
        ),
        (
            "whitelist_relations",
            "Relations of mode whitelist, by the age of what is known",
            tuple(Freshness),
            figures.whitelist_relations,
        ),
    ):
        rows = [((state.value,), counts.get(state.value, 0)) for state in states]
        yield _labelled(name, text, ("state",), rows)


def _lanes(lanes: Sequence[LaneItem]) -> Iterator[Metric]:
    by_module: defaultdict[str, list[LaneItem]] = defaultdict(list)
    for lane in lanes:
        by_module[lane.module].append(lane)
    figures: Sequence[tuple[str, str, Callable[[LaneItem], float], Callable[..., float]]] = (
        ("lanes", "Lanes: a receiver and a module", lambda lane: 1, sum),
        ("lane_backlog_changes", "Changes not settled yet", lambda lane: lane.backlog, sum),
        ("lane_oldest_seconds", "Age of the oldest of them", lambda lane: lane.age_s, max),
        ("lane_gaps", "Objects that receivers did not take", lambda lane: lane.gaps, sum),
    )
    for name, text, value, combine in figures:
        rows = [((module,), combine(map(value, own))) for module, own in by_module.items()]
        yield _labelled(name, text, ("module",), rows)
    behind = sorted((lane for lane in lanes if lane.backlog or lane.gaps), key=_owed)
    most = behind[-TOP_RECEIVERS:]
    labels = ("receiver", "module")
    for name, text, value in (
        ("receiver_backlog_changes", "Of the receivers owed most", lambda lane: lane.backlog),
        ("receiver_oldest_seconds", "Of the receivers owed most", lambda lane: lane.age_s),
        ("receiver_gaps", "Of the receivers owed most", lambda lane: lane.gaps),
    ):
        rows_of = [((lane.receiver, lane.module), value(lane)) for lane in most]
        yield _labelled(name, text, labels, rows_of)


def _owed(lane: LaneItem) -> int:
    return lane.backlog + lane.gaps
