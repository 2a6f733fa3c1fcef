"""Counters and histograms of one process.

Labels are bounded: modules, roles, methods, outcomes and reasons are the hub's own words, platforms
are ids that operators gave. Nothing that a partner made up becomes a label.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ocpi_hub.authorization.protocols import DecisionRecord
from ocpi_hub.domain.exchange import LegKind
from ocpi_hub.domain.message_record import Outcome, SeenLeg
from ocpi_hub.domain.party import InterfaceRole, Module

PREFIX = "ocpi_hub"

REQUEST_SECONDS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0,
)  # fmt: skip
"""From a whitelist answer out of memory to the end of a relay's time."""
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

_MODULES = frozenset(Module) | {"versions"}
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_OTHER = "other"


class Instruments:
    """What is counted and measured as it happens. Cheap enough for every request."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            f"{PREFIX}_requests",
            "Requests of platforms, by class of the OCPI status code answered",
            ("module", "interface", "method", "ocpi"),
            registry=registry,
        )
        self.request_seconds = Histogram(
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
        self.call_seconds = Histogram(
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
        self.decision_seconds = Histogram(
            f"{PREFIX}_authorization_duration_seconds",
            "Time from the arrival of an authorization to its decision",
            ("decided_by",),
            buckets=REQUEST_SECONDS,
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
        module = about.module if about.module in _MODULES else _OTHER
        if about.kind is LegKind.INBOUND:
            interface = _interface(about.interface_role)
            method = seen.method if seen.method in _METHODS else _OTHER
            self.requests.labels(module, interface, method, _ocpi_class(seen.ocpi)).inc()
            self.request_seconds.labels(module, interface, method).observe(seen.elapsed_s)
        else:
            platform, kind = about.platform_id or "", about.kind.value
            self.calls.labels(platform, module, kind, _outcome(seen)).inc()
            self.call_seconds.labels(module, kind).observe(seen.elapsed_s)

    def refused(self, http_status: int) -> None:
        """A request was refused before the platform was known."""
        self.turned_away.labels(str(http_status)).inc()

    def decided(self, decision: DecisionRecord) -> None:
        """An authorization was decided."""
        self.decisions.labels(decision.decided_by.value, decision.reason).inc()
        self.decision_seconds.labels(decision.decided_by.value).observe(decision.total_ms / 1000)


def _interface(role: InterfaceRole | None) -> str:
    return role.value.lower() if role else "none"


def _ocpi_class(code: int | None) -> str:
    return f"{code // 1000}xxx" if code is not None else "none"


def _outcome(seen: SeenLeg) -> str:
    """`answered` with its HTTP class, else how it failed."""
    if seen.outcome is Outcome.ANSWERED and seen.http is not None:
        return f"http_{seen.http // 100}xx"
    return seen.outcome.value
