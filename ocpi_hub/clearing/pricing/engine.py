"""The price engine: what a CDR should cost, and how that stands to what it says.

Pure: the answer depends on the arguments and the time zone database alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from decimal import Decimal, localcontext

from ocpi_hub.clearing.pricing.compare import compare_parts, judge
from ocpi_hub.clearing.pricing.compute import Computed, compute
from ocpi_hub.clearing.pricing.grid import Budget
from ocpi_hub.clearing.pricing.model import (
    EXACT,
    ZERO,
    Findings,
    Money,
    NotCheckable,
    PriceCheck,
    Verdict,
    minor_unit,
    shown,
)
from ocpi_hub.clearing.pricing.plausibility import look_at
from ocpi_hub.clearing.pricing.readings import OURS, Reading
from ocpi_hub.clearing.pricing.relevance import matters
from ocpi_hub.clearing.pricing.session import Session, read_session
from ocpi_hub.clearing.pricing.zones import find_zone, zones_of
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff


def check_price(
    cdr: CDR,
    *,
    tariffs: Sequence[Tariff] = (),
    time_zone: str | None = None,
    tolerance: Decimal = ZERO,
) -> PriceCheck:
    """Recompute the price of a CDR and compare.

    A CDR of 100,000 periods, or one made to be slow, takes a few seconds of CPU time.

    Args:
        tariffs: for ids that the CDR does not hold itself.
        time_zone: of the Location; None: from the CDR's country, where that tells.
        tolerance: differences up to it, in money, are none.
    """
    unit = minor_unit(cdr.currency)
    findings = Findings()
    with localcontext(EXACT):
        try:
            return _checked(cdr, tariffs, time_zone, tolerance, unit, findings)
        except NotCheckable as reason:
            findings.add(reason.code, reason.message)
    verdict = Verdict.NOT_CHECKABLE
    return PriceCheck(verdict, cdr.currency, unit, None, Money(), {}, (), findings.all())


def _checked(
    cdr: CDR,
    tariffs: Sequence[Tariff],
    time_zone: str | None,
    tolerance: Decimal,
    unit: Decimal,
    findings: Findings,
) -> PriceCheck:
    session = read_session(cdr, tariffs, findings)
    look_at(cdr, session, findings)
    budget = Budget()

    def compute_in(zone: tzinfo, reading: Reading, found: Findings) -> Computed:
        return compute(session, zone, reading, unit=unit, budget=budget, findings=found)

    zone = _zone(cdr, session, time_zone, findings, compute_in)
    ours = compute_in(zone, OURS, findings)

    def other(reading: Reading) -> Computed | None:
        if not matters(reading, session, split_missing=findings.has("missing_split")):
            return None
        try:
            return compute_in(zone, reading, Findings())
        except NotCheckable:
            text = "the CDR is too large to try all readings"
            findings.add("reading_left_out", text)
            return None

    verdict = judge(cdr, ours, other, unit=unit, tolerance=tolerance, findings=findings)
    lines = ours.lines()
    parts = compare_parts(cdr, ours, lines, unit, findings)
    return PriceCheck(
        verdict, cdr.currency, unit, ours.total, ours.limit, parts, lines, findings.all()
    )


def _zone(
    cdr: CDR,
    session: Session,
    time_zone: str | None,
    findings: Findings,
    compute_in: Callable[[tzinfo, Reading, Findings], Computed],
) -> tzinfo:
    """The zone of the Location; any, where local times do not matter.

    Raises:
        NotCheckable: the price depends on the zone, and the zone is not known.
    """
    if not any(each.local for tariff in session.tariffs for each in tariff.restrictions):
        return UTC
    if time_zone is not None:
        given = find_zone(time_zone)
        if given is None:
            raise NotCheckable("time_zone_unknown", f"there is no time zone {shown(time_zone)}")
        return given
    zones = zones_of(cdr.cdr_location.country)
    if not zones:
        raise NotCheckable("time_zone_unknown", "local times matter, and the zone is not known")
    text = f"the time zone is taken from the country: {zones[0]}"
    findings.add("time_zone_guessed", text, "cdr_location.country")
    totals = {compute_in(each, OURS, Findings()).total for each in zones} if zones[1:] else set()
    if len(totals) > 1:
        text = "the price differs between the time zones of the country"
        raise NotCheckable("time_zone_unknown", text)
    return zones[0]
