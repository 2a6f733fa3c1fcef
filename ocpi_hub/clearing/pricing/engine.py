"""The price engine: what a CDR should cost, and how that stands to what it says.

Pure: the answer depends on the arguments and the time zone database alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from decimal import Decimal, localcontext

from ocpi_hub.clearing.pricing.compare import compare_parts, judge
from ocpi_hub.clearing.pricing.compute import Computed, compute
from ocpi_hub.clearing.pricing.model import (
    EXACT,
    ZERO,
    Findings,
    Money,
    NotCheckable,
    PriceCheck,
    Verdict,
    minor_unit,
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

    It may take a second of CPU time for a CDR of 100,000 periods or made to be slow.

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
    zone, ours = _in_zone(cdr, session, time_zone, unit, findings)

    def other(reading: Reading) -> Computed | None:
        if not matters(reading, session, split_missing=findings.has("missing_split")):
            return None
        try:
            return compute(session, zone, reading, unit, Findings())
        except NotCheckable:
            return None

    verdict = judge(cdr, ours, other, unit=unit, tolerance=tolerance, findings=findings)
    lines = ours.lines()
    parts = compare_parts(cdr, ours, lines, unit, findings)
    return PriceCheck(
        verdict, cdr.currency, unit, ours.total, ours.limit, parts, lines, findings.all()
    )


def _in_zone(
    cdr: CDR, session: Session, time_zone: str | None, unit: Decimal, findings: Findings
) -> tuple[tzinfo, Computed]:
    """The zone of the Location and the price there.

    Raises:
        NotCheckable: the price depends on the zone, and the zone is not known.
    """
    local = any(each.local for tariff in session.tariffs for each in tariff.restrictions)
    if not local:
        return UTC, compute(session, UTC, OURS, unit, findings)
    zones: Sequence[tzinfo] = zones_of(cdr.cdr_location.country)
    if time_zone is not None:
        given = find_zone(time_zone)
        if given is None:
            raise NotCheckable("time_zone_unknown", f"there is no time zone {time_zone!r}")
        zones = (given,)
    elif zones:
        text = f"the time zone is taken from the country: {zones[0]}"
        findings.add("time_zone_guessed", text, "cdr_location.country")
    if not zones:
        raise NotCheckable("time_zone_unknown", "local times matter, and the zone is not known")
    ours = compute(session, zones[0], OURS, unit, findings)
    for each in zones[1:]:
        if compute(session, each, OURS, unit, Findings()).total != ours.total:
            text = "the price differs between the time zones of the country"
            raise NotCheckable("time_zone_unknown", text)
    return zones[0], ours
