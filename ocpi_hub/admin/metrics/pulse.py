"""How this process is: noted twice a second, because other processes may be asked about it."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter as Counts
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.clock import Clock
from ocpi_hub.directory.keeper import DirectoryKeeper

PULSE_S = 0.5


class Queue(Protocol):
    """A writer, as far as it can be measured."""

    name: str

    @property
    def queued(self) -> int: ...


class Records(Protocol):
    """The writer of message records."""

    written: int
    dropped: int


class Pulse:
    """A loop that keeps the gauges.

    Args:
        feed_reads: pages of the feed read so far, by module.
        writes_refused: so far, by reason.
    """

    def __init__(
        self,
        instruments: Instruments,
        clock: Clock,
        keeper: DirectoryKeeper,
        queues: Sequence[Queue],
        records: Records,
        feed_reads: Callable[[], Mapping[str, int]],
        writes_refused: Mapping[str, int],
    ) -> None:
        self._instruments = instruments
        self._clock = clock
        self._keeper = keeper
        self._queues = queues
        self._records = records
        self._feed_reads = feed_reads
        self._writes_refused = writes_refused
        self._noted: Counts[str] = Counts()
        self._cpu_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Note until `stop` is set."""
        while not stop.is_set():
            self.note()
            started = self._clock.monotonic()
            try:
                await asyncio.wait_for(stop.wait(), PULSE_S)
            except TimeoutError:
                late_s = self._clock.monotonic() - started - PULSE_S
                self._instruments.lag.observe(max(0.0, late_s))
        self.note()
        self._instruments.end()

    def note(self) -> None:
        """Take everything as it is now."""
        instruments = self._instruments
        instruments.settle()
        for queue in self._queues:
            instruments.queued.labels(queue.name).set(queue.queued)
        instruments.directory_version.set(self._keeper.current.version)
        instruments.directory_age.set(self._keeper.age_s)
        for module, reads in self._feed_reads().items():
            instruments.feed_reads.labels(module).inc(self._more(f"feed {module}", reads))
        for reason, count in self._writes_refused.items():
            instruments.writes_refused.labels(reason).inc(self._more(f"refused {reason}", count))
        instruments.messages_written.inc(self._more("written", self._records.written))
        instruments.messages_dropped.inc(self._more("dropped", self._records.dropped))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = usage.ru_utime + usage.ru_stime
        instruments.cpu.inc(max(0.0, cpu_s - self._cpu_s))
        self._cpu_s = cpu_s

    def _more(self, name: str, count: int) -> int:
        """How much was added since the last time."""
        more = count - self._noted[name]
        self._noted[name] = count
        return max(0, more)
