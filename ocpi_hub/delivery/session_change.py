"""A change of a session as it arrives, what becomes of it, and who keeps it.

The rules are `session_custody` and `session_verdicts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final, Protocol
from uuid import UUID

from ocpi_hub.delivery.custody import Attempt, Start
from ocpi_hub.delivery.shared import Page
from ocpi_hub.domain.objects import DirectedObject, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.ocpi.paging import PageRequest

MARK_BYTES: Final = 33
"""Of the mark of a change."""
_PUT: Final = b"\x00"
_PATCH: Final = b"\x01"
LISTED: Final = b"\x02"
"""What a mark begins with."""


@dataclass(frozen=True, slots=True)
class SessionRead:
    """What the hub reads in a whole Session.

    Attributes:
        receiver: the eMSP of its cdr_token.
    """

    receiver: PartyId
    last_updated: datetime


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A PUT or PATCH of a session as it arrives.

    Attributes:
        receiver: the eMSP of the cdr_token: of the body, or of the text that a PATCH is about.
        path: owner and id as the URL names them; () if there is none.
        body: JSON text of the Session or of the PATCH.
        attempt_id: the attempt that the bringing request will make, should it be let.
        read: validates a whole Session; raises InvalidRequest.
        max_bytes: of the whole text after the change.
        patchable: the receiver understands PATCH.
        listed: found by the hub in the owner's list, which may have been read before something else
            of the same moment arrived.
    """

    key: ObjectKey
    receiver: PartyId
    path: tuple[str, ...]
    body: str
    partial: bool
    last_updated: datetime
    correlation_id: str
    start: Start
    attempt_id: UUID
    read: Callable[[str], SessionRead]
    max_bytes: int
    patchable: bool = True
    listed: bool = False

    @property
    def mark(self) -> bytes:
        """Equal for changes that came the same way with the same content."""
        whole = LISTED if self.listed else _PUT
        return (_PATCH if self.partial else whole) + fingerprint(self.body)


class Arrival(Enum):
    """What became of a change."""

    CREATED = auto()
    CHANGED = auto()
    REPEATED = auto()
    """It was applied before."""
    STALE = auto()
    """The hub holds something newer; dropped."""
    MISSING = auto()
    """A PATCH of a session that the hub does not hold."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The committed result of a change.

    Attributes:
        row: as it is now; None when the hub does not hold the session.
        attempt: set when the caller has to send now.
        over: the session had come to its end before it changed.
    """

    arrival: Arrival
    row: DirectedObject | None
    attempt: Attempt | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class SessionPage:
    """A page of a receiver's sessions, with the version of each."""

    page: Page
    versions: tuple[int, ...]


class SessionStore(Protocol):
    """Where sessions are kept. Every method commits before it returns, and raises StoreError."""

    async def take(self, change: SessionChange) -> Taken:
        """Raises: InvalidRequest: what the change leads to cannot be kept."""
        ...

    async def find(self, key: ObjectKey) -> DirectedObject | None: ...

    async def called(self, session_id: str) -> Sequence[DirectedObject]:
        """Sessions with this id; ids are unique per owner only."""
        ...

    async def page(self, reader: PartyId, page: PageRequest) -> SessionPage:
        """Sessions addressed to the reader, oldest first."""
        ...

    async def fetched(self, receiver: PartyId, shown: SessionPage) -> None:
        """The receiver has read these: what waited to be pulled, and has not changed since, is
        delivered."""
        ...
