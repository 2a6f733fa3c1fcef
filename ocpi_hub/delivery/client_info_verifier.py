"""Reads at partners what they have stored of what they were told, and tells again what differs.

One object of a platform at a time, round and round, so that it costs a partner next to nothing.
What a partner does not let the hub read is left alone: not everybody has this GET. At one URL there
is one object for all roles of a party: only parties with one role are read.

Spec: 2.2.1 mod_hub_client_info_client_get.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.client_info import ClientInfoRow, ClientInfoStore, reached_at
from ocpi_hub.delivery.leg import configuration_request
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, Exchange, OutboundClient
from ocpi_hub.domain.party import InterfaceRole, Module, Platform, PlatformId
from ocpi_hub.errors import StoreError
from ocpi_hub.ocpi.envelope import parse_envelope
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

AT_ONCE: Final = 8
"""Platforms that are read at the same time."""


class ClientInfoVerifier:
    """The loop that reads.

    Args:
        every_s: seconds between reads at one platform; 0 for never.
        attempt_s: seconds for one read.
        differs: called when something is to be told again.
    """

    def __init__(
        self,
        store: ClientInfoStore,
        client: OutboundClient,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        every_s: float,
        attempt_s: float,
        differs: Callable[[PlatformId], None],
    ) -> None:
        self._store = store
        self._client = client
        self._directory = directory
        self._clock = clock
        self._every_s = every_s
        self._attempt_s = attempt_s
        self._differs = differs
        self._after: dict[PlatformId, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set."""
        if not self._every_s:
            await stop.wait()
        while not stop.is_set():
            began = self._clock.monotonic()
            await self._round(stop)
            left = self._every_s - (self._clock.monotonic() - began)
            try:
                await asyncio.wait_for(stop.wait(), max(0.0, left))
            except TimeoutError:
                continue

    async def _round(self, stop: asyncio.Event) -> None:
        platforms = self._directory().platforms
        self._after = {who: serial for who, serial in self._after.items() if who in platforms}
        waiting = iter([each for each in platforms.values() if reached_at(each)])
        await asyncio.gather(*(self._work(waiting, stop) for _ in range(AT_ONCE)))

    async def _work(self, waiting: Iterator[Platform], stop: asyncio.Event) -> None:
        for platform in waiting:
            if stop.is_set():
                return
            try:
                await self._verify(platform)
            except StoreError as error:
                log.warning("client_info_not_verified", error=str(error))
                return

    async def _verify(self, platform: Platform) -> None:
        """Read the next object of a platform.

        Raises:
            StoreError: the next round tries again.
        """
        who = platform.platform_id
        row = await self._store.told_after(who, self._after.get(who, 0))
        self._after[who] = row.serial if row else 0
        if row is None:
            return
        exchange = await self._client.send(
            configuration_request(
                platform,
                Module.HUB_CLIENT_INFO,
                InterfaceRole.RECEIVER,
                method="GET",
                path=(row.party.country_code, row.party.party_id),
                body=None,
                deadline_s=self._attempt_s,
            )
        )
        if _differs(exchange, row) and await self._store.tell_again(who, row):
            log.warning("client_info_differs", platform=who, party=str(row.party))
            self._differs(who)


def _differs(exchange: Exchange, row: ClientInfoRow) -> bool:
    """Whether a partner has something else than it was told, or nothing; false when it cannot be
    known."""
    if not isinstance(exchange, Answer):
        return False
    envelope = parse_envelope(exchange.body)
    if exchange.http_status == 404:
        # Without an envelope the interface itself may be missing.
        return envelope is not None
    if exchange.http_status != 200 or envelope is None or not is_success(envelope.status_code):
        return False
    data, told = envelope.data, (row.status.value, row.role.value)
    return isinstance(data, dict) and (data.get("status"), data.get("role")) != told
