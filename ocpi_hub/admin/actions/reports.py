"""Reports from the ledger (docs/reports.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.views.reports import (
    DayEnergyView,
    LedgerEntryView,
    YearReportView,
    day_view,
    ledger_entry_view,
    year_report_view,
)
from ocpi_hub.clearing.reports import (
    DayEnergy,
    Doubt,
    PointEnergy,
    Visibility,
    Year,
    YearReport,
    add_points,
    merge,
)
from ocpi_hub.clearing.statement import Month
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.reports import ReportStore, months_of

LATE = timedelta(days=1)
"""A CPO whose first session began later in the year than this may have charged elsewhere before."""
SILENT = timedelta(days=31)
"""A CPO without a CDR that long before the end of the year, and since, may charge elsewhere."""


async def yearly_energy(
    access: OperatorAccess,
    number: int,
    *,
    cpo: PartyId | None = None,
    visibility: Visibility = Visibility.PUBLISHED,
    allow_incomplete: bool = False,
) -> YearReportView:
    """Energy of public charge points in a calendar year.

    Args:
        visibility: whether charge points count that are not published, or not known.
        allow_incomplete: report figures that may be too small, marked.

    Raises:
        OperatorError: something is missing of the year, as far as the hub knows.
    """
    store = ReportStore(access.database)
    year = Year.of(number, ZoneInfo(access.settings.statement_time_zone))
    report = YearReport(number)
    relations = await store.relations(year.begin, year.end, cpo)
    hours = access.settings.cdr_expected_after_h
    if (since := datetime.now(UTC) - year.end) < timedelta():
        report.doubts.append(Doubt(None, f"{number} is not over yet"))
    elif since < timedelta(hours=hours):
        report.doubts.append(Doubt(None, f"CDRs may come until {hours} hours after the year"))
    elif not relations:
        report.doubts.append(Doubt(None, f"the hub has no CDR of {cpo or 'anybody'} in {number}"))
    complete_so_far = not report.doubts
    missing = await store.without_entry(cpo)
    report.doubts += (
        Doubt(owner, f"{cdrs} CDRs are not in the ledger yet") for owner, cdrs in missing.items()
    )
    for owner, of_owner in groupby(relations, key=lambda relation: relation.cpo):
        energies: list[PointEnergy] = []
        for relation in of_owner:
            energies += await store.across(relation, year)
            for window in months_of(year):
                energies += await store.points(relation, year, window)
        doubts = await _doubts(store, owner, year)
        complete = complete_so_far and not doubts and owner not in missing
        report.doubts += doubts
        known = await store.known_points(owner)
        add_points(report, merge(energies), known, visibility, complete=complete)
    if report.doubts and not allow_incomplete:
        reasons = "; ".join(f"{each.cpo or 'all'}: {each.text}" for each in report.doubts)
        raise OperatorError(
            f"the year is not complete: {reasons}. With --allow-incomplete (allow_incomplete) the"
            " figures are reported as they are, and marked"
        )
    return year_report_view(report)


async def _doubts(store: ReportStore, cpo: PartyId, year: Year) -> list[Doubt]:
    doubts = []
    if waiting := await store.undelivered(cpo, year):
        doubts.append(
            Doubt(cpo, f"{waiting} CDRs are not delivered yet: see `cdr list --owner {cpo}`")
        )
    if endless := await store.without_end(cpo, year):
        doubts.append(Doubt(cpo, f"{endless} CDRs end before they start"))
    first, last = await store.span(cpo)
    if last is not None and last < year.end - SILENT:
        doubts.append(Doubt(cpo, f"its last CDR here is of {last:%Y-%m-%d}"))
    if first is not None and first > year.begin + LATE:
        doubts.append(Doubt(cpo, f"its first CDR here is of {first:%Y-%m-%d}"))
    return doubts


async def daily_energy(
    access: OperatorAccess, month: Month, *, cpo: PartyId | None = None
) -> Sequence[DayEnergyView]:
    """Sessions and energy by relation and day."""
    store = ReportStore(access.database)
    name = access.settings.statement_time_zone
    zone = ZoneInfo(name)
    begin, end = month.begin(zone), month.end(zone)
    found: list[DayEnergy] = []
    for relation in await store.relations(begin, end, cpo, ended=True):
        found += await store.days(relation, begin, end, name)
    return [day_view(day) for day in found]


def ledger(
    access: OperatorAccess, since: datetime | None, until: datetime | None
) -> AsyncIterator[Mapping[str, object]]:
    """The ledger's entries, a part of them in memory."""
    return ReportStore(access.database).ledger(since, until)


async def ledger_part(
    access: OperatorAccess, since: datetime | None, until: datetime | None, after: int, limit: int
) -> Sequence[LedgerEntryView]:
    """The next entries."""
    found = await ReportStore(access.database).ledger_part(since, until, after, limit)
    return [ledger_entry_view(entry) for entry in found]
