"""Parts that count what passes through them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.authorization.protocols import DecisionRecord, EvidenceSink, LateRecord


class CountedDecisions:
    """An evidence sink whose decisions are counted, recorded or not."""

    def __init__(self, sink: EvidenceSink, instruments: Instruments) -> None:
        self._sink = sink
        self._instruments = instruments

    def record(self, decision: DecisionRecord, lost: Callable[[], None]) -> asyncio.Future[None]:
        self._instruments.decided(decision)
        return self._sink.record(decision, lost)

    def note(self, decision: DecisionRecord, lost: Callable[[], None]) -> None:
        self._instruments.decided(decision)
        self._sink.note(decision, lost)

    def record_late(self, late: LateRecord) -> None:
        self._sink.record_late(late)
