"""How statements look. Amounts are exact decimals as texts; currencies have their own totals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from ocpi_hub.admin.views.base import Moment, PartyText, View, moment
from ocpi_hub.clearing.statement import (
    CurrencyTotals,
    LeftOut,
    Month,
    Recheck,
    Relation,
    StatementLine,
    StatementState,
    Sums,
    Totals,
)
from ocpi_hub.store.statement_rows import StoredStatement

MONTH_PATTERN = r"^[0-9]{4}-[0-9]{2}$"

MonthText = Annotated[str, Field(pattern=MONTH_PATTERN, examples=["2026-01"])]
Amount = Annotated[str, Field(examples=["12.50"])]
"""An exact decimal."""


class StatementItem(View):
    """A statement as lists show it."""

    statement: int | None = Field(description="its number; null while it is open")
    cpo: PartyText
    emsp: PartyText
    month: MonthText
    state: StatementState
    closed_at: Moment | None
    closed_by: str | None


class MoneyView(View):
    amount: Amount
    currency: str


class StatementListed(StatementItem):
    """A statement in the list of its month. Of an open one the CDRs are not summed up."""

    since: Moment | None = Field(
        description="of an open one: when the first CDR ended that is on no statement yet"
    )
    cdrs: int | None = Field(description="of a closed one")
    energy_kwh: Amount | None = Field(description="of a closed one")
    excl_vat: tuple[MoneyView, ...] = Field(description="of a closed one, by currency")
    vat: tuple[MoneyView, ...] = Field(description="of a closed one, by currency")


class StatementClosing(StatementItem):
    """A statement that is being closed; `closed_by` is who began to."""

    cdrs: int = Field(description="that are on it by now")
    at_work: bool = Field(description="whether somebody is closing it, as far as can be seen")
    error: str | None = Field(description="why whoever was closing it gave up")


class SumsView(View):
    """Figures of some CDRs: kWh, hours, and money without, of, and with VAT."""

    cdrs: int
    credits: int
    energy_kwh: Amount
    time_h: Amount
    parking_h: Amount
    excl_vat: Amount
    vat: Amount
    incl_vat: Amount


class VatSums(SumsView):
    """A part of a currency's total.

    Attributes:
        rate: percent; "none", "mixed" (several in one CDR), "unknown" (the recomputed price does
            not tell), "not_stated" (the CDR names no price with VAT).
    """

    rate: str


class DaySums(SumsView):
    day: str


class CurrencyView(SumsView):
    currency: str
    by_vat: tuple[VatSums, ...]
    by_day: tuple[DaySums, ...]


class FlagCount(View):
    flag: str
    cdrs: int


class LeftOutView(View):
    """CDRs of the month that are not on the statement: they come on a later one, if ever."""

    why: str
    currency: str
    cdrs: int
    excl_vat: Amount


class StatementView(StatementItem):
    """What a CPO and an eMSP settle by for a month."""

    time_zone: str
    totals: tuple[CurrencyView, ...]
    flags: tuple[FlagCount, ...]
    left_out: tuple[LeftOutView, ...]


class StatementLineView(View):
    """A CDR on a statement."""

    id: str
    credit_of: str | None
    session_id: str | None
    start: Moment
    end: Moment
    location_id: str
    evse_id: str
    energy_kwh: Amount
    time_h: Amount
    parking_h: Amount | None
    currency: str
    excl_vat: Amount
    incl_vat: Amount | None
    price: str | None = Field(description="verdict on the recomputed price")
    flags: tuple[str, ...]


class RecheckView(View):
    """Whether a closed statement can be reproduced from the CDRs' own texts."""

    statement: int
    lines: int
    reproduced: bool
    differing: tuple[str, ...] = Field(description="CDRs whose text is not what the ledger says")
    differences: tuple[str, ...]


def statement_item(statement: StoredStatement) -> StatementItem:
    return StatementItem(
        statement=statement.statement_id,
        cpo=str(statement.relation.cpo),
        emsp=str(statement.relation.emsp),
        month=str(statement.month),
        state=statement.state,
        closed_at=moment(statement.closed_at),
        closed_by=statement.closed_by,
    )


