"""How the life of a CDR looks: figures, steps, relatives. Amounts are exact decimals as texts."""

from __future__ import annotations

from decimal import Decimal

from ocpi_hub.admin.personal import OptionalQuoting, Quoting
from ocpi_hub.admin.views.base import Moment, PartyText, View, moment
from ocpi_hub.admin.views.cdr_affairs import DisputeView
from ocpi_hub.admin.views.cdrs import CdrItem, CdrStory, cdr_item
from ocpi_hub.admin.views.statements import Amount, amount
from ocpi_hub.clearing.credits import Total
from ocpi_hub.clearing.life import Stage
from ocpi_hub.store.cdr_life import LedgerEntry, LivingCdr, RecordedStep, Relative


class CdrFigures(View):
    """What a CDR states, and what the checks made of it. kWh, hours, money in `currency`.

    Attributes:
        price_excl_vat: as recomputed; null: it cannot be, or was not yet.
        checked_at: null: not looked at yet, or to be looked at again.
        statement: number of the statement that it is on; null: none yet.
    """

    session_id: str | None
    location_id: str
    evse_id: str
    connector_id: str
    started_at: Moment | None
    ended_at: Moment | None
    energy_kwh: Amount
    time_h: Amount
    parking_h: Amount | None
    currency: str
    excl_vat: Amount
    incl_vat: Amount | None
    credit: bool
    credited_id: str | None
    price_verdict: str | None
    price_excl_vat: Amount | None
    price_incl_vat: Amount | None
    metering: str | None
    flags: tuple[str, ...]
    holds: tuple[str, ...]
    checked_at: Moment | None
    statement: int | None


class CdrLine(CdrItem):
    """A CDR as lists show it, with its figures.

    Attributes:
        stage: docs/cdrs.md shows the ways from one to another.
        disputed: a dispute about it is open.
        figures: null: it came before there was a ledger, and is not entered yet.
    """

    stage: Stage
    disputed: bool
    figures: CdrFigures | None


class StepView(View):
    """A step in the life of a CDR.

    Attributes:
        before: null: it entered custody.
        by: `owner`, `hub`, `receiver CC*PID`, `operator NAME`, `key NAME` or `command NAME`.
    """

    at: Moment | None
    version: int
    before: Stage | None
    after: Stage
    by: str
    why: OptionalQuoting


class FindingView(View):
    """What a check noticed."""

    code: str
    text: Quoting
    hold: bool


class RelatedCdr(View):
    """Another CDR that has to do with this one."""

    id: str
    receiver: PartyText
    stage: Stage
    delivered_at: Moment | None
    currency: str
    excl_vat: Amount
    incl_vat: Amount | None


class CreditView(View):
    """How a CDR stands to credits and to others of its session.

    Attributes:
        takes_back: of a Credit CDR, the one that it credits; null: none, or the hub has it not.
        taken_back_by: its Credit CDRs, whatever became of them.
        left_excl_vat: what delivered credits leave of it.
        corrects: a CDR of the same session that was taken back before.
        corrected_by: CDRs of the same session that stand in for this one, which was taken back.
        same_session: all others that name its session.
    """

    takes_back: RelatedCdr | None
    taken_back_by: tuple[RelatedCdr, ...]
    left_excl_vat: Amount
    corrects: str | None
    corrected_by: tuple[str, ...]
    same_session: tuple[RelatedCdr, ...]


class StatementLink(View):
    """The statement that a CDR is on. `closed_at` is null while that is being closed."""

    statement: int
    month: str | None
    closed_at: Moment | None
    closed_by: str | None


class PriceView(View):
    """The price, recomputed just now from what the hub knows.

    Attributes:
        answer: as `cdr price` gives it.
        explained: the same for people, line by line.
    """

    answer: dict[str, object]
    explained: tuple[str, ...]


class CdrLifeStory(CdrStory):
    """All there is to tell about a CDR.

    Attributes:
        steps: recorded when they were made; those to settled and corrected are told by the
            statement and the Credit CDRs.
        conflicting_fields: fields in which a content that came later differs.
    """

    stage: Stage
    disputed: bool
    figures: CdrFigures | None
    steps: tuple[StepView, ...]
    findings: tuple[FindingView, ...]
    price: PriceView | None
    credits: CreditView | None
    disputes: tuple[DisputeView, ...]
    statement: StatementLink | None
    conflicting_fields: tuple[str, ...]


def _optional(value: Decimal | None) -> Amount | None:
    return None if value is None else amount(value)


def figures(entry: LedgerEntry) -> CdrFigures:
    booked = entry.booked
    return CdrFigures(
        session_id=entry.session_id,
        location_id=entry.location_id,
        evse_id=entry.evse_id,
        connector_id=entry.connector_id,
        started_at=moment(entry.started_at),
        ended_at=moment(entry.ended_at),
        energy_kwh=amount(entry.energy_kwh),
        time_h=amount(entry.time_h),
        parking_h=_optional(entry.parking_h),
        currency=booked.currency,
        excl_vat=amount(booked.cost.excl_vat),
        incl_vat=_optional(booked.cost.incl_vat),
        credit=booked.is_credit,
        credited_id=booked.credited_id,
        price_verdict=entry.price_verdict,
        price_excl_vat=_optional(entry.price_excl_vat),
        price_incl_vat=_optional(entry.price_incl_vat),
        metering=entry.metering,
        flags=entry.flags,
        holds=entry.holds,
        checked_at=moment(entry.checked_at),
        statement=entry.statement_id,
    )


def cdr_line(cdr: LivingCdr) -> CdrLine:
    return CdrLine(
        **dict(cdr_item(cdr.row)),
        stage=cdr.stage,
        disputed=cdr.disputed,
        figures=figures(cdr.ledger) if cdr.ledger else None,
    )


def related_cdr(relative: Relative) -> RelatedCdr:
    booked = relative.ledger.booked
    return RelatedCdr(
        id=booked.spelled_id,
        receiver=str(booked.receiver),
        stage=relative.stage,
        delivered_at=moment(relative.delivered_at),
        currency=booked.currency,
        excl_vat=amount(booked.cost.excl_vat),
        incl_vat=_optional(booked.cost.incl_vat),
    )


def left_of(cost: Total, credited: Total | None) -> Amount:
    return amount(cost.excl_vat + (credited.excl_vat if credited else Decimal(0)))


def statement_link(entry: LedgerEntry) -> StatementLink | None:
    if entry.statement_id is None:
        return None
    month = entry.statement_month
    return StatementLink(
        statement=entry.statement_id,
        month=f"{month:%Y-%m}" if month else None,
        closed_at=moment(entry.settled_at),
        closed_by=entry.settled_by if entry.settled_at else None,
    )


def step_view(step: RecordedStep) -> StepView:
    return StepView(
        at=moment(step.at),
        version=step.version,
        before=step.before,
        after=step.after,
        by=step.by,
        why=step.why,
    )
