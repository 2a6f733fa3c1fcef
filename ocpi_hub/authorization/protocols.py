"""What authorization needs of the world: stored tokens, a way to an eMSP, a place for evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ocpi_hub.domain.exchange import Answer, Exchange
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import PartyId, Platform
from ocpi_hub.domain.value import value


@value
class KnownToken:
    """A stored Token, as far as a decision needs it.

    Attributes:
        whitelist: its WhitelistType as it came; may be a value the specification does not know.
        body: the JSON text as it came.
        knowledge_age_s: seconds since the last authenticated contact with the owner's platform,
            when the token was looked up; None: unknown, which no age limit accepts.
    """

    owner: PartyId
    valid: bool
    whitelist: str
    body: str
    knowledge_age_s: float | None


class TokenFinder(Protocol):
    """Stored tokens."""

    def find(self, uid: str, token_type: str, cpo: PartyId) -> asyncio.Future[Sequence[KnownToken]]:
        """Tokens with this uid (case does not matter) and type: at most one for each owner.

        A token that was addressed to `cpo` stands in front of a broadcast one. Nobody has to wait
        for the result; the future fails with StoreUnavailable when the database does not answer.

        Raises:
            Overloaded: there is no room for more questions.
        """
        ...


class TokenLookup(TokenFinder, Protocol):
    """Stored tokens, some of which are at hand."""

    def known(self, uid: str, token_type: str, cpo: PartyId) -> Sequence[KnownToken] | None:
        """What `find` would come to, if that can be told at once."""
        ...


class Asker(Protocol):
    """The way to an eMSP."""

    def ask(
        self,
        emsp: PartyId,
        platform: Platform,
        message: Message,
        *,
        deadline_s: float,
        late: Callable[[Answer], None] | None = None,
    ) -> Awaitable[Exchange]:
        """Pass an authorize on, unchanged, and wait for the answer: `deadline_s` at most.

        Args:
            late: told about an answer that comes after that.

        Raises:
            ReceiverNotConnected: the hub has no credentials for the platform.
            HubRoutingError: the platform offers no such interface.
        """
        ...


class DecidedBy(StrEnum):
    """Who decided about an authorization."""

    EMSP = "emsp"
    HUB_WHITELIST = "hub_whitelist"
    HUB_FALLBACK = "hub_fallback"
    NOBODY = "nobody"


@value
class LegRecord:
    """One eMSP that was asked, and how that ended."""

    emsp: PartyId
    ms: float
    outcome: str


@value
class LateAnswer:
    """What an eMSP said when the decision had fallen without it.

    Attributes:
        outcome: as in `LegRecord`.
    """

    emsp: PartyId
    ms: float
    outcome: str


@value
class LateRecord:
    """A late answer, and the decision that it came too late for."""

    decided_at: datetime
    correlation_id: str
    answer: LateAnswer


@value
class DecisionRecord:
    """The evidence of one decision (design section 4, step 8).

    Attributes:
        uid: as the CPO asked for it.
        emsp: whose answer or token decided, or the only one concerned.
        location: JSON text of the LocationReferences that came with the request.
        reason: why it was decided this way, in the words of docs/authorization.md.
        allowed: the AllowedType answered; None when there was none.
        total_ms: from the arrival of the request to the decision.
        late: what came after it.
    """

    at: datetime
    uid: str
    token_type: str
    cpo: PartyId
    emsp: PartyId | None
    location: str | None
    decided_by: DecidedBy
    reason: str
    allowed: str | None
    reference: str | None
    http_status: int
    status_code: int
    total_ms: float
    legs: tuple[LegRecord, ...]
    correlation_id: str
    late: tuple[LateAnswer, ...] = ()

    def legs_ms(self) -> Mapping[str, float]:
        """Milliseconds by eMSP."""
        return {str(leg.emsp): leg.ms for leg in self.legs}


class EvidenceSink(Protocol):
    """Where decisions are recorded."""

    def record(self, decision: DecisionRecord, lost: Callable[[], None]) -> asyncio.Future[None]:
        """Queue a record; the future is done when it is committed. Who waits may end it before.

        Args:
            lost: told when it could not be committed, also after that.

        Raises:
            Overloaded: there is no room for more.
        """
        ...

    def note(self, decision: DecisionRecord, lost: Callable[[], None]) -> None:
        """Queue a record whose commit nobody waits for: it may take its time.

        Args:
            lost: told when it could not be committed.

        Raises:
            Overloaded: there is no room for more.
        """
        ...

    def record_late(self, late: LateRecord) -> None:
        """Queue a late answer; nobody waits for it.

        Raises:
            Overloaded: there is no room for more.
        """
        ...
