"""The hub for end-to-end tests: real processes, real HTTP, a real database.

`HubProcess` runs `ocpi-hub serve` and its commands on a given database. `Roaming` is a hub with one
CPO and one eMSP on board; tests take more of what they need.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from ocpi_hub.admin.actions import cdrs
from ocpi_hub.assembly import OFFERED
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.domain.party import PartyId
from ocpi_hub.registration.invitations import Invitation
from ocpi_hub.registration.onboarding import Onboarding
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Database
from ocpi_hub.store.registration import PostgresRegistrationStore
from ocpi_hub.store.secret_key import Keyring
from tests.support.party import PartyProcess
from tests.support.plain_http import trusting_nobody
from tests.support.postgres import make_settings
from tests.support.program import PIPE, Process, Start, forked
from tests.support.waiting import eventually

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
SECRET_KEY = base64.b64encode(b"k" * 32).decode()

QUICK = {
    "allow_http": "true",
    "allow_networks": '["127.0.0.0/8", "::1/128"]',
    "default_relation": "realtime",
    "rate_limit_rps": "0",
    "relay_timeout_s": "2",
    "lease_margin_s": "1",
    "custody_wait_s": "1",
    "authorize_budget_ms": "1000",
    "circuit_failures": "0",
    "retry_min_s": "0.2",
    "retry_max_s": "1",
    "delivery_poll_s": "0.1",
    "directory_poll_s": "0.2",
    "directory_max_age_s": "5",
    "handshake_timeout_s": "3",
    "client_info_offline_after_s": "0",
    "log_format": "json",
    "log_level": "debug",
}
"""Settings of tests: loopback allowed, short waits."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class CommandFailed(Exception):
    """A command ended with another status than 0."""

    def __init__(self, status: int, stderr: str) -> None:
        super().__init__(f"exit {status}: {stderr}")
        self.status = status
        self.stderr = stderr


class HubProcess:
    """`ocpi-hub serve` and commands with the same environment.

    Args:
        address: the database; None for the embedded one in `data_dir`.
        settings: override `QUICK`.
        program: a module that runs instead of the hub's, for instance a hub that kills itself.
        start: `executed` for a hub as it starts elsewhere, or one whose time is measured.
    """

    def __init__(
        self,
        address: DatabaseAddress | None,
        log: Path,
        *,
        program: str = "ocpi_hub",
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        start: Start = forked,
    ) -> None:
        self._address = address
        values = QUICK | dict(settings or {}) | {"port": str(port or free_port())}
        if address is not None:
            values |= {"database_url": address.as_dsn(), "secret_key": SECRET_KEY}
        self.environment = _clean_environment() | {
            f"OCPI_HUB_{key.upper()}": value for key, value in values.items()
        }
        self.url = f"http://127.0.0.1:{values['port']}"
        self._program = program
        self._start = start
        self._log = log
        self._process: Process | None = None

    async def __aenter__(self) -> HubProcess:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start and wait until requests are accepted."""
        with self._log.open("ab") as log:
            self._process = await self._start(
                self._program,
                "serve",
                "--json",
                environment=self.environment,
                stdout=PIPE,
                stderr=log,
            )
        if self._process.stdout is None:
            raise AssertionError("stdout is a pipe")
        line = await asyncio.wait_for(self._process.stdout.readline(), START_TIMEOUT_S)
        if not line:
            raise AssertionError(f"the hub did not start:\n{self.logs()[-4000:]}")
        self.url = json.loads(line)["url"]

    async def stop(self) -> int:
        """SIGTERM, and the exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.returncode is None:
            process.terminate()
        try:
            return await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError("the hub did not stop") from None

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        """Wait for the end, whatever brings it."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        return await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)

    @property
    def process(self) -> Process:
        if self._process is None:
            raise AssertionError("the hub does not run")
        return self._process

    @property
    def versions_url(self) -> str:
        return f"{self.url}/ocpi/versions"

    def logs(self) -> str:
        return self._log.read_text(errors="replace")

    async def run(self, *arguments: str) -> Any:
        """A command's JSON result.

        Raises:
            CommandFailed: another exit status than 0.
        """
        process = await self._start(
            "ocpi_hub",
            *arguments,
            "--json",
            environment=self.environment,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), START_TIMEOUT_S)
        if process.returncode:
            raise CommandFailed(process.returncode, err.decode(errors="replace"))
        return json.loads(out)

    async def open_database(self) -> Database:
        """The hub's database, to look into it."""
        if self._address is None:
            raise AssertionError("the embedded database is the hub's own")
        return await Database.open(self._address, make_settings())

    async def onboard(self, party: PartyProcess, name: str = "a partner") -> str:
        """Invite a party platform, let it register, and wait until the hub has read its lists, so
        that what a test loads into it later stays unread; its platform id."""
        database = await self.open_database()
        try:
            invited = await self.invite(database, name)
            await party.register(invited.versions_url, invited.token)
            await eventually(
                lambda: _lists_are_read(database, invited.platform_id),
                "its lists are read",
                within_s=60,
            )
        finally:
            await database.close()
        return invited.platform_id

    async def invite(self, database: Database, name: str) -> Invitation:
        """Without the detour over a command: those have tests of their own."""
        settings = make_settings()
        registrations = PostgresRegistrationStore(database, Keyring(b"k" * 32))
        async with HttpClient(settings, clock=SystemClock()) as client:
            onboarding = Onboarding(
                registrations,
                client,
                UrlPolicy(allow_http=True, allow_networks=()),
                settings,
                public_url=self.url,
                offered=OFFERED,
            )
            return await onboarding.invitations.invite(name)

    async def get(self, path: str, **arguments: Any) -> httpx.Response:
        """A plain GET, for what is not OCPI between partners."""
        async with httpx.AsyncClient(base_url=self.url, verify=trusting_nobody()) as client:
            return await client.get(path, **arguments)


