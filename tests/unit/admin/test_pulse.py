"""What one process has counted when it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.admin.metrics.pulse import Pulse
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import LegInfo, LegKind
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.message_record import Outcome, SeenLeg
from ocpi_hub.domain.party import InterfaceRole, PlatformId
from tests.support.directory import ManualClock
from tests.support.factories import make_directory

LEG = SeenLeg(
    LegInfo(
        LegKind.INBOUND, PlatformId("p-1"), None, None, "tokens", InterfaceRole.SENDER,
        MessageIds("r", "c"),
    ),
    "POST", "/ocpi", datetime(2026, 1, 1, tzinfo=UTC), 0.01, Outcome.ANSWERED,
    200, 1000, None, 2, 2,
)  # fmt: skip


@dataclass
class _Keeper:
    current: Directory
    age_s: float = 0.0


@dataclass
class _Records:
    written: int = 0
    dropped: int = 0


def counted(instruments: Instruments) -> float:
    labels = {"module": "tokens", "interface": "sender", "method": "POST", "ocpi": "1xxx"}
    return instruments.registry.get_sample_value("ocpi_hub_requests_total", labels) or 0.0


async def test_nothing_stays_uncounted_when_a_process_ends() -> None:
    instruments, stop = Instruments(), asyncio.Event()
    keeper = cast(DirectoryKeeper, _Keeper(make_directory()))
    pulse = Pulse(instruments, ManualClock(), keeper, (), _Records(), dict, {"disk_full": 2})
    running = asyncio.create_task(pulse.run(stop))
    await asyncio.sleep(0)
    instruments.leg(LEG)
    assert counted(instruments) == 0
    stop.set()
    await running
    assert counted(instruments) == 1
    # What others still bring to an end is counted by nobody else.
    instruments.leg(LEG)
    assert counted(instruments) == 2
