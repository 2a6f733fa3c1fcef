"""Tells platforms how the parties they work with stand.

Rows follow the directory: whatever changes there changes them, in whichever process sees it first.
What is not told is pushed to platforms that can be reached, one object after the other, by one
process for each platform at a time. A platform that comes back after an absence that counts,
registers again or announces another URL is told everything again.

Spec: 2.2.1 mod_hub_client_info_push_model.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Mapping

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.client_info import (
    Claim,
    ClientInfoRow,
    ClientInfoStore,
    Synced,
    reached_at,
)
from ocpi_hub.delivery.client_info_follower import ClientInfoFollower
from ocpi_hub.delivery.leg import configuration_request
from ocpi_hub.delivery.verdict import Delivered, Refused, judge
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import OutboundClient, OutboundRequest
from ocpi_hub.domain.party import InterfaceRole, Module, Platform, PlatformId
from ocpi_hub.errors import StoreError, StoreUnavailable
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

LOOK_S = 0.2
"""Seconds between looks at this process's directory, which cost next to nothing."""

OWED_S = 60.0
"""Seconds between looks for what another process has left untold."""

ANOTHER_PROCESS_S = 1.0
"""Seconds until a look at a platform that another process is telling, or after an error."""

INTRODUCED_S, INTRODUCED_LOOK_S = 2.0, 0.02
"""Seconds for which a handshake waits until others know of a platform; seconds between looks."""

AT_ONCE = 200
"""Rows read at a time."""


