"""Counters and histograms of one process.

Labels are bounded: modules, roles, methods, outcomes and reasons are the hub's own words, platforms
are ids that operators gave. Nothing that a partner made up becomes a label.
"""

from __future__ import annotations

import collections
from bisect import bisect_left
from collections.abc import Collection
from itertools import repeat

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ocpi_hub.authorization.protocols import DecisionRecord
from ocpi_hub.domain.exchange import LegKind
from ocpi_hub.domain.message_record import Outcome, SeenLeg
from ocpi_hub.domain.party import InterfaceRole, Module, PlatformId
from ocpi_hub.store.refused_writes import REASONS

PREFIX = "ocpi_hub"

REQUEST_SECONDS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0,
)  # fmt: skip
"""From a whitelist answer out of memory to the end of a relay's time."""
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

_MODULES = frozenset(Module) | {"versions"}
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_OTHER = "other"
_MOST_SERIES = 20_000

MOST_UNSETTLED = 1000
"""Measurements of one kind that wait to be counted."""


class SecondsHistogram(Histogram):
    """Takes many values at a time: one by one, they cost more than all else that is counted."""

    def observe_all(self, values: Collection[float]) -> None:
        self._sum.inc(sum(values))
        buckets = map(bisect_left, repeat(self._upper_bounds), values)
        for bucket, number in collections.Counter(buckets).items():
            self._buckets[bucket].inc(number)


class _Series:
    """What counts one kind of request, what measures it, and the seconds of those that wait."""

    __slots__ = ("_counter", "_histogram", "seconds")

    def __init__(self, counter: Counter, histogram: SecondsHistogram) -> None:
        self._counter = counter
        self._histogram = histogram
        self.seconds: list[float] = []

    def settle(self) -> None:
        seconds, self.seconds = self.seconds, []
        if seconds:
            self._counter.inc(len(seconds))
            self._histogram.observe_all(seconds)


