"""How decisions about authorizations look."""

from __future__ import annotations

from ocpi_hub.admin.views.base import Moment, PartyText, View
from ocpi_hub.authorization.protocols import DecidedBy, DecisionRecord
from ocpi_hub.ocpi.envelope import timestamp


class AuthorizationItem(View):
    """A decision; docs/authorization.md explains `decided_by` and `reason`."""

    at: Moment
    uid: str
    cpo: PartyText
    emsp: PartyText | None
    decided_by: DecidedBy
    reason: str
    allowed: str | None
    reference: str | None
    legs_ms: dict[str, float]


def authorization_item(decision: DecisionRecord) -> AuthorizationItem:
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
    )
