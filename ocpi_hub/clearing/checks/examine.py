"""A CDR as all checks together see it. Pure, and never raises on what a partner may send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from decimal import localcontext
from typing import Final

from ocpi_hub.clearing.checks.codes import Group
from ocpi_hub.clearing.checks.context import CheckContext
from ocpi_hub.clearing.checks.figures import look_at_limits, look_at_power, look_at_signs
from ocpi_hub.clearing.checks.links import look_at_authorization, look_at_place, look_at_session
from ocpi_hub.clearing.checks.price import look_at_currency, recompute
from ocpi_hub.clearing.checks.rules import HoldRules
from ocpi_hub.clearing.checks.signed import look_at_meter
from ocpi_hub.clearing.checks.times import (
    PERIOD_CODES,
    look_at_dates,
    look_at_periods,
    look_at_totals,
)
from ocpi_hub.clearing.credits import booked, judge_credit, judge_session_bills
from ocpi_hub.clearing.ledger import (
    CdrFinding,
    Examination,
    MeteringOutcome,
    PriceOutcome,
    ledger_facts,
)
from ocpi_hub.clearing.pricing.model import EXACT
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff

LARGE: Final = 1200
"""Effort from which on a price is not recomputed while somebody waits: some 20 ms."""
_LEAST_ELEMENTS: Final = 5
"""What a period costs however small its tariff is."""
MANY_SIGNED: Final = 8
"""Signed values of which the same is true."""


def is_large(cdr: CDR, stored: Sequence[Tariff] = ()) -> bool:
    """Whether the price, or the signatures, take longer than others can wait for it.

    Args:
        stored: tariffs known to the hub.
    """
    return _takes_long(cdr, stored) or _has_many_signatures(cdr)


def _takes_long(cdr: CDR, stored: Sequence[Tariff]) -> bool:
    """By the moments at which prices may change, and the elements to look through at each."""
    elements = sum(len(each.elements) for each in (*cdr.tariffs, *stored))
    days = max((cdr.end_date_time - cdr.start_date_time).days, 0) + 1
    moments = len(cdr.charging_periods) + 2 * elements * days
    return moments * max(elements, _LEAST_ELEMENTS) > LARGE


def _has_many_signatures(cdr: CDR) -> bool:
    return cdr.signed_data is not None and len(cdr.signed_data.signed_values) > MANY_SIGNED


def examine(cdr: CDR, context: CheckContext, rules: HoldRules) -> Examination:
    """All checks. A large CDR takes seconds of CPU time."""
    with localcontext(EXACT):
        price, about_price = recompute(cdr, context, rules)
        metering, about_meter = look_at_meter(cdr)
        found = [
            *_figures(cdr, context.received_at, rules),
            *_periods(cdr),
            *look_at_currency(cdr, context),
            *about_price,
            *about_meter,
            *_linked(cdr, context, rules),
        ]
    later = _may_come_later(cdr, context)
    if context.crowded:
        found += _not_yet({Group.CREDIT if cdr.credit else Group.SESSION}, rules)
    findings = rules.weighed(_without_echoes(found, price))
    complete = not context.crowded
    return Examination(ledger_facts(cdr), findings, price, metering, complete=complete, later=later)


def examine_in_part(
    cdr: CDR, context: CheckContext | None, received_at: datetime, rules: HoldRules
) -> Examination:
    """What can be said at once of a CDR that is large, or of which nothing else is known yet: what
    may hold it is not left out, but waited for."""
    left_out = {Group.PRICE}
    many_periods = _takes_long(cdr, context.tariffs if context is not None else ())
    many_signatures = _has_many_signatures(cdr)
    if many_signatures:
        left_out.add(Group.METER)
    metering: MeteringOutcome | None = None
    if context is None:
        left_out |= {Group.SESSION, Group.PLACE}
        if cdr.credit:
            left_out.add(Group.CREDIT)
    with localcontext(EXACT):
        found = [*_figures(cdr, received_at, rules)]
        if not many_periods:
            found += _periods(cdr)
        if not many_signatures:
            metering, about_meter = look_at_meter(cdr)
            found += about_meter
        if context is not None:
            found += [*look_at_currency(cdr, context), *_linked(cdr, context, rules)]
    found += _not_yet(left_out, rules, PERIOD_CODES if many_periods else frozenset())
    return Examination(ledger_facts(cdr), rules.weighed(found), metering=metering)


def _not_yet(
    left_out: Set[Group], rules: HoldRules, codes: Set[str] = frozenset()
) -> Iterator[CdrFinding]:
    if rules.may_hold(left_out, codes):
        names = ", ".join(sorted(left_out))
        yield CdrFinding("not_yet_checked", f"still to be looked at: {names}")


def _figures(cdr: CDR, received_at: datetime, rules: HoldRules) -> Iterator[CdrFinding]:
    """What its totals and dates say."""
    yield from look_at_limits(cdr, rules)
    yield from look_at_signs(cdr)
    yield from look_at_dates(cdr, received_at, rules)


def _periods(cdr: CDR) -> Iterator[CdrFinding]:
    """What its charging periods say."""
    yield from look_at_totals(cdr)
    yield from look_at_periods(cdr)


def _linked(cdr: CDR, context: CheckContext, rules: HoldRules) -> Iterator[CdrFinding]:
    """What the hub knows beside it."""
    yield from look_at_power(cdr, context.location, rules)
    yield from look_at_place(cdr, context)
    yield from look_at_session(cdr, context.session)
    yield from look_at_authorization(cdr, context.authorization)
    receiver = PartyId(cdr.cdr_token.country_code, cdr.cdr_token.party_id)
    this = booked(cdr.owner, receiver, ledger_facts(cdr))
    yield from judge_credit(this, context.original, context.credited)
    yield from judge_session_bills(this, context.others)


def _without_echoes(found: list[CdrFinding], price: PriceOutcome) -> Iterator[CdrFinding]:
    """Parts are told with the total, where that differs."""
    for each in found:
        if each.code != "subtotal_differs" or price.verdict != "differs":
            yield each


def _may_come_later(cdr: CDR, context: CheckContext) -> bool:
    """Whether something that belongs to it was not there, and often comes after it."""
    return (
        (cdr.session_id is not None and context.session is None)
        or (context.session is not None and context.session.status not in ("COMPLETED", "INVALID"))
        or (cdr.authorization_reference is not None and context.authorization is None)
        or (context.knows_locations and context.location is None)
        or (bool(cdr.credit) and context.original is None)
    )
