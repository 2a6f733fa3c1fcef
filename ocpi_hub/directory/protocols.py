"""What the directory's keeper asks of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from ocpi_hub.directory.snapshot import Directory, IssuedCredentials
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import Unauthenticated


class InvitationExpired(Unauthenticated):
    """Whoever holds the token of an invitation may know that it was one, and until when.

    Attributes:
        platform_id: whom the invitation was made for.
        expired_on: the day in UTC, `YYYY-MM-DD`.
    """

    def __init__(self, platform_id: PlatformId, expired_at: datetime) -> None:
        self.platform_id = platform_id
        self.expired_on = expired_at.astimezone(UTC).date().isoformat()
        super().__init__(
            f"This invitation expired on {self.expired_on}: ask the hub's operator for a new one",
            headers={"WWW-Authenticate": "Token"},
        )


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process of the hub, as all the others see it.

    Attributes:
        public_url: base of the URLs it hands out; None when it does not know, or is not asked.
    """

    process_id: UUID
    host: str
    pid: int
    public_url: str | None = None


class DirectoryStore(Protocol):
    """Reads of the directory, and which process runs which version of it.

    Every method raises StoreUnavailable when the database cannot be reached.
    """

    async def version(self) -> int:
        """The database's count of changes; it grows with every one."""
        ...

    async def load(self) -> Directory:
        """All of the directory, from one consistent read."""
        ...

    async def find_credentials(self, token_sha256: bytes) -> IssuedCredentials | None:
        """The issued credentials token with this digest, unless it has expired.

        That of an invitation is still found for some days then, so that its holder can be told.
        """
        ...

    async def note_first_use(self, token_sha256: bytes, *, grace_s: float) -> bool:
        """Record the first use of an access token and let the older ones expire.

        Returns:
            whether this call was the one that recorded it.
        """
        ...

    async def heartbeat(
        self, process: ProcessRow, directory_version: int, *, keep_s: float
    ) -> None:
        """Tell that a process runs this version; forget processes silent for `keep_s` seconds."""
        ...

    async def leave(self, process: ProcessRow) -> None:
        """Forget a process that stops in order."""
        ...

    async def live_processes(self, *, max_age_s: float) -> int:
        """How many processes have a heartbeat younger than `max_age_s`."""
        ...

    async def laggards(self, version: int, *, max_age_s: float) -> Sequence[ProcessRow]:
        """Processes with a heartbeat younger than `max_age_s` that run an older version."""
        ...

    async def listen(self, wake: Callable[[], None], stop: asyncio.Event) -> None:
        """Call `wake` whenever the directory may have changed, until `stop` is set.

        Raises:
            StoreUnavailable: the connection could not be made, or was lost.
        """
        ...