class ClientInfoPusher:
    """The loop that compares and tells.

    Args:
        attempt_s: seconds for one push.
        first_s, longest_s: pauses after failed pushes to a platform, doubling.
    """

    def __init__(
        self,
        follower: ClientInfoFollower,
        store: ClientInfoStore,
        client: OutboundClient,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        attempt_s: float,
        first_s: float,
        longest_s: float,
        look_s: float = LOOK_S,
    ) -> None:
        self._follower = follower
        self._store = store
        self._client = client
        self._directory = directory
        self._clock = clock
        self._attempt_s = attempt_s
        self._first_s = first_s
        self._longest_s = longest_s
        self._look_s = look_s
        self._owed_at = 0.0
        self._reached: dict[PlatformId, str | None] = {}
        self._due: dict[PlatformId, float] = {}
        self._failures: dict[PlatformId, int] = {}
        self._running: set[PlatformId] = set()
        self._wake = asyncio.Event()
        self._runs = False

    async def run(self, stop: asyncio.Event) -> None:
        """Compare and tell until `stop` is set."""
        self._runs = True
        try:
            await self._run(stop)
        finally:
            self._runs = False

    async def _run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                pause_s = self._look_s
                try:
                    self._note(await self._follower.follow(self._directory(), stop))
                    await self._look_for_owed()
                except StoreUnavailable as error:
                    log.warning("client_info_waits_for_database", error=str(error))
                except StoreError as error:
                    log.error("client_info_not_compared", error=str(error))
                    pause_s = ANOTHER_PROCESS_S
                for platform in self._take_due():
                    group.create_task(self._tell(platform, stop))
                await self._pause(pause_s, stop)

    async def introduce(self, platform_id: PlatformId) -> None:
        """Return once those who can be told know of a platform's parties, or after a moment: what
        it sends is routed as soon as it has its credentials (HC-10)."""
        version = self._directory().version
        self._wake.set()
        try:
            async with asyncio.timeout(INTRODUCED_S):
                while self._runs and await self._is_news(platform_id, version):
                    await self._clock.sleep(INTRODUCED_LOOK_S)
        except TimeoutError:
            log.info("client_info_not_told_yet", platform=platform_id)
        except StoreError as error:
            log.warning("client_info_waits_for_database", error=str(error))

    async def _is_news(self, platform_id: PlatformId, version: int) -> bool:
        return self._follower.version < version or await self._store.untold_about(platform_id)

    def wake(self, platform_id: PlatformId) -> None:
        """Something is to be told to a platform again."""
        self._due.setdefault(platform_id, self._clock.monotonic())
        self._wake.set()

    async def _pause(self, pause_s: float, stop: asyncio.Event) -> None:
        waits = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())}
        await asyncio.wait(waits, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._wake.clear()

    async def _look_for_owed(self) -> None:
        """Take up what a process that ended has left."""
        now = self._clock.monotonic()
        if now < self._owed_at:
            return
        for who in await self._store.owed():
            self._due.setdefault(who, now)
        self._owed_at = now + OWED_S

    def _note(self, compared: Mapping[PlatformId, Synced]) -> None:
        now, platforms = self._clock.monotonic(), self._directory().platforms
        for who, synced in compared.items():
            before = self._reached.pop(who, None)
            platform = platforms.get(who)
            if platform is None:
                continue
            url = self._reached[who] = reached_at(platform)
            if url is None or not synced.untold:
                self._due.pop(who, None)
            elif synced.changed or url != before:
                self._due[who] = now
            else:
                self._due.setdefault(who, now)

    def _take_due(self) -> list[Platform]:
        now, platforms = self._clock.monotonic(), self._directory().platforms
        taken = []
        for who, due in tuple(self._due.items()):
            if due > now or who in self._running:
                continue
            del self._due[who]
            if who in platforms:
                self._running.add(who)
                taken.append(platforms[who])
        return taken

    async def _tell(self, platform: Platform, stop: asyncio.Event) -> None:
        who, url = platform.platform_id, reached_at(platform)
        try:
            pause_s = await self._tell_at(who, url, stop) if url else None
        except StoreUnavailable as error:
            log.warning("client_info_waits_for_database", error=str(error))
            pause_s = ANOTHER_PROCESS_S
        except StoreError as error:
            log.error("client_info_not_kept", platform=who, error=str(error))
            pause_s = ANOTHER_PROCESS_S
        finally:
            self._running.discard(who)
        if pause_s is not None:
            self._due.setdefault(who, self._clock.monotonic() + pause_s)

    async def _tell_at(self, who: PlatformId, url: str, stop: asyncio.Event) -> float | None:
        """Seconds until the next try; None when there is nothing left to tell.

        Raises:
            StoreUnavailable: what was told may be told again.
        """
        claim = await self._store.claim(who, url, uuid.uuid4())
        if claim is None:
            return ANOTHER_PROCESS_S
        try:
            complete = await self._tell_all(claim, stop)
        finally:
            await self._store.release(claim)
        if complete:
            self._failures.pop(who, None)
            # What changed while the claim was held, another process may have left to this one.
            return ANOTHER_PROCESS_S if await self._store.untold(who, 0, 1) else None
        failures = self._failures[who] = self._failures.get(who, 0) + 1
        whole = min(self._longest_s, self._first_s * 2.0 ** min(failures - 1, 40))
        return whole * (0.5 + random.random() / 2)  # noqa: S311 - scatters, hides nothing

    async def _tell_all(self, claim: Claim, stop: asyncio.Event) -> bool:
        """Whether everything was told. A refused object does not keep the others back."""
        complete, serial = True, 0
        while rows := await self._store.untold(claim.platform_id, serial, AT_ONCE):
            for row in rows:
                if stop.is_set():
                    return complete
                # It may have gone, or moved, since the row before.
                platform = self._directory().platforms.get(claim.platform_id)
                if platform is None or reached_at(platform) != claim.url:
                    return False
                verdict = judge(await self._client.send(self._request(platform, row)))
                told = isinstance(verdict, Delivered)
                if not told:
                    complete = False
                    log.warning(
                        "client_info_not_told",
                        platform=claim.platform_id,
                        party=str(row.party),
                        answer=verdict.answer.message,
                    )
                held = await self._store.report(claim, row, told=told)
                if not held or not (told or isinstance(verdict, Refused)):
                    return complete and held
                serial = row.serial
        return complete

    def _request(self, platform: Platform, row: ClientInfoRow) -> OutboundRequest:
        return configuration_request(
            platform,
            Module.HUB_CLIENT_INFO,
            InterfaceRole.RECEIVER,
            method="PUT",
            path=(row.party.country_code, row.party.party_id),
            body=row.text(),
            deadline_s=self._attempt_s,
        )
