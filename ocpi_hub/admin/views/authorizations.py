"""How decisions about authorizations look."""

from __future__ import annotations

from ocpi_hub.admin.views.base import Moment, PartyText, View
from ocpi_hub.authorization.protocols import DecidedBy, DecisionRecord
from ocpi_hub.ocpi.envelope import timestamp
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
    uid: str
    cpo: PartyText
    emsp: PartyText | None
    decided_by: DecidedBy
    reason: str
    allowed: str | None
    reference: str | None
    legs_ms: dict[str, float]
    late: tuple[LateView, ...]
    linked_by: LinkedBy | None


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
    )
