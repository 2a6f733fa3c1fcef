"""How CDRs in custody look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import Field

from ocpi_hub.admin.personal import KnownNames, OptionalQuoting, PersonalText, Quoting
from ocpi_hub.admin.views.answers import AnswerView
from ocpi_hub.admin.views.authorizations import AuthorizationItem, authorization_item
from ocpi_hub.admin.views.base import Moment, PartyText, View, moment
from ocpi_hub.domain.objects import DirectedObject, DirectedState, LastAnswer
from ocpi_hub.store.custody_admin import AttemptRecord, OtherContent
from ocpi_hub.store.evidence import LinkedDecision


class CdrItem(View):
    """A CDR as lists show it."""

    owner: PartyText
    id: str
    receiver: PartyText
    state: DirectedState
    attempts: int
    next_attempt_at: Moment | None
    last_answer: AnswerView | None
    reason: OptionalQuoting = Field(description="why it waits, or stands as it does")
    card: KnownNames = ()


class AttemptView(View):
    """An attempt that has ended, or whose outcome nobody knows."""

    at: Moment | None
    version: int
    outcome: str
    http: int | None
    ocpi: int | None
    message: OptionalQuoting


class OtherContentView(View):
    """Content that was replaced, or that conflicts with what is in custody."""

    at: Moment | None
    kind: str
    version: int | None
    body: PersonalText


class SessionLink(View):
    """The Session of a CDR.

    Attributes:
        state: null: the hub has no such Session.
    """

    id: str
    state: DirectedState | None


class CdrStory(CdrItem):
    """A CDR or Session with all that happened to it.

    Attributes:
        session: of a CDR that names one.
        authorizations: the decisions that it rests on.
    """

    status: Quoting
    version: int
    unknown_outcomes: int
    refused_after_ack: bool
    received_at: Moment | None
    correlation_id: str
    session: SessionLink | None
    authorizations: tuple[AuthorizationItem, ...]
    attempt_history: tuple[AttemptView, ...]
    other_contents: tuple[OtherContentView, ...]
    body: PersonalText


class CdrDecided(View):
    """A CDR after an operator's word."""

    owner: PartyText
    id: str
    state: DirectedState


class CdrsRedriven(View):
    """How many are due now."""

    redriven: int


def cdr_item(row: DirectedObject) -> CdrItem:
    body = json.loads(row.body)
    return CdrItem(
        owner=str(row.key.owner),
        # The id as its owner spells it; keys are folded.
        id=str(body["id"]),
        receiver=str(row.receiver),
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=moment(row.next_attempt_at),
        last_answer=AnswerView.of(row.last_answer),
        reason=row.reason or _waits_for(row),
        card=_card(body.get("cdr_token")),
    )


def cdr_story(
    row: DirectedObject,
    attempts: Sequence[AttemptRecord],
    others: Sequence[OtherContent],
    authorizations: Sequence[LinkedDecision],
    session: SessionLink | None = None,
) -> CdrStory:
    return CdrStory(
        **dict(cdr_item(row)),
        status=_answer_text(row.last_answer),
        version=row.version,
        unknown_outcomes=row.unknown_outcomes,
        refused_after_ack=row.refused_after_ack,
        received_at=moment(row.received_at),
        correlation_id=row.correlation_id,
        session=session,
        authorizations=tuple(
            authorization_item(linked.decision, linked.linked_by) for linked in authorizations
        ),
        attempt_history=tuple(
            AttemptView(
                at=moment(attempt.ended_at),
                version=attempt.version,
                outcome=attempt.outcome,
                http=attempt.http,
                ocpi=attempt.ocpi,
                message=attempt.message,
            )
            for attempt in attempts
        ),
        other_contents=tuple(
            OtherContentView(
                at=moment(other.at), kind=other.kind, version=other.version, body=other.body
            )
            for other in others
        ),
        body=row.body,
    )


def _waits_for(row: DirectedObject) -> str | None:
    due_at = row.batch_due_at
    if due_at is None or row.state is not DirectedState.PENDING or row.next_attempt_at != due_at:
        return None
    return f"goes with the others of its period at {moment(due_at)}"


def _card(cdr_token: object) -> tuple[str, ...]:
    """What a receiver may quote when it refuses a CDR or Session."""
    if not isinstance(cdr_token, Mapping):
        return ()
    known = (cdr_token.get("uid"), cdr_token.get("contract_id"))
    return tuple(each for each in known if isinstance(each, str))


def _answer_text(answer: LastAnswer | None) -> str:
    """One line for a person."""
    if answer is None:
        return "not tried yet"
    parts = [
        f"HTTP {answer.http}" if answer.http else "",
        f"OCPI {answer.ocpi}" if answer.ocpi else "",
    ]
    return ", ".join(part for part in (*parts, answer.message) if part) or "no answer"
