"""Catch-ups that were requested, and how far each has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from ocpi_hub.domain.party import PartyId, PlatformId


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the lists of a platform are read.

    Attributes:
        owner: whose list is read; None before the first.
        url: its page to read next; None for the first.
        pages: read so far, of all owners.
        seen: objects on them; of these, `taken` were news and `broken` could not be taken.
        changed: of the taken ones, those that were known before.
        unnamed: of the broken ones, those that do not even say which object they are.
        total: how many objects the lists begun so far were to have, as far as their platform says.
    """

    owner: PartyId | None = None
    url: str | None = None
    pages: int = 0
    seen: int = 0
    taken: int = 0
    broken: int = 0
    changed: int = 0
    unnamed: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """The lists of one platform, for one turn.

    Attributes:
        date_from: None: everything.
        lease_id: of this turn; who has another one changes nothing.
        attempts: turns since the last good one, this one included.
    """

    platform_id: PlatformId
    module: str
    date_from: datetime | None
    lease_id: UUID
    attempts: int
    progress: Progress


class CatchUpStore(Protocol):
    """Where requested catch-ups are kept. All methods raise StoreError."""

    async def claim(self) -> Job | None: ...

    async def keep(self, job: Job, progress: Progress) -> bool:
        """Store progress and renew the lease; false when the job is somebody else's now."""
        ...

    async def requeue(self, job: Job) -> None:
        """End a turn: the next one comes when all that wait have had theirs."""
        ...

    async def end(self, job: Job, *, complete: bool) -> None:
        """The lists are done with; `complete`: read to their end, so that what they say is known
        as of the beginning of the reading. The job comes with its last progress."""
        ...

    async def release(self, job: Job, pause: timedelta, error: str, *, restart: bool) -> None:
        """Try again after a pause: where the stored progress ends, or from the beginning."""
        ...
