"""What the hub knows of a CDR's session, authorization and place, beside what the CDR says."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.checks.context import AuthorizationSeen, CheckContext, SessionSeen
from ocpi_hub.clearing.ledger import CdrFinding
from ocpi_hub.clearing.pricing.model import shown, told
from ocpi_hub.ocpi.base import NOT_AVAILABLE
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR

ALLOWED: Final = "ALLOWED"
_ENERGY_SLACK_KWH: Final = Decimal("0.1")
_ENERGY_SLACK: Final = Decimal("0.01")
"""A Session may miss what came after its last change."""


def look_at_session(cdr: CDR, session: SessionSeen | None) -> Iterator[CdrFinding]:
    if cdr.session_id is None:
        return
    name = shown(cdr.session_id)
    if session is None:
        yield CdrFinding("session_unknown", f"the hub does not know the session {name}")
        return
    if session.status == "INVALID":
        yield CdrFinding("session_invalid", f"the session {name} is INVALID")
    # A Session that goes on has less.
    if session.status == "COMPLETED" and _apart(cdr, session.kwh):
        text = f"the session has {told(session.kwh or Decimal(0))} kWh"
        yield CdrFinding("session_energy_differs", f"{text}, the CDR {told(cdr.total_energy)}")
    if _other(session.currency, cdr.currency):
        text = f"the session is in {shown(session.currency or '')}, the CDR in {cdr.currency}"
        yield CdrFinding("session_currency_differs", text)
    if _other(session.token_uid, cdr.cdr_token.uid):
        yield CdrFinding("session_token_differs", f"the session {name} is of another token")
    at = cdr.cdr_location
    if _other(session.location_id, at.id) or _other(session.evse_uid, at.evse_uid):
        text = (
            f"the session is at {shown(session.location_id or '')} {shown(session.evse_uid or '')}"
        )
        text += f", the CDR at {shown(at.id)} {shown(at.evse_uid)}"
        yield CdrFinding("session_location_differs", text)


def look_at_authorization(cdr: CDR, found: AuthorizationSeen | None) -> Iterator[CdrFinding]:
    reference = cdr.authorization_reference
    if reference is None:
        return
    if found is None:
        text = f"the hub does not know the authorization {shown(reference)}"
        yield CdrFinding("authorization_unknown", text)
        return
    if found.allowed != ALLOWED:
        answer = shown(found.allowed) if found.allowed else "not decided"
        yield CdrFinding("authorization_denied", f"the authorization that it names was {answer}")
    if _other(found.uid, cdr.cdr_token.uid):
        yield CdrFinding(
            "authorization_token_differs", "the authorization that it names is of another token"
        )


def look_at_place(cdr: CDR, context: CheckContext) -> Iterator[CdrFinding]:
    at, location = cdr.cdr_location, context.location
    if location is None:
        if context.knows_locations and at.id != NOT_AVAILABLE:
            yield CdrFinding(
                "location_unknown", f"the hub does not know the Location {shown(at.id)}"
            )
        return
    if not location.published:
        yield CdrFinding("location_unpublished", f"the Location {shown(at.id)} is not published")
    # A reservation that was not used names none.
    if NOT_AVAILABLE in (at.evse_uid, at.connector_id):
        return
    if (at.evse_uid.upper(), at.connector_id.upper()) not in location.connectors:
        text = f"the Location {shown(at.id)} has no connector {shown(at.connector_id)}"
        yield CdrFinding("connector_unknown", f"{text} at EVSE {shown(at.evse_uid)}")


def _apart(cdr: CDR, kwh: Decimal | None) -> bool:
    if kwh is None or cdr.credit:
        return False
    slack = max(_ENERGY_SLACK_KWH, abs(cdr.total_energy) * _ENERGY_SLACK)
    return abs(kwh - cdr.total_energy) > slack


def _other(one: str | None, other: str) -> bool:
    return bool(one) and one.upper() != other.upper() if one else False
