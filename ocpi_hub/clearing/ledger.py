"""What the ledger keeps of a CDR: the figures it states, and what the checks found. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR


@value
class LedgerFacts:
    """The figures of a CDR as it states them. kWh, hours, money in `currency`.

    Attributes:
        spelled_id: as its owner writes it.
        credited_id: of a Credit CDR, the id of what it takes back, folded.
    """

    spelled_id: str
    session_id: str | None
    authorization_reference: str | None
    location_id: str
    evse_uid: str
    evse_id: str
    connector_id: str
    started_at: datetime
    ended_at: datetime
    energy_kwh: Decimal
    time_h: Decimal
    parking_h: Decimal | None
    currency: str
    cost_excl_vat: Decimal
    cost_incl_vat: Decimal | None
    is_credit: bool
    credited_id: str | None


def ledger_facts(cdr: CDR) -> LedgerFacts:
    location, cost = cdr.cdr_location, cdr.total_cost
    credited = cdr.credit_reference_id if cdr.credit else None
    return LedgerFacts(
        spelled_id=cdr.id,
        session_id=cdr.session_id,
        authorization_reference=cdr.authorization_reference,
        location_id=location.id,
        evse_uid=location.evse_uid,
        evse_id=location.evse_id,
        connector_id=location.connector_id,
        started_at=cdr.start_date_time,
        ended_at=cdr.end_date_time,
        energy_kwh=cdr.total_energy,
        time_h=cdr.total_time,
        parking_h=cdr.total_parking_time,
        currency=cdr.currency,
        cost_excl_vat=cost.excl_vat,
        cost_incl_vat=cost.incl_vat,
        is_credit=bool(cdr.credit),
        credited_id=credited.upper() if credited else None,
    )


class MeteringOutcome(StrEnum):
    """What can be said of a CDR's signed meter data."""

    VALID = "valid"
    INVALID = "invalid"
    NOT_VERIFIABLE = "not_verifiable"


@value
class CdrFinding:
    """Something that a check noticed.

    Attributes:
        code: what kind, for lists, rules and statistics.
        text: for the operator; holds no personal data.
        hold: the CDR waits for an operator because of it.
    """

    code: str
    text: str
    hold: bool = False


@value
class VatAmount:
    """A part of a price. Money in the CDR's currency.

    Attributes:
        rate: percent; None where the tariff says nothing about VAT.
    """

    rate: Decimal | None
    excl_vat: Decimal
    vat: Decimal


@value
class PriceOutcome:
    """The recomputed price.

    Attributes:
        verdict: of `clearing.pricing`.
        excl_vat: None where nothing could be computed.
    """

    verdict: str
    excl_vat: Decimal | None = None
    incl_vat: Decimal | None = None
    vat: tuple[VatAmount, ...] = ()


@value
class Examination:
    """A CDR as the checks saw it.

    Attributes:
        price: None: not recomputed yet.
        metering: None: it has no signed meter data.
        complete: false where something is still to be looked at.
        later: it is complete, but what was not known yet may come.
    """

    facts: LedgerFacts
    findings: tuple[CdrFinding, ...] = ()
    price: PriceOutcome | None = None
    metering: MeteringOutcome | None = None
    complete: bool = False
    later: bool = False

    @property
    def hold_reason(self) -> str | None:
        """Why it has to wait, in words for the operator; None when nothing speaks against it."""
        return "; ".join(each.text for each in self.findings if each.hold) or None
