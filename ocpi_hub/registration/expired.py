"""Partners that try an invitation after it has expired: the operator sees that they do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ocpi_hub.clock import Clock
from ocpi_hub.directory.protocols import InvitationExpired
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import CredentialsToken, PlatformId
from ocpi_hub.registration.failures import Failure
from ocpi_hub.registration.steps import Attempt, Step, StepLog, StepName
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

PAUSE_S: Final = 60.0
"""Between two notes about one platform: whoever tries again and again must not push out others."""


class ExpiredInvitations:
    """Looks tokens up, and notes those of invitations that have expired.

    Args:
        look_up: finds the directory that knows a token; raises InvitationExpired.
    """

    def __init__(
        self,
        look_up: Callable[[CredentialsToken], Awaitable[Directory | None]],
        steps: StepLog,
        clock: Clock,
    ) -> None:
        self._look_up = look_up
        self._steps = steps
        self._clock = clock
        self._noted: dict[PlatformId, float] = {}

    async def look_up(self, token: CredentialsToken) -> Directory | None:
        """As the look-up itself.

        Raises:
            InvitationExpired: noted, in the log and among the platform's handshake steps.
            StoreUnavailable: the database cannot be reached.
        """
        try:
            return await self._look_up(token)
        except InvitationExpired as expired:
            await self._note(expired)
            raise

    async def _note(self, expired: InvitationExpired) -> None:
        platform, now = expired.platform_id, self._clock.monotonic()
        # Others, noted long ago, may be forgotten: there are never more than were here in a minute.
        self._noted = {each: at for each, at in self._noted.items() if now - at < PAUSE_S}
        if platform in self._noted:
            return
        self._noted[platform] = now
        log.warning(
            "invitation_expired",
            platform=platform,
            expired_on=expired.expired_on,
            remedy=f"ocpi-hub platform invite --renew {platform}",
        )
        step = Step(
            StepName.CAME,
            f"with an invitation that expired on {expired.expired_on}",
            http_status=expired.http_status,
            failure=Failure.EXPIRED,
            said=expired.message,
        )
        await self._steps.note(Attempt.new(platform), step)
