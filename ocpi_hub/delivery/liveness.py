"""Who is there: last contact per platform, checks after silence, OFFLINE and back.

Any message of a platform and any answer of it is a contact. Contacts are remembered in memory and
written in one statement a second; only a change between online and OFFLINE changes the directory.
Whoever comes back gets what waits for it, and is asked for what it could not push meanwhile. After
an outage of the hub's own, when it could take nothing in, everybody is asked.

Spec: 2.2.1 mod_hub_client_info (still alive check), transport_and_format_offline_behaviour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ocpi_hub.clock import Clock
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, OutboundClient, OutboundRequest
from ocpi_hub.domain.party import Platform, PlatformId, PlatformState, Quirk
from ocpi_hub.errors import StoreError, StoreUnavailable
from ocpi_hub.ocpi import headers
from ocpi_hub.ocpi.envelope import parse_envelope
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

ROUND_S = 1.0
"""Seconds between writing contacts and looking for silent platforms."""
SETTLE_S = 3.0
"""Seconds without trouble after which an outage counts as over."""


class LivenessStore(Protocol):
    """Where contacts are kept. All methods raise StoreError."""

    async def note_contacts(self, ago_s: Mapping[PlatformId, float]) -> None: ...

    async def claim_silent(self, still_alive_s: float) -> Sequence[PlatformId]:
        """Platforms to check now, each given to one process."""
        ...

    async def note_failed_check(self, platform_id: PlatformId, *, offline_after: int) -> bool:
        """Count a failed check; true when the platform has just become OFFLINE."""
        ...

    async def request_catch_up_since(self, ago_s: float) -> None:
        """Have fetched what owners made since so many seconds ago, from all of them."""
        ...

    async def mark_online(self, platform_id: PlatformId) -> bool:
        """True when it was OFFLINE until now: deliveries are due and a catch-up is requested."""
        ...


class Liveness:
    """Notes contacts and checks on the silent.

    Args:
        returned: called when a platform is back, in the process that noticed.
    """

    def __init__(
        self,
        store: LivenessStore,
        client: OutboundClient,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        still_alive_s: float,
        offline_after: int,
        check_s: float,
        returned: Callable[[], None],
    ) -> None:
        self._store = store
        self._client = client
        self._directory = directory
        self._clock = clock
        self._still_alive_s = still_alive_s
        self._offline_after = offline_after
        self._check_s = check_s
        self._returned = returned
        self._seen: dict[PlatformId, float] = {}
        self._wake = asyncio.Event()
        self._good_at = clock.monotonic()
        self._missed: tuple[float, float] | None = None

    def missed(self) -> None:
        """An owner could not hand over an object: it will not try again."""
        now = self._clock.monotonic()
        since, _ = self._missed or (now, now)
        self._missed = since, now

    def seen(self, platform: Platform) -> None:
        """A message or an answer of this platform arrived. Costs a dictionary entry."""
        self._seen[platform.platform_id] = self._clock.monotonic()
        if not platform.online:
            self._wake.set()

    def answered(self, platform_id: PlatformId) -> None:
        """A platform answered a request of ours."""
        platform = self._directory().platforms.get(platform_id)
        if platform is not None:
            self.seen(platform)

    async def run(self, stop: asyncio.Event) -> None:
        """Write contacts, bring back who returned, check who is silent."""
        while not stop.is_set():
            await self._rest(stop)
            self._wake.clear()
            began = self._clock.monotonic()
            try:
                await self._flush()
                if not stop.is_set():
                    await self._check_silent()
                    await self._fetch_missed()
            except StoreUnavailable as error:
                log.warning("liveness_waits_for_database", error=str(error))
                # While the database is away nothing is taken in, whether or not it was noticed.
                since, _ = self._missed or (self._good_at, began)
                self._missed = min(since, self._good_at), self._clock.monotonic()
            except StoreError as error:
                log.error("liveness_round_failed", error=str(error))
            else:
                self._good_at = began

    async def _rest(self, stop: asyncio.Event) -> None:
        waits = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())}
        await asyncio.wait(waits, timeout=ROUND_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _flush(self) -> None:
        seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            # First who came back: a catch-up starts from the contact before this one.
            await self._bring_back(seen)
            now = self._clock.monotonic()
            await self._store.note_contacts({who: now - at for who, at in seen.items()})
        except StoreError:
            self._seen = seen | self._seen
            raise

    async def _fetch_missed(self) -> None:
        """Once objects have been taken in again for a while, ask for those that were not."""
        if self._missed is None:
            return
        since, until = self._missed
        now = self._clock.monotonic()
        if now - until < SETTLE_S:
            return
        await self._store.request_catch_up_since(now - since)
        if self._missed == (since, until):
            self._missed = None
        log.warning("catch_up_after_outage", outage_s=round(until - since, 1))

    async def _bring_back(self, seen: Mapping[PlatformId, float]) -> None:
        platforms = self._directory().platforms
        for platform_id in seen:
            platform = platforms.get(platform_id)
            if platform is None or platform.online:
                continue
            if await self._store.mark_online(platform_id):
                log.info("platform_back_online", platform=platform_id, name=platform.name)
                self._returned()

    async def _check_silent(self) -> None:
        silent = await self._store.claim_silent(self._still_alive_s)
        platforms = self._directory().platforms
        checks = [self._check(platforms[who]) for who in silent if who in platforms]
        await asyncio.gather(*checks)

    async def _check(self, platform: Platform) -> None:
        if platform.state is not PlatformState.CONNECTED or platform.versions_url is None:
            return
        if await self.answers(platform):
            self.seen(platform)
        elif await self._store.note_failed_check(
            platform.platform_id, offline_after=self._offline_after
        ):
            log.warning("platform_offline", platform=platform.platform_id, name=platform.name)

    async def answers(self, platform: Platform) -> bool:
        """Whether a platform answers when it is asked for its versions."""
        if platform.our_token is None or platform.versions_url is None:
            return False
        raw = Quirk.RAW_TOKEN in platform.quirks
        request = OutboundRequest(
            method="GET",
            url=platform.versions_url,
            limit_key=f"liveness:{platform.platform_id}",
            deadline_s=self._check_s,
            headers={
                headers.AUTHORIZATION: headers.authorization(platform.our_token, raw=raw),
                **headers.id_headers(headers.message_ids({})),
            },
        )
        exchange = await self._client.send(request)
        if not isinstance(exchange, Answer):
            return False
        envelope = parse_envelope(exchange.body)
        return exchange.http_status == 200 and bool(envelope and is_success(envelope.status_code))
