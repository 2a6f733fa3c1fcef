"""Objects the hub keeps: shared ones (the state feed) and directed ones (custody)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value

EVERYBODY = "*"
"""Audience of an object that was broadcast."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Identity of an object, case-folded for comparison (design: Keys).

    Attributes:
        object_type: the TokenType of a token (compared as it is), else empty.
        audience: `*` for a broadcast object, else the addressed party as `CC*PID`.
    """

    module: str
    owner: PartyId
    object_id: str
    object_type: str = ""
    audience: str = EVERYBODY

    def __post_init__(self) -> None:
        object.__setattr__(self, "object_id", folded(self.object_id))


def folded(object_id: str) -> str:
    """An id as it is compared: case does not matter."""
    return object_id.upper()


class Origin(StrEnum):
    """How an object came to the hub."""

    BROADCAST = "broadcast"
    DIRECT = "direct"
    PULL = "pull"


@value
class SharedObject:
    """A stored object with its text as it came.

    Attributes:
        path: what stands in front of it in a URL, where its text does not say that: of an EVSE its
            owner and Location.
        body: the JSON text, byte for byte.
        position: its place in the module's change feed.
        serial: its place in lists; never changes.
        deleted: a tombstone: the text and its date are those of what was deleted.
        whole_updated: of a Location, `last_updated` of what last said which EVSEs it has; None:
            not known.
        received_at: when it came or was changed last; None: not known.
        listed_at: when its owner last said that it stands as it is; None: not noted.
    """

    key: ObjectKey
    body: str
    last_updated: datetime
    position: int
    serial: int
    origin: Origin
    correlation_id: str
    path: tuple[str, ...] = ()
    deleted: bool = False
    whole_updated: datetime | None = None
    received_at: datetime | None = None
    listed_at: datetime | None = None


class DirectedState(StrEnum):
    """Where a directed object stands (design: Directed objects)."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    HELD = "held"
    DEAD = "dead"


@value
class LastAnswer:
    """The receiver's last answer; None where there was none of that kind."""

    http: int | None
    ocpi: int | None
    message: str | None


@value
class DirectedObject:
    """A session or CDR in the hub's custody.

    Attributes:
        fingerprint: digest of the content, equal for texts that differ in layout only.
        version: counts contents; `sent_version` is the last one the receiver accepted.
        attempt_id: the attempt under way or the last one.
        unknown_outcomes: attempts of this version whose outcome nobody knows.
        receiver_location: URL at which the receiver serves its copy, if it told.
        refused_after_ack: the sender was told 1000 before the receiver refused.
        applied: of a session, marks of the changes that gave it its last_updated.
        doubted_until: of a session, when the receiver will no more act on what it did not answer.
        batch_due_at: of a CDR that goes with others, the end of their period.
    """

    key: ObjectKey
    serial: int
    receiver: PartyId
    body: str
    fingerprint: bytes
    last_updated: datetime
    correlation_id: str
    state: DirectedState
    version: int
    sent_version: int
    attempt_id: UUID | None
    lease_until: datetime | None
    attempts: int
    unknown_outcomes: int
    next_attempt_at: datetime | None
    received_at: datetime
    last_answer: LastAnswer | None
    receiver_location: str | None
    reason: str | None
    refused_after_ack: bool = False
    applied: tuple[bytes, ...] = ()
    doubted_until: datetime | None = None
    batch_due_at: datetime | None = None
