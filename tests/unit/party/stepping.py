"""A CPO whose time moves in steps, and whose peer is only a list of what was sent to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpi_hub.domain.party import CredentialsToken, InterfaceRole, Module
from ocpi_hub.party.charge_life import ChargeLife
from ocpi_hub.party.charge_points import ChargePoints
from ocpi_hub.party.client import Outgoing, SendResult
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.credentials import CredentialsStore, Peer
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.modules import Modules
from ocpi_hub.party.outbox import Outbox
from ocpi_hub.party.results import ResultSender
from ocpi_hub.party.simulation import Simulation
from tests.support.party import make_location, party_role
from tests.unit.party.test_modules import make_request

URL = "https://peer.example/results/1"
"""The `response_url` of every command."""

TURNS = 40
"""Turns of the event loop after which everything has happened that can happen without time."""


async def settle() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


class StepClock:
    """A clock that only `advance` moves; who sleeps is woken when it passes by."""

    def __init__(self) -> None:
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, delay_s: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self._elapsed_s + delay_s, woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Let what is going on settle, then that time pass, then what follows settle."""
        await settle()
        self._elapsed_s += seconds
        for until, woken in self._sleepers:
            if until <= self._elapsed_s:
                woken.set()
        await settle()


class ListedClient:
    """Takes the place of the connection to a peer.

    Attributes:
        sent: every request, in order.
        answers: what the peer says to a method and module, instead of 1000.
    """

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.answers: dict[tuple[str, str], SendResult] = {}

    async def send(self, request: Outgoing) -> SendResult:
        self.sent.append(request)
        return self.answers.get((request.method, request.module), SendResult(1.0, 200, 1000))

    def told(self, module: str) -> list[tuple[str, dict[str, Any]]]:
        """Methods and bodies of the requests of a module."""
        return [
            (request.method, json.loads(request.body or b"{}"))
            for request in self.sent
            if request.module == module
        ]


def make_peer(*roles: tuple[str, str], left_out: str = "") -> Peer:
    """A peer with all functional modules but one, and parties given as (role, `CC*PID`)."""
    endpoints = {
        (module.value, role): f"https://peer.example/{role.lower()}/{module}"
        for module in Module
        for role in InterfaceRole
        if module != left_out
    }
    parties = [(role, *party.split("*")) for role, party in roles or (("EMSP", "DE*MSP"),)]
    told = [{"role": role, "country_code": cc, "party_id": pid} for role, cc, pid in parties]
    return Peer("https://peer.example/versions", CredentialsToken("ours"), endpoints, tuple(told))


class Platform:
    """A CPO NL*CPO that is registered with an eMSP DE*MSP, as far as its parts go.

    Its charge points stand at LOC1 and charge 6 kW.
    """

    def __init__(self, peer: Peer | None = None) -> None:
        self.clock = StepClock()
        self.client = ListedClient()
        config = PartyConfig(parties=(party_role("CPO", "NL*CPO"),))
        credentials = CredentialsStore(self.clock, token_a=None, raw=False)
        credentials.join_peer(peer or make_peer(), credentials.issue(), 0)
        self.held = Holdings(config.parties, self.clock)
        self.modules = Modules(config, Listener("127.0.0.1", 8000), self.held)
        self.outbox = Outbox(config, credentials, self.client, self.held)
        self.life = ChargeLife(self.held, self.outbox, self.clock)
        self.results = ResultSender(self.held.requests, self.outbox, self.clock)
        self.points.simulation = Simulation(interval_s=60, kw=6)
        self.held.load_location(json.dumps(make_location()))

    @property
    def points(self) -> ChargePoints:
        return self.held.charge_points

    @property
    def session(self) -> dict[str, Any]:
        """The only Session of the CPO."""
        (text,) = self.held.sessions
        return dict(json.loads(text))

    def status(self, evse_uid: str) -> str:
        """Of an EVSE, as the CPO has it on its list."""
        (text,) = self.held.locations
        found = {evse["uid"]: evse["status"] for evse in json.loads(text)["evses"]}
        return str(found[evse_uid])

    def command(self, name: str, asker: str = "DE*MSP", **body: Any) -> str:
        """What the CPO says at once to a command."""
        request = make_request("POST", f"receiver/commands/{name}", {"response_url": URL, **body})
        country_code, _, party_id = asker.partition("*")
        headers = {"OCPI-from-country-code": country_code, "OCPI-from-party-id": party_id}
        answer = self.modules.answer(replace(request, headers=headers))
        return str(json.loads(answer.body)["data"]["result"])

    @property
    def told_results(self) -> list[str]:
        """The results of commands, in order."""
        return [body["result"] for _, body in self.client.told("commands")]


@asynccontextmanager
async def running(platform: Platform) -> AsyncIterator[Platform]:
    """Have the loops of a platform run."""
    loops = [
        asyncio.create_task(platform.life.run()),
        asyncio.create_task(platform.results.run()),
    ]
    try:
        yield platform
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
