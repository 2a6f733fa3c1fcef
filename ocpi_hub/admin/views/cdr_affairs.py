"""How disputes, conflicts and gaps look. Amounts are exact decimals as texts."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ocpi_hub.admin.personal import KnownNames, OptionalQuoting, Quoting
from ocpi_hub.admin.views.base import Moment, PartyText, View, moment
from ocpi_hub.admin.views.statements import Amount, amount
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.store.cdr_gaps import CdrGap, GapKind
from ocpi_hub.store.cdr_life import Conflict
from ocpi_hub.store.disputes import Dispute, Outcome, Side


class DisputeView(View):
    """A dispute about a CDR.

    Attributes:
        amount: without VAT; null: no sum was named.
        awaits_credit: it was accepted, no Credit CDR came since it was opened, and those before
            left something to credit.
    """

    dispute: int
    owner: PartyText
    id: str
    receiver: PartyText | None
    raised_by: Side
    reason: Quoting
    amount: Amount | None
    currency: str | None
    opened_at: Moment | None
    opened_by: str
    answer: OptionalQuoting
    answered_at: Moment | None
    answered_by: str | None
    outcome: Outcome | None
    note: OptionalQuoting
    closed_at: Moment | None
    closed_by: str | None
    awaits_credit: bool
    card: KnownNames = ()


class ConflictItem(View):
    """A content that came for a CDR that is in custody with another one.

    Attributes:
        differs: the fields in which it differs from what is in custody now.
        bytes: of its text, which `cdr show` tells.
    """

    at: Moment | None
    owner: PartyText
    id: str
    receiver: PartyText
    state: DirectedState
    differs: tuple[str, ...]
    bytes: int


class GapItem(View):
    """Something missing among the CDRs, or that needs somebody; docs/cdrs.md tells the kinds."""

    kind: GapKind
    owner: PartyText
    receiver: PartyText | None
    id: str = Field(description="of a CDR, or of a session that has none")
    at: Moment | None
    text: Quoting
    card: KnownNames = ()


class GapReport(View):
    """Gaps of all kinds. Sessions, and CDRs, that are held against others are the newest 5000.

    Attributes:
        cut: kinds of which there are more than were asked for.
    """

    since: Moment | None
    expected_after_h: int
    counts: dict[GapKind, int]
    cut: tuple[GapKind, ...]
    gaps: tuple[GapItem, ...]


def dispute_view(dispute: Dispute) -> DisputeView:
    return DisputeView(
        dispute=dispute.place,
        owner=str(dispute.owner),
        id=dispute.cdr_id,
        receiver=str(dispute.receiver) if dispute.receiver else None,
        raised_by=dispute.raised_by,
        reason=dispute.reason,
        amount=None if dispute.amount is None else amount(dispute.amount),
        currency=dispute.currency,
        opened_at=moment(dispute.opened_at),
        opened_by=dispute.opened_by,
        answer=dispute.answer,
        answered_at=moment(dispute.answered_at),
        answered_by=dispute.answered_by,
        outcome=dispute.outcome,
        note=dispute.note,
        closed_at=moment(dispute.closed_at),
        closed_by=dispute.closed_by,
        awaits_credit=dispute.awaits_credit,
        card=dispute.card,
    )


def conflict_item(conflict: Conflict) -> ConflictItem:
    return ConflictItem(
        at=moment(conflict.at),
        owner=str(conflict.key.owner),
        id=conflict.key.object_id,
        receiver=str(conflict.receiver),
        state=conflict.state,
        differs=conflict.differs,
        bytes=conflict.bytes,
    )


def gap_item(gap: CdrGap) -> GapItem:
    return GapItem(
        kind=gap.kind,
        owner=str(gap.owner),
        receiver=str(gap.receiver) if gap.receiver else None,
        id=gap.id,
        at=moment(gap.at),
        text=gap.text,
        card=gap.card,
    )


def gap_items(gaps: Sequence[CdrGap]) -> tuple[GapItem, ...]:
    return tuple(map(gap_item, gaps))
