"""CDRs with sessions and authorizations, as pages of the console show them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ocpi_hub.admin.actions import cdr_disputes
from ocpi_hub.authorization.protocols import DecidedBy, DecisionRecord, LateAnswer, LegRecord
from ocpi_hub.authorization.protocols import LateRecord as Late
from ocpi_hub.clearing.ledger import CdrFinding, Examination, PriceOutcome, ledger_facts
from ocpi_hub.delivery.custody import Intake, Start
from ocpi_hub.delivery.verdict import Delivered, Failed, Refused, Verdict
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.store.authorization import PostgresDecisionStore
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Database
from ocpi_hub.store.disputes import Side
from tests.support.factories import CPO, EMSP, cdr
from tests.support.stores import (
    NO,
    NOTHING,
    OK,
    cdr_key,
    custody_store,
    ended,
    execute,
    make_intake,
    taken,
    writing,
)

FRENCH, RIVAL = PartyId("FR", "CPO"), PartyId("FR", "MSP")
DECIDED_AT = datetime(2026, 10, 1, 7, 58, 0, 123456, tzinfo=UTC)
REFERENCE, CORRELATION = "REF-1", "correlation-1"
SESSION = "Session-1"
TARIFF = {
    "country_code": "NL",
    "party_id": "CPO",
    "id": "T1",
    "currency": "EUR",
    "elements": [
        {"price_components": [{"type": "ENERGY", "price": 0.4, "vat": 21.0, "step_size": 1}]}
    ],
    "last_updated": "2026-09-01T00:00:00Z",
}
HELD = CdrFinding("total_energy_above_limit", "22.5 kWh is above 20 kWh", hold=True)
ODD = CdrFinding("price_differs", "total_cost is 12, recomputed 9.00")


DEAD = (
    "update directed_object set state = 'dead', next_attempt_at = null where object_id = 'DEAD-1'"
)


async def seed(database: Database) -> None:
    """CDRs of two CPOs in most of the stages that there are."""
    async with custody_store(database) as store:
        await _bring(store, "Good-1", state="delivered", session_id=SESSION)
        await _bring(store, "Odd-1", state="delivered", total_cost={"excl_vat": 12.0},
                     findings=(ODD,), verdict="differs")  # fmt: skip
        await _bring(store, "Refused-1", state="refused")
        await _bring(store, "Dead-1", state="failed")
        await _bring(store, "Held-1", state="held", findings=(HELD,))
        await _bring(store, "Foreign-1", state="delivered", owner=FRENCH, payer=RIVAL)
        await execute(database, DEAD)
        # Another content under the id of one that was delivered.
        await store.take_in(_intake("Good-1", session_id=SESSION, total_energy=33))
        attempt = await taken(store, _session())
        await store.record(ended(attempt, Delivered(OK)))
    admin = CustodyAdmin(database, Module.CDRS.value)
    await cdr_disputes.open_dispute(
        admin, cdr_key("Odd-1"), Side.EMSP, "the driver left at 9", Decimal("4.20")
    )
    await _decide(database)


async def bring(database: Database, cdr_id: str, **fields: Any) -> None:
    """One more CDR, delivered."""
    async with custody_store(database) as store:
        await _bring(store, cdr_id, state="delivered", **fields)


def _intake(
    cdr_id: str,
    *,
    start: Start = Start.SEND,
    owner: PartyId = CPO,
    payer: PartyId = EMSP,
    findings: Sequence[CdrFinding] = (),
    verdict: str = "equal",
    **fields: Any,
) -> Intake:
    fields = {"tariffs": [TARIFF], "authorization_reference": REFERENCE, **fields}
    body = json.dumps(cdr(cdr_id, owner=owner, payer=payer, **fields))
    facts = ledger_facts(CDR.model_validate_json(body))
    price = PriceOutcome(verdict, Decimal("9.00"), Decimal("10.89"), ())
    examined = Examination(facts, tuple(findings), price, complete=True)
    intake = make_intake(cdr_id, body=body, start=start, owner=owner, receiver=payer)
    return replace(intake, examined=examined, correlation_id=CORRELATION)


async def _bring(store: PostgresCustodyStore, cdr_id: str, *, state: str, **fields: Any) -> None:
    if state == "held":
        await store.take_in(replace(_intake(cdr_id, start=Start.HOLD, **fields), reason=HELD.text))
        return
    verdicts: dict[str, Verdict] = {
        "delivered": Delivered(OK),
        "refused": Refused(NO),
        "failed": Failed(NOTHING),
    }
    attempt = await taken(store, _intake(cdr_id, **fields))
    await store.record(ended(attempt, verdicts[state], acknowledged=state == "refused"))


def _session() -> Intake:
    body = {
        "country_code": "NL",
        "party_id": "CPO",
        "id": SESSION,
        "start_date_time": "2026-10-01T08:00:00Z",
        "end_date_time": "2026-10-01T09:30:00Z",
        "kwh": 22.5,
        "cdr_token": cdr()["cdr_token"],
        "auth_method": "AUTH_REQUEST",
        "authorization_reference": REFERENCE,
        "location_id": "LOC1",
        "evse_uid": "EVSE1",
        "connector_id": "1",
        "currency": "EUR",
        "total_cost": {"excl_vat": 9.0},
        "status": "COMPLETED",
        "last_updated": "2026-10-01T09:31:00Z",
    }
    intake = make_intake(SESSION, body=json.dumps(body))
    key = ObjectKey(Module.SESSIONS.value, CPO, SESSION)
    return replace(intake, key=key, correlation_id=CORRELATION)


async def _decide(database: Database) -> None:
    """An authorization that the hub decided for an eMSP that came too late."""
    store = PostgresDecisionStore(database, batch_rows=100, batch_queue_rows=100)
    decision = DecisionRecord(
        at=DECIDED_AT,
        uid="04AABBCC",
        token_type="RFID",
        cpo=CPO,
        emsp=EMSP,
        location='{"location_id":"LOC1"}',
        decided_by=DecidedBy.HUB_FALLBACK,
        reason="timeout",
        allowed="ALLOWED",
        reference=REFERENCE,
        http_status=200,
        status_code=1000,
        total_ms=1003.5,
        legs=(LegRecord(EMSP, 1000.2, "timeout"), LegRecord(RIVAL, 20.0, "2004")),
        correlation_id=CORRELATION,
    )
    async with writing(store.decisions, store.late):
        await store.record(decision)
        store.record_late(Late(DECIDED_AT, CORRELATION, LateAnswer(EMSP, 1900.0, "ALLOWED")))
