"""The demo's world: a folder, the hub, a platform for each company; and its end."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ocpi_hub.demo import keeping
from ocpi_hub.demo.admin import Admin
from ocpi_hub.demo.parties import ALL_CPOS, COMPANIES, CPOS, EMSPS, Company
from ocpi_hub.demo.processes import Child, Hub, Party

BUDGET_MS = 1500

ON_LOOPBACK = {"allow_http": "true", "allow_networks": '["127.0.0.0/8"]'}
"""What commands need, too, that call a party."""

LANE_LEASE_S, RELAY_TIMEOUT_S = 1, 3
DOUBT_S = LANE_LEASE_S + RELAY_TIMEOUT_S
"""After a kill a push of before may be under way for so long; then what changed goes out again."""

SETTINGS = {
    **ON_LOOPBACK,
    "default_relation": "realtime",
    "authorize_budget_ms": str(BUDGET_MS),
    # After a kill an attempt may be taken over when its lease, the sum of the first two, is over.
    "relay_timeout_s": str(RELAY_TIMEOUT_S),
    # Thousands of tokens are pushed at once here, which no platform does otherwise.
    "rate_limit_rps": "0",
    "lease_margin_s": "2",
    "custody_wait_s": "2",
    "retry_min_s": "0.5",
    "retry_max_s": "4",
    "still_alive_s": "2",
    # After a kill the pushes go on when somebody may take over from the process that is gone.
    "lane_lease_s": str(LANE_LEASE_S),
    "log_format": "json",
}
"""What differs from the defaults: loopback is allowed, and waits fit into a demo."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs.

    Attributes:
        folder: data and logs, readable for the account that PostgreSQL runs as.
    """

    folder: Path
    logs: Path
    hub: Hub
    admin: Admin
    parties: dict[Company, Party]

    @classmethod
    def create(cls) -> World:
        """Make the folder; nothing runs yet."""
        folder = Path(tempfile.mkdtemp(prefix=keeping.PREFIX))
        folder.chmod(0o755)
        logs = folder / "logs"
        logs.mkdir()
        hub = Hub(folder, logs, SETTINGS)
        parties = {each: Party(each, logs) for each in COMPANIES}
        return cls(folder, logs, hub, Admin(hub), parties)

    @property
    def cpos(self) -> dict[Company, Party]:
        """Those with cars at their charging points."""
        return {cpo: self.parties[cpo] for cpo in CPOS}

    @property
    def all_cpos(self) -> dict[Company, Party]:
        return {cpo: self.parties[cpo] for cpo in ALL_CPOS}

    @property
    def emsps(self) -> dict[Company, Party]:
        return {emsp: self.parties[emsp] for emsp in EMSPS}

    @property
    def children(self) -> list[Child]:
        return [self.hub.child, *(party.child for party in self.parties.values())]

    async def start(self) -> float:
        """Start everything; seconds until the hub was ready."""
        # All starts end before the first failure shows: what starts late could not be stopped.
        starting = asyncio.ensure_future(self.hub.start())
        starts = [starting, *(party.start() for party in self.parties.values())]
        for result in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        return starting.result()

    async def stop(self) -> None:
        """End everything; the folder stays."""
        await self.admin.disconnect()
        await asyncio.gather(
            self.hub.child.stop(), *(party.stop() for party in self.parties.values())
        )

    async def let_go(self) -> None:
        """Leave everything running; `keeping.end` ends it."""
        keeping.note(self.folder, [child.pid for child in self.children])
        await self.admin.disconnect()
        await asyncio.gather(*(party.disconnect() for party in self.parties.values()))

    def remove(self) -> None:
        """Delete data and logs."""
        shutil.rmtree(self.folder, ignore_errors=True)