def open_item(relation: Relation, month: Month) -> StatementItem:
    return StatementItem(
        statement=None,
        cpo=str(relation.cpo),
        emsp=str(relation.emsp),
        month=str(month),
        state=StatementState.OPEN,
        closed_at=None,
        closed_by=None,
    )


def listed_statement(statement: StoredStatement) -> StatementListed:
    totals = statement.totals

    def money(name: str) -> tuple[MoneyView, ...]:
        return tuple(
            MoneyView(amount=amount(Decimal(each[name])), currency=currency)
            for currency, each in (totals or {}).items()
        )

    return StatementListed(
        **dict(statement_item(statement)),
        since=None,
        cdrs=None if totals is None else sum(int(each["cdrs"]) for each in totals.values()),
        energy_kwh=None
        if totals is None
        else amount(sum((Decimal(each["energy_kwh"]) for each in totals.values()), Decimal(0))),
        excl_vat=money("excl_vat"),
        vat=money("vat"),
    )


def closing_view(statement: StoredStatement, cdrs: int) -> StatementClosing:
    return StatementClosing(
        **dict(statement_item(statement)),
        cdrs=cdrs,
        at_work=statement.at_work,
        error=statement.error,
    )


def listed_open(relation: Relation, month: Month, since: datetime) -> StatementListed:
    return StatementListed(
        **dict(open_item(relation, month)),
        since=moment(since),
        cdrs=None,
        energy_kwh=None,
        excl_vat=(),
        vat=(),
    )


def statement_view(
    item: StatementItem, time_zone: str, totals: Totals, left_out: Sequence[LeftOut]
) -> StatementView:
    return StatementView(
        **dict(item),
        time_zone=time_zone,
        totals=tuple(_currency(name, each) for name, each in totals.currencies.items()),
        flags=tuple(FlagCount(flag=flag, cdrs=n) for flag, n in totals.flags.items()),
        left_out=tuple(
            LeftOutView(
                why=each.why,
                currency=each.currency,
                cdrs=each.cdrs,
                excl_vat=amount(each.excl_vat),
            )
            for each in left_out
        ),
    )


def line_view(line: StatementLine) -> StatementLineView:
    return StatementLineView(
        id=line.id,
        credit_of=line.credited_id,
        session_id=line.session_id,
        start=moment(line.started_at) or "",
        end=moment(line.ended_at) or "",
        location_id=line.location_id,
        evse_id=line.evse_id,
        energy_kwh=amount(line.energy_kwh),
        time_h=amount(line.time_h),
        parking_h=None if line.parking_h is None else amount(line.parking_h),
        currency=line.currency,
        excl_vat=amount(line.excl_vat),
        incl_vat=None if line.incl_vat is None else amount(line.incl_vat),
        price=line.price_verdict,
        flags=line.flags,
    )


def recheck_view(statement: StoredStatement, recheck: Recheck) -> RecheckView:
    return RecheckView(
        statement=statement.statement_id,
        lines=recheck.lines,
        reproduced=recheck.reproduced,
        differing=tuple(recheck.differing),
        differences=tuple(recheck.differences),
    )


def amount(value: Decimal) -> Amount:
    """Without an exponent, and without zeros that say nothing."""
    text = f"{value:f}"
    whole, point, fraction = text.partition(".")
    return whole + (point and "." + fraction.rstrip("0")).rstrip(".")


def _currency(name: str, totals: CurrencyTotals) -> CurrencyView:
    return CurrencyView(
        currency=name,
        **_sums(totals.all),
        by_vat=tuple(VatSums(rate=rate, **_sums(each)) for rate, each in totals.by_vat.items()),
        by_day=tuple(
            DaySums(day=day.isoformat(), **_sums(each)) for day, each in totals.by_day.items()
        ),
    )


def _sums(sums: Sums) -> dict[str, int | str]:
    return {
        "cdrs": sums.cdrs,
        "credits": sums.credits,
        "energy_kwh": amount(sums.energy_kwh),
        "time_h": amount(sums.time_h),
        "parking_h": amount(sums.parking_h),
        "excl_vat": amount(sums.excl_vat),
        "vat": amount(sums.vat),
        "incl_vat": amount(sums.incl_vat),
    }
