"""How decisions about authorizations look."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ocpi_hub.admin.personal import PersonalName
from ocpi_hub.admin.views.base import Moment, PartyText, View
from ocpi_hub.admin.views.statements import Amount, amount
from ocpi_hub.authorization.protocols import DecidedBy, DecisionRecord
from ocpi_hub.clearing.life import Stage
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.cross_links import LinkedCdr
from ocpi_hub.store.evidence import LinkedBy


class LateView(View):
    """What an eMSP answered when the decision had fallen without it."""

    emsp: PartyText
    ms: float
    answer: str


class AuthorizationItem(View):
    """A decision; docs/authorization.md explains `decided_by` and `reason`.

    Attributes:
        linked_by: how the decision is known to belong to the session or CDR that was asked about.
    """

    at: Moment
    uid: PersonalName
    cpo: PartyText
    emsp: PartyText | None
    decided_by: DecidedBy
    reason: str
    allowed: str | None
    reference: str | None
    legs_ms: dict[str, float]
    late: tuple[LateView, ...]
    linked_by: LinkedBy | None
    correlation_id: str
    total_ms: float


class LegView(View):
    """An eMSP that was asked."""

    emsp: PartyText
    ms: float
    outcome: str


class CameOfItView(View):
    """A CDR that names a decision's reference."""

    owner: PartyText
    id: str
    receiver: PartyText
    session_id: str | None
    stage: Stage
    energy_kwh: Amount
    currency: str
    excl_vat: Amount


class AuthorizationDetails(AuthorizationItem):
    """A decision with what was asked and answered, and what came of it."""

    token_type: str
    location: str | None = Field(description="the LocationReferences of the request, JSON")
    http: int
    ocpi: int
    legs: tuple[LegView, ...]
    sessions: tuple[str, ...] = Field(description="ids of Sessions that name its reference")
    cdrs: tuple[CameOfItView, ...]


def authorization_details(
    decision: DecisionRecord, sessions: Sequence[str], cdrs: Sequence[LinkedCdr]
) -> AuthorizationDetails:
    """A decision.

    Args:
        sessions, cdrs: that name its reference.
    """
    return AuthorizationDetails(
        **dict(authorization_item(decision)),
        token_type=decision.token_type,
        location=decision.location,
        http=decision.http_status,
        ocpi=decision.status_code,
        legs=tuple(
            LegView(emsp=str(leg.emsp), ms=leg.ms, outcome=leg.outcome) for leg in decision.legs
        ),
        sessions=tuple(sessions),
        cdrs=tuple(map(_came_of_it, cdrs)),
    )


def _came_of_it(cdr: LinkedCdr) -> CameOfItView:
    return CameOfItView(
        owner=str(cdr.owner),
        id=cdr.spelled_id,
        receiver=str(cdr.receiver),
        session_id=cdr.session_id,
        stage=cdr.stage,
        energy_kwh=amount(cdr.energy_kwh),
        currency=cdr.currency,
        excl_vat=amount(cdr.excl_vat),
    )


def authorization_item(
    decision: DecisionRecord, linked_by: LinkedBy | None = None
) -> AuthorizationItem:
    return AuthorizationItem(
        at=timestamp(decision.at),
        uid=decision.uid,
        cpo=str(decision.cpo),
        emsp=str(decision.emsp) if decision.emsp else None,
        decided_by=decision.decided_by,
        reason=decision.reason,
        allowed=decision.allowed,
        reference=decision.reference,
        legs_ms=dict(decision.legs_ms()),
        late=tuple(
            LateView(emsp=str(late.emsp), ms=late.ms, answer=late.outcome) for late in decision.late
        ),
        linked_by=linked_by,
        correlation_id=decision.correlation_id,
        total_ms=decision.total_ms,
    )