async def _lists_are_read(database: Database, platform_id: str) -> bool:
    query = "select not exists (select from inbound_catch_up where platform_id = $1)"
    async with database.connection() as connection:
        return bool(await connection.fetchval(query, platform_id))


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OCPI_HUB_")}


@dataclass(frozen=True, slots=True)
class Roaming:
    """A hub with a CPO NL*CPO and an eMSP DE*MSP on board, which have the default relation."""

    hub: HubProcess
    cpo: PartyProcess
    emsp: PartyProcess
    cpo_platform: str
    emsp_platform: str
    database: Database

    async def cdr(self, cdr_id: str, owner: str = "NL*CPO") -> dict[str, Any]:
        """What `cdr show` tells."""
        admin = CustodyAdmin(self.database, "cdrs")
        return (await cdrs.show(admin, cdrs.cdr_key(PartyId.parse(owner), cdr_id))).shown()

    async def cdr_in(self, cdr_id: str, *states: str, within_s: float = 20.0) -> dict[str, Any]:
        """The same, once the CDR is in one of these states."""
        shown: dict[str, Any] = {}
        try:
            async with asyncio.timeout(within_s):
                while shown.get("state") not in states:
                    await asyncio.sleep(0.05)
                    shown = await self.cdr(cdr_id)
        except TimeoutError:
            raise AssertionError(f"not in {states} but {shown}") from None
        return shown

    async def all_delivered(self, within_s: float = 60.0) -> None:
        """Return once no CDR is on its way or waits any more.

        Raises:
            AssertionError: some still do, or ended in another state.
        """
        left = "select count(*) from directed_object where module = 'cdrs' and state <> 'delivered'"

        async def none_is_left() -> bool:
            async with self.database.connection() as connection:
                return bool(await connection.fetchval(left) == 0)

        await eventually(none_is_left, "every CDR is delivered", within_s=within_s)

    async def received(self, cdr_id: str) -> int:
        """How often the eMSP got a CDR."""
        got = await self.emsp.received_cdrs()
        return sum(item["count"] for item in got if item["id"] == cdr_id)


@asynccontextmanager
async def roaming(hub: HubProcess, *emsp_arguments: str) -> AsyncIterator[Roaming]:
    """Start hub and parties, and bring the parties on board."""
    async with AsyncExitStack() as stack:
        cpo, emsp, _ = await asyncio.gather(
            stack.enter_async_context(PartyProcess.of([("CPO", "NL*CPO")])),
            stack.enter_async_context(PartyProcess.of([("EMSP", "DE*MSP")], *emsp_arguments)),
            stack.enter_async_context(hub),
        )
        cpo_platform, emsp_platform = await asyncio.gather(
            hub.onboard(cpo, "Charge Co"), hub.onboard(emsp, "Mobility Co")
        )
        database = await hub.open_database()
        stack.push_async_callback(database.close)
        yield Roaming(hub, cpo, emsp, cpo_platform, emsp_platform, database)
