"""Parts that count what passes through them."""

from __future__ import annotations

import asyncio

from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.authorization.protocols import DecisionRecord, EvidenceSink, LateRecord


class CountedDecisions:
    """An evidence sink whose decisions are counted, recorded or not."""

    def __init__(self, sink: EvidenceSink, instruments: Instruments) -> None:
        self._sink = sink
        self._instruments = instruments

    def record(self, decision: DecisionRecord, *, awaited: bool = True) -> asyncio.Future[None]:
        self._instruments.decided(decision)
        return self._sink.record(decision, awaited=awaited)

    def record_late(self, late: LateRecord) -> None:
        self._sink.record_late(late)
