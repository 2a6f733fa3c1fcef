"""How lanes and their gaps look."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.personal import PersonalName, PersonalWords
from ocpi_hub.admin.views.answers import AnswerView
from ocpi_hub.admin.views.base import Moment, PartyText, View, moment
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.lane_admin import GapRow


class LaneItem(View):
    """A receiver and module: what it is still to be brought up to date with."""

    receiver: PartyText
    module: str
    status: PartyStatus | None = Field(description="of the receiver; null: not on board any more")
    backlog: int = Field(description="changes that the receiver may see and that are not settled")
    age_s: float = Field(description="seconds since the oldest of them; 0 without any")
    backfills: int = Field(description="owners all of whose objects are being sent besides")
    gaps: int = Field(description="objects that the receiver did not take")
    oldest_gap_s: float = Field(description="seconds since the oldest gap; 0 without any")
    leased_by: str | None = Field(description="the process that sends")
    resting_since: Moment | None = Field(description="since when the receiver does not answer")


class GapItem(View):
    """An object that a receiver did not take."""

    owner: PartyText
    id: str
    type: str | None
    audience: str
    since: Moment
    attempts: int
    next_attempt_at: Moment | None = Field(description="null: not before the object changes")
    last_answer: AnswerView | None


class TokenAnswer(AnswerView):
    """Receivers quote what they refuse."""

    message: PersonalWords


class TokenGap(GapItem):
    """The id of a Token is its uid."""

    id: PersonalName
    last_answer: TokenAnswer | None


class GapsHastened(View):
    """What is tried again now."""

    due: int = Field(description="objects that the receiver did not take so far")


def gap_item(gap: GapRow) -> GapItem:
    of_token = gap.key.module == Module.TOKENS
    kind, answer = (TokenGap, TokenAnswer) if of_token else (GapItem, AnswerView)
    return kind(
        owner=str(gap.key.owner),
        id=gap.key.object_id,
        type=gap.key.object_type or None,
        audience=gap.key.audience,
        since=timestamp(gap.since),
        attempts=gap.attempts,
        next_attempt_at=moment(gap.next_attempt_at),
        last_answer=answer.of(gap.answer),
    )
