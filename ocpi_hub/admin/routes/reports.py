"""Reports from the ledger."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.actions import reports
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Call,
    Given,
    Listing,
    NoBody,
    Party,
    Route,
    Time,
    page_of,
)
from ocpi_hub.admin.routes.statements import MonthGiven
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.reports import DayEnergyView, LedgerEntryView, YearReportView
from ocpi_hub.clearing.reports import Visibility

LEDGER = "ledger"


class YearGiven(Given):
    year: int = Field(ge=2000, lt=9999)
    cpo: Party | None = None
    locations: Visibility = Field(
        Visibility.PUBLISHED, description="whether those count, too, that are not published"
    )
    allow_incomplete: bool = Field(False, description="report what may be too small, marked")


class DaysGiven(Given):
    month: MonthGiven
    cpo: Party | None = None


class LedgerGiven(Listing):
    since: Time | None = Field(None, description="sessions that ended then or later")
    until: Time | None = Field(None, description="sessions that ended before")


def report_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    access = parts.access

    async def yearly(call: Call[YearGiven, NoBody]) -> YearReportView:
        given = call.given
        return await reports.yearly_energy(
            access,
            given.year,
            cpo=given.cpo,
            visibility=given.locations,
            allow_incomplete=given.allow_incomplete,
        )

    async def days(call: Call[DaysGiven, NoBody]) -> Page[DayEnergyView]:
        found = await reports.daily_energy(access, call.given.month, cpo=call.given.cpo)
        return Page(items=tuple(found), next=None)

    async def ledger(call: Call[LedgerGiven, NoBody]) -> Page[LedgerEntryView]:
        given = call.given
        place = given.place(LEDGER, int)
        after = int(place[0]) if place else 0
        found = await reports.ledger_part(access, given.since, given.until, after, given.limit + 1)
        return page_of(
            found, given.limit, lambda each: each, lambda last: cursor_text(LEDGER, last.entry)
        )

    return (
        Route("GET", f"{API}/reports/thg/{{year}}", Scope.READ,
              "Energy of public charge points in a calendar year",
              YearGiven, NoBody, YearReportView, yearly),
        Route("GET", f"{API}/reports/energy/{{month}}", Scope.READ,
              "CDRs and energy by relation and day",
              DaysGiven, NoBody, Page[DayEnergyView], days),
        Route("GET", f"{API}/reports/ledger", Scope.READ,
              "The CDR ledger, in the order in which CDRs came",
              LedgerGiven, NoBody, Page[LedgerEntryView], ledger),
    )  # fmt: skip
