"""Renews credentials before they are old, and tells partners when the hub's endpoints changed.

Both are the same PUT credentials. One platform at a time in the whole hub, so that a fault of ours
shows at one partner and not at all of them. Whoever is asked counts as asked for a day, whatever
comes of it: a process that dies, or two releases with different endpoints side by side, cannot
wear a partner down.

Spec: 2.2.1 credentials_updating_the_credentials_and_resetting_the_token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Literal, Protocol

from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import Platform, PlatformId
from ocpi_hub.errors import OperatorError, RefusedByPartner, StoreError
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

LOOK_S = 60.0
"""Seconds between looks for platforms that need new credentials."""

PAUSE = timedelta(days=1)
"""Between two tries at one platform."""

PAUSE_AFTER_REFUSAL = timedelta(weeks=1)
"""For a partner that does not know PUT credentials: an operator has to talk to it."""

LEASE = timedelta(minutes=10)
"""Longer than a handshake can take."""


class RenewalStore(Protocol):
    """Whose turn it is. All methods raise StoreUnavailable."""

    async def claim(
        self, max_age: timedelta, offer_digest: bytes | None, *, pause: timedelta, lease: timedelta
    ) -> PlatformId | None:
        """A connected platform that is online, with credentials older than `max_age` (zero: of
        any age) or told another offer (None: whatever it was told). None while another is asked.
        """
        ...

    async def settle(self, platform_id: PlatformId, *, pause: timedelta, error: str | None) -> None:
        """The try is over; the next one may follow after `pause`."""
        ...


class Rotation(Protocol):
    """Makes the handshake; `registration.onboarding.Onboarding`."""

    @property
    def offer_digest(self) -> bytes: ...

    def rotate(self, platform: Platform) -> Awaitable[None]: ...


class Keeper(Protocol):
    """The directory of this process."""

    @property
    def current(self) -> Directory: ...

    async def refresh(self) -> None: ...


class Renewal:
    """The loop.

    Args:
        max_age: age of credentials at which they are renewed; zero: never.
        watch_offer: also when the endpoints of the hub have changed.
        grace_s: seconds that a handshake under way gets at the end.
    """

    def __init__(
        self,
        store: RenewalStore,
        rotation: Rotation,
        keeper: Keeper,
        *,
        max_age: timedelta,
        watch_offer: bool,
        grace_s: float,
        look_s: float = LOOK_S,
    ) -> None:
        self._store = store
        self._rotation = rotation
        self._keeper = keeper
        self._max_age = max_age
        self._watch_offer = watch_offer
        self._grace_s = grace_s
        self._look_s = look_s

    async def run(self, stop: asyncio.Event) -> None:
        """Renew what is due until `stop` is set."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                found = await self._look(stopping)
                if not found:
                    await asyncio.wait({stopping}, timeout=self._look_s)
        finally:
            stopping.cancel()

    async def _look(self, stopping: asyncio.Task[Literal[True]]) -> bool:
        """One platform, if one is due; a shutdown gives it `grace_s` seconds more."""
        renewing = asyncio.ensure_future(self.renew_one())
        try:
            await asyncio.wait({renewing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not renewing.done():
                await asyncio.wait({renewing}, timeout=self._grace_s)
        finally:
            renewing.cancel()
        try:
            return await renewing
        except asyncio.CancelledError:
            if not stopping.done():
                raise
            return False
        except StoreError as error:
            log.warning("renewal_waits_for_database", error=str(error))
            return False

    async def renew_one(self) -> bool:
        """Renew the credentials of one platform; False when none is due.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        digest = self._rotation.offer_digest if self._watch_offer else None
        platform_id = await self._store.claim(self._max_age, digest, pause=PAUSE, lease=LEASE)
        if platform_id is None:
            return False
        await self._keeper.refresh()
        platform = self._keeper.current.platforms.get(platform_id)
        if platform is not None:
            pause, error = await self._renew(platform)
            await self._store.settle(platform_id, pause=pause, error=error)
            await self._keeper.refresh()
        return True

    async def _renew(self, platform: Platform) -> tuple[timedelta, str | None]:
        """Make the handshake; how long to leave the platform alone, and what went wrong."""
        try:
            await self._rotation.rotate(platform)
        except OperatorError as error:
            pause = PAUSE_AFTER_REFUSAL if isinstance(error, RefusedByPartner) else PAUSE
            log.error(
                "credentials_renewal_failed",
                platform=platform.platform_id,
                name=platform.name,
                reason=str(error),
                next_try_days=pause.days,
            )
            return pause, str(error)
        log.info("credentials_renewed", platform=platform.platform_id)
        return PAUSE, None