class Instruments:
    """What is counted and measured as it happens. Cheap enough for every request: that one has
    ended is only put down, and counted when somebody looks or half a second has passed."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._most_unsettled = MOST_UNSETTLED
        self._requests_of: dict[tuple[object, ...], _Series] = {}
        self._calls_of: dict[tuple[object, ...], _Series] = {}
        self._decisions_of: dict[tuple[object, ...], _Series] = {}
        self.requests = Counter(
            f"{PREFIX}_requests",
            "Requests of platforms, by class of the OCPI status code answered",
            ("module", "interface", "method", "ocpi"),
            registry=registry,
        )
        self.request_seconds = SecondsHistogram(
            f"{PREFIX}_request_duration_seconds",
            "Time until the answer to a request of a platform",
            ("module", "interface", "method"),
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self.turned_away = Counter(
            f"{PREFIX}_requests_turned_away",
            "Requests refused before the platform was known",
            ("http_status",),
            registry=registry,
        )
        self.calls = Counter(
            f"{PREFIX}_outbound_requests",
            "Requests to platforms",
            ("platform", "module", "kind", "outcome"),
            registry=registry,
        )
        self.call_seconds = SecondsHistogram(
            f"{PREFIX}_outbound_duration_seconds",
            "Time until the answer of a platform, or until the hub gave up",
            ("module", "kind"),
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self.decisions = Counter(
            f"{PREFIX}_authorizations",
            "Decisions about authorizations",
            ("decided_by", "reason"),
            registry=registry,
        )
        self.decision_seconds = SecondsHistogram(
            f"{PREFIX}_authorization_duration_seconds",
            "Time from the arrival of an authorization to its decision",
            ("decided_by",),
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self.deviations = Counter(
            f"{PREFIX}_deviations",
            "Objects of platforms that break a rule of the specification mildly",
            ("module", "rule"),
            registry=registry,
        )
        self._add_pulse(registry)

    def _add_pulse(self, registry: CollectorRegistry) -> None:
        """What `pulse.py` notes. Modes say what becomes of the values of several processes."""
        self.feed_reads = Counter(
            f"{PREFIX}_feed_reads", "Pages read of the feed", ("module",), registry=registry
        )
        self.messages_written = Counter(
            f"{PREFIX}_message_records_written", "Message records stored", registry=registry
        )
        self.messages_dropped = Counter(
            f"{PREFIX}_message_records_dropped", "Message records lost", registry=registry
        )
        self.writes_refused = Counter(
            f"{PREFIX}_writes_refused",
            "Writes that PostgreSQL refused: its disk is full, or it only reads",
            ("reason",),
            registry=registry,
        )
        for reason in REASONS:  # from zero on: a rate needs something before the first one
            self.writes_refused.labels(reason)
        self.queued = Gauge(
            f"{PREFIX}_writer_queue_rows",
            "Rows that wait for a writer",
            ("writer",),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.directory_version = Gauge(
            f"{PREFIX}_directory_version",
            "Version of the directory that the slowest process runs",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self.directory_age = Gauge(
            f"{PREFIX}_directory_age_seconds",
            "Seconds since the directory was verified, of the slowest process",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.lag = Histogram(
            f"{PREFIX}_event_loop_lag_seconds",
            "How much later than asked for the event loop comes back",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        self.cpu = Counter(
            f"{PREFIX}_process_cpu_seconds", "Processor time used", registry=registry
        )

    def leg(self, seen: SeenLeg) -> None:
        """A request in either direction has ended."""
        about = seen.about
        # Looking the series up costs more than counting: those of one kind are kept together.
        if about.kind is LegKind.INBOUND:
            method = seen.method if seen.method in _METHODS else _OTHER
            ocpi = seen.ocpi // 1000 if seen.ocpi is not None else None
            kind = (about.module, about.interface_role, method, ocpi)
            series = self._requests_of.get(kind) or self._request_series(*kind)
        else:
            answered = seen.http // 100 if seen.http is not None else None
            way = (about.platform_id, about.module, about.kind, seen.outcome, answered)
            series = self._calls_of.get(way) or self._call_series(*way)
        series.seconds.append(seen.elapsed_s)
        if len(series.seconds) >= self._most_unsettled:
            series.settle()

    def settle(self) -> None:
        """Count what was put down."""
        for known in (self._requests_of, self._calls_of, self._decisions_of):
            for series in known.values():
                series.settle()

    def end(self) -> None:
        """Nobody looks any more: count what was put down, and from now on everything at once."""
        self._most_unsettled = 1
        self.settle()

    def _request_series(
        self, module: str, role: InterfaceRole | None, method: str, ocpi: int | None
    ) -> _Series:
        name = module if module in _MODULES else _OTHER
        interface = role.value.lower() if role else "none"
        answered = f"{ocpi}xxx" if ocpi is not None else "none"
        if len(self._requests_of) >= _MOST_SERIES:
            self.settle()
            self._requests_of.clear()
        made = self._requests_of[module, role, method, ocpi] = _Series(
            self.requests.labels(name, interface, method, answered),
            self.request_seconds.labels(name, interface, method),
        )
        return made

    def _call_series(
        self,
        platform: PlatformId | None,
        module: str,
        kind: LegKind,
        outcome: Outcome,
        answered: int | None,
    ) -> _Series:
        name = module if module in _MODULES else _OTHER
        if len(self._calls_of) >= _MOST_SERIES:
            self.settle()
            self._calls_of.clear()
        told = outcome.value
        if outcome is Outcome.ANSWERED and answered is not None:
            told = f"http_{answered}xx"
        made = self._calls_of[platform, module, kind, outcome, answered] = _Series(
            self.calls.labels(platform or "", name, kind.value, told),
            self.call_seconds.labels(name, kind.value),
        )
        return made

    def refused(self, http_status: int) -> None:
        """A request was refused before the platform was known."""
        self.turned_away.labels(str(http_status)).inc()

    def deviates(self, module: str, rule: str, times: int) -> None:
        """Objects broke a rule of `ocpi.faults`."""
        self.deviations.labels(module if module in _MODULES else _OTHER, rule).inc(times)

    def decided(self, decision: DecisionRecord) -> None:
        """An authorization was decided."""
        way = (decision.decided_by, decision.reason)
        series = self._decisions_of.get(way)
        if series is None:
            series = self._decisions_of[way] = _Series(
                self.decisions.labels(decision.decided_by.value, decision.reason),
                self.decision_seconds.labels(decision.decided_by.value),
            )
        series.seconds.append(decision.total_ms / 1000)
        if len(series.seconds) >= self._most_unsettled:
            series.settle()
