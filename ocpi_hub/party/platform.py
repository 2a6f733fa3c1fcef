"""The platform as one object: builds the parts, runs them, offers them to code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

from aiohttp import web

from ocpi_hub.clock import Clock, SystemClock
from ocpi_hub.party.charge_control import ChargeControl
from ocpi_hub.party.charge_life import ChargeLife
from ocpi_hub.party.client import PeerClient, SendResult
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.control import HOST, ControlServer
from ocpi_hub.party.credentials import CredentialsStore
from ocpi_hub.party.faults import FaultTable
from ocpi_hub.party.handshake import Handshake
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.later_control import LaterControl
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.lists import ListControl
from ocpi_hub.party.locations import LocationTable
from ocpi_hub.party.modules import Modules
from ocpi_hub.party.outbox import Outbox, PullResult, SendRequest
from ocpi_hub.party.record import Record
from ocpi_hub.party.results import ResultSender
from ocpi_hub.party.server import OcpiServer
from ocpi_hub.party.state_file import StateFile
from ocpi_hub.party.tables import CdrTable, TokenTable


class PartyPlatform:
    """One OCPI platform with the parties of its configuration and one peer.

    Attributes:
        record: everything that arrived or left.
        faults: disturbances in force.
        held: the objects of its own parties, and those that others gave it.
        modules: decisions on tokens.
        credentials: tokens and endpoints held.
    """

    def __init__(self, config: PartyConfig, clock: Clock | None = None) -> None:
        """Raises: OperatorError: the state file is not usable."""
        clock = clock or SystemClock()
        self.config = config
        self.record = Record(config.record_items)
        keeper = StateFile(config.state_file, config.parties) if config.state_file else None
        self.credentials = CredentialsStore(
            clock, token_a=config.token_a, raw=config.raw_token, keeper=keeper
        )
        self._listener = Listener(config.host, config.port, config.public_url)
        self.faults = FaultTable(self._listener)
        self.held = Holdings(config.parties, clock)
        self.held.charge_points.simulation = config.simulation
        self.modules = Modules(config, self._listener, self.held)
        self._client = PeerClient(
            self.record,
            clock,
            raw_token=config.raw_token,
            max_connections=config.max_connections,
            max_answer_bytes=config.max_answer_bytes,
            ca_file=config.ca_file,
        )
        self._handshake = Handshake(config, self.credentials, self._client, self._listener)
        self._outbox = Outbox(config, self.credentials, self._client, self.held)
        self._results = ResultSender(self.held.requests, self._outbox, clock)
        self._life = ChargeLife(self.held, self._outbox, clock)
        self._running: list[asyncio.Task[None]] = []
        self._server = OcpiServer(
            config=config,
            clock=clock,
            credentials=self.credentials,
            handshake=self._handshake,
            modules=self.modules,
            record=self.record,
            faults=self.faults,
            address=self._listener,
        )
        self._control: web.AppRunner | None = None
        self._control_port = 0

    async def start(self) -> None:
        """Listen on the OCPI port and, unless left out, on the control port.

        Raises:
            OSError: an address cannot be used.
        """
        await self._listener.start(self._server.handle)
        self._running = [
            asyncio.create_task(self._results.run()),
            asyncio.create_task(self._life.run()),
        ]
        if self.config.control_port is None:
            return
        control = ControlServer(
            config=self.config,
            listener=self._listener,
            credentials=self.credentials,
            handshake=self._handshake,
            held=self.held,
            modules=self.modules,
            outbox=self._outbox,
            record=self.record,
            faults=self.faults,
            lists=ListControl(self.held, self._outbox),
            later=LaterControl(
                self.held.questions,
                self.held.requests,
                self._results,
                self._outbox,
                self._listener,
            ),
            charges=ChargeControl(self.config, self.held, self._life, self._outbox),
        )
        self._control = control.runner()
        await self._control.setup()
        site = web.TCPSite(self._control, HOST, self.config.control_port)
        await site.start()
        self._control_port = site.port

    async def stop(self) -> None:
        """End everything; requests that hang on purpose are let go."""
        await self.faults.clear()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._listener.stop()
        if self._control is not None:
            await self._control.cleanup()
        await self._client.close()

    async def __aenter__(self) -> PartyPlatform:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def versions_url(self) -> str:
        return self._listener.versions_url

    @property
    def control_url(self) -> str | None:
        return f"http://{HOST}:{self._control_port}" if self._control is not None else None

    @property
    def tokens(self) -> TokenTable:
        """The Tokens the eMSP issued."""
        return self.held.issued

    @property
    def locations(self) -> LocationTable:
        """The Locations of the CPO."""
        return self.held.locations

    @property
    def cached_locations(self) -> LocationTable:
        """The Locations the eMSP was given."""
        return self.held.cached_locations

    @property
    def cdrs(self) -> CdrTable:
        return self.held.cdrs

    async def register(self, versions_url: str, token_a: str) -> None:
        """Raises: OperatorError: registered already, or it did not work."""
        await self._handshake.register(versions_url, token_a)

    async def rotate(self) -> None:
        """Raises: OperatorError: not registered, or the peer did not agree."""
        await self._handshake.rotate()

    async def unregister(self) -> None:
        """Raises: OperatorError: not registered, or the peer did not agree."""
        await self._handshake.unregister()

    async def send(self, request: SendRequest) -> SendResult:
        """Raises: OperatorError: not registered, or the peer lacks that endpoint.

        OcpiError: an own object was to change, and cannot.
        """
        return await self._outbox.send(request)

    async def send_many(
        self, requests: Sequence[SendRequest], concurrency: int = 16
    ) -> list[SendResult]:
        """Raises: OperatorError: as `send`."""
        return await self._outbox.send_many(requests, concurrency)

    async def pull(self, request: SendRequest) -> PullResult:
        """Raises: OperatorError: as `send`."""
        return await self._outbox.pull(request)
