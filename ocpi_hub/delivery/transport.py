"""Connections to partners: dialled to checked addresses, kept for the next call, TLS.

Kept connections are taken newest first, so that a quiet partner's surplus ages and is closed. Names
are looked up once for all who wait, and what was found is used for `NAMES_S`.
"""

from __future__ import annotations

import asyncio
import enum
import ssl
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import aiohappyeyeballs

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.connection import Connection, Overtime, RawAnswer
from ocpi_hub.delivery.url_safety import Address, CheckedResolver, Server
from ocpi_hub.errors import ConfigError
from ocpi_hub.settings import Settings

NAMES_S = 10.0
"""Seconds for which a name's addresses are used again."""
MOST_OVERTIMES = 50
"""Connections that wait for answers which come after their deadline."""
NEXT_ADDRESS_S = 0.25
"""Seconds after which a second address is tried beside the first (RFC 8305)."""


class Stage(enum.Enum):
    QUEUED = enum.auto()
    CONNECTING = enum.auto()
    CONNECTED = enum.auto()


@dataclass(slots=True)
class Progress:
    """How far a call got.

    Attributes:
        overtime: what comes after the deadline is wanted too.
    """

    stage: Stage = Stage.QUEUED
    overtime: Overtime | None = None


class ConnectTimeout(Exception):
    """No connection within the time for connecting."""


class Connections:
    """All connections of the client, by server. `loop`: in which they live."""

    def __init__(
        self, settings: Settings, resolver: CheckedResolver, context: ssl.SSLContext, clock: Clock
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._settings = settings
        self._context = context
        self._clock = clock
        self._names = _Names(resolver, clock)
        self._kept: defaultdict[str, list[Connection]] = defaultdict(list)
        self._open: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._overtimes = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Close all connections; exchanges under way fail."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in tuple(self._open):
            connection.abort()
        self._names.close()

    def take(self, server: Server) -> Connection | None:
        """A kept connection to this server, if there is one; give it back when it has served."""
        kept = self._kept.get(server.name)
        while kept:
            connection = kept.pop()
            if connection.usable and connection.is_quiet():
                return connection
            connection.abort()
            self._open.discard(connection)
        return None

    async def dial(self, server: Server) -> Connection:
        """A new connection to this server; give it back when it has served.

        Raises:
            OSError, ssl.SSLError: it cannot be reached.
            ForbiddenAddress: its name stands for an address that must not be called.
            ConnectTimeout: likewise, in time.
        """
        limit = asyncio.timeout(self._settings.connect_timeout_s)
        try:
            async with limit:
                addresses = await self._names.addresses(server)
                connection = await self._connect(server, addresses)
        except TimeoutError:
            if not limit.expired():
                raise
            raise ConnectTimeout from None
        self._open.add(connection)
        return connection

    def give_back(self, server: Server, connection: Connection) -> None:
        if connection.overtime is not None:
            self._wait_for(connection, connection.overtime)
            return
        if not connection.usable or self._closed:
            connection.abort()
            self._open.discard(connection)
            return
        connection.kept_since = self._clock.monotonic()
        self._kept[server.name].append(connection)
        if self._sweeping is None:
            self._sweep_later()

    def _wait_for(self, connection: Connection, overtime: asyncio.Future[RawAnswer]) -> None:
        self._overtimes += 1

        def ended(_: object) -> None:
            self._overtimes -= 1
            self._open.discard(connection)

        overtime.add_done_callback(ended)
        if self._closed or self._overtimes > MOST_OVERTIMES:
            connection.abort()

    async def _connect(self, server: Server, addresses: Sequence[Address]) -> Connection:
        loop = self.loop
        found = await aiohappyeyeballs.start_connection(
            [address.as_addrinfo() for address in addresses],
            happy_eyeballs_delay=NEXT_ADDRESS_S,
            interleave=1,
            loop=loop,
        )
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._settings.max_answer_bytes, found),
                sock=found,
                ssl=self._context if server.tls else None,
                server_hostname=server.host.rstrip(".") if server.tls else None,
            )
        except BaseException:
            found.close()
            raise
        return connection

    # Connections nobody has used for a while -----------------------------------------------------

    def _sweep_later(self) -> None:
        self._sweeping = self.loop.call_later(self._settings.keep_alive_s / 2, self._sweep)

    def _sweep(self) -> None:
        oldest = self._clock.monotonic() - self._settings.keep_alive_s
        for name, kept in tuple(self._kept.items()):
            stay = [each for each in kept if each.kept_since > oldest and each.usable]
            for each in kept:
                if each not in stay:
                    each.abort()
                    self._open.discard(each)
            if stay:
                self._kept[name] = stay
            else:
                del self._kept[name]
        self._sweeping = None
        if self._kept:
            self._sweep_later()


class _Names:
    """Addresses of names: one look-up for all that wait, and its result for a while."""

    def __init__(self, resolver: CheckedResolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._found: dict[tuple[str, int], tuple[float, Sequence[Address]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[Sequence[Address]]] = {}

    async def addresses(self, server: Server) -> Sequence[Address]:
        if server.address is not None:
            return (server.address,)
        name = (server.host, server.port)
        known = self._found.get(name)
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        asking = self._asking.get(name)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(name))
            asking.add_done_callback(lambda done: self._asked(name, done))
            self._asking[name] = asking
        return await asyncio.shield(asking)

    async def _ask(self, name: tuple[str, int]) -> Sequence[Address]:
        addresses = await self._resolver.resolve(*name)
        now = self._clock.monotonic()
        self._found = {key: entry for key, entry in self._found.items() if entry[0] > now}
        self._found[name] = now + NAMES_S, addresses
        return addresses

    def _asked(self, name: tuple[str, int], done: asyncio.Task[Sequence[Address]]) -> None:
        del self._asking[name]
        if not done.cancelled():
            done.exception()  # seen, also when everybody who waited has given up

    def close(self) -> None:
        for asking in self._asking.values():
            asking.cancel()


def tls_context(settings: Settings) -> ssl.SSLContext:
    """The one TLS context of all outgoing calls.

    Raises:
        ConfigError: a certificate file cannot be used.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if settings.extra_ca_file:
        try:
            context.load_verify_locations(cafile=settings.extra_ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(f"extra_ca_file cannot be used: {error}") from None
    if settings.client_certificate_file:
        try:
            context.load_cert_chain(
                settings.client_certificate_file,
                settings.client_certificate_key_file,
                password=lambda: "",  # else OpenSSL asks the terminal when the key is encrypted
            )
        except OSError as error:
            raise ConfigError(f"client_certificate_file cannot be used: {error}") from None
    return context
