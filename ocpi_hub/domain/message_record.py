"""Message records: one for each request between a platform and the hub, in either direction.

They tell what passed, never what was in it about a driver: see docs/messages.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from ocpi_hub.domain.exchange import LegInfo, LegKind
from ocpi_hub.domain.party import InterfaceRole, PartyId, PlatformId
from ocpi_hub.domain.value import value

HeaderLines = tuple[tuple[str, str], ...]
"""Names and values of headers."""


class Direction(StrEnum):
    """As the hub sees it."""

    IN = "in"
    OUT = "out"


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    """It did not reach the partner."""
    NO_ANSWER = "no_answer"
    """It may have reached the partner, but no usable answer came, or nobody waited for it."""
    BUSY = "busy"
    """The hub did not try: too many requests were in flight to this receiver."""


@value
class SeenLeg:
    """A request that has just ended, as it was: nothing is masked yet, so it is never stored.

    Attributes:
        url: the URL that was called, or the target of an inbound request.
        ended_at: aware UTC.
        request_body, response_body: the beginning of each; None unless bodies are recorded.
        cut: a body is longer than what is here of it.
        request_headers, response_headers: None unless bodies are recorded, or without an answer.
    """

    about: LegInfo
    method: str
    url: str
    ended_at: datetime
    elapsed_s: float
    outcome: Outcome
    http: int | None
    ocpi: int | None
    error: str | None
    request_bytes: int
    response_bytes: int | None
    request_body: bytes | None = None
    response_body: bytes | None = None
    cut: bool = False
    request_headers: Mapping[str, str] | None = None
    response_headers: Mapping[str, str] | None = None


@value
class MessageRecord:
    """A record as it is kept.

    Attributes:
        at: when the request began; aware UTC.
        path: without host; token uids are keyed hashes, written `~` and 16 hexadecimal digits.
        http, ocpi: of the answer; None when there is none.
        ms: milliseconds until the answer, or until the hub gave up.
        response_bytes: None when there is no answer.
        error: why it failed, in the hub's words.
        request_body, response_body: masked; None unless bodies are recorded, and in lists.
        cut: a body was longer than what was kept of it.
        request_headers, response_headers: like bodies.
        serial: with `at`, its name; 0 until it is stored.
    """

    at: datetime
    kind: LegKind
    platform_id: PlatformId | None
    sender: PartyId | None
    receiver: PartyId | None
    module: str
    interface_role: InterfaceRole | None
    method: str
    path: str
    http: int | None
    ocpi: int | None
    ms: float
    correlation_id: str
    request_id: str
    request_bytes: int
    response_bytes: int | None
    outcome: Outcome
    error: str | None = None
    request_body: bytes | None = None
    response_body: bytes | None = None
    cut: bool = False
    request_headers: HeaderLines | None = None
    response_headers: HeaderLines | None = None
    serial: int = field(default=0, compare=False)

    @property
    def has_content(self) -> bool:
        """Whether anything that was in it is kept."""
        return not (
            self.request_headers is None
            and self.response_headers is None
            and self.request_body is None
            and self.response_body is None
        )

    @property
    def has_failed(self) -> bool:
        """See `MessageFilter.failed`."""
        refused = (self.http or 0) >= 400 or (self.ocpi or 0) >= 2000
        return refused or self.outcome is not Outcome.ANSWERED

    @property
    def direction(self) -> Direction:
        return Direction.IN if self.kind is LegKind.INBOUND else Direction.OUT


@value
class MessageCursor:
    """A place in the list of records, newest first: the page goes on after it."""

    at: datetime
    serial: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.serial}"

    @classmethod
    def parse(cls, text: str) -> MessageCursor:
        """Read what `str` wrote.

        Raises:
            ValueError: it is no cursor.
        """
        at, tilde, serial = text.partition("~")
        moment = datetime.fromisoformat(at)
        if not tilde or moment.tzinfo is None or not 0 <= int(serial) < 2**63:
            raise ValueError("this is not a cursor of message records")
        return cls(moment, int(serial))


@value
class MessageFilter:
    """Which records to list; None: any.

    Attributes:
        party: as sender or receiver.
        http_class, ocpi_class: the first digit of the HTTP status, and of the OCPI code.
        failed: True: no answer, HTTP 400 or above, or an OCPI code from 2000 on; False: the rest.
        since, until: began then or later, and before.
    """

    platform_id: str | None = None
    party: PartyId | None = None
    module: str | None = None
    direction: Direction | None = None
    http_class: int | None = None
    outcome: Outcome | None = None
    failed: bool | None = None
    correlation_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    method: str | None = None
    ocpi_class: int | None = None

    @property
    def is_indexed(self) -> bool:
        """Whether nothing else is looked at: of a correlation id, failures, or of a platform and
        a time only."""
        if self.correlation_id is not None or self.failed or self._finds_failures:
            return True
        others = (self.party, self.module, self.direction, self.http_class, self.outcome)
        return all(each is None for each in (*others, self.failed, self.method, self.ocpi_class))

    @property
    def _finds_failures(self) -> bool:
        return (
            (self.http_class or 0) >= 4
            or (self.ocpi_class or 0) >= 2
            or self.outcome not in (None, Outcome.ANSWERED)
        )


@value
class MessagePage:
    """Some records, newest first, and where the next page begins; None: there is none."""

    items: Sequence[MessageRecord]
    next: MessageCursor | None
