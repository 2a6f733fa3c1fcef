"""Reports: energy by relation and day, yearly energy of charge points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from markupsafe import Markup

from ocpi_hub.admin.actions import reports
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.base import Given
from ocpi_hub.admin.routes.reports import YearGiven
from ocpi_hub.admin.routes.statements import MonthGiven
from ocpi_hub.admin.views.reports import DayEnergyView, PointEnergyView, YearReportView
from ocpi_hub.clearing.reports import Visibility
from ocpi_hub.clearing.statement import Month
from ocpi_hub.clearing.tabular import csv_head, csv_row
from ocpi_hub.console.cells import Cell, Chip, Code, Link, Number, url
from ocpi_hub.console.charts import Chart, bars
from ocpi_hub.console.forms import Form, Input, choices, read_form
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.statement_blocks import days_of
from ocpi_hub.console.pages.statements import last_month
from ocpi_hub.console.stories import Ask, Block, Facts, Figure, Grid, Note, Story, told
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Download, Tone, Visit

SHOWN_POINTS = 500


class MonthGivenOnly(Given):
    month: MonthGiven | None = None


def report_pages() -> tuple[Page, ...]:
    return (
        Page("GET", "/reports", Scope.READ, overview, nav="nav.reports"),
        Page("GET", "/reports/thg", Scope.READ, yearly),
        Page("GET", "/reports/thg.csv", Scope.READ, yearly_file),
    )


# Energy by day ------------------------------------------------------------------------------------


async def overview(visit: Visit) -> Answer:
    """Energy of a month by relation and day, and what else can be asked for."""
    month = read_form(MonthGivenOnly, visit.query).month or last_month()
    days = await reports.daily_energy(visit.parts.admin.access, month)
    blocks: list[Block] = [
        Ask(t("reports.choose"), [_month_form(month)]),
        Figure(_chart(month, days), t("reports.energy", month=month)),
        Grid(
            t("reports.by_relation"),
            [
                t.label("cpo"),
                t.label("emsp"),
                t.label("cdrs"),
                t("reports.kwh"),
                t("reports.hours"),
            ],
            _by_relation(month, days),
            t("reports.nothing"),
        ),
        Ask(t("reports.thg"), [_year_form(month.year)]),
    ]
    return told(visit, Story(t("reports.title"), blocks))


def _chart(month: Month, days: Sequence[DayEnergyView]) -> Markup:
    labels = days_of(month, [day.day for day in days])
    relations: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for day in days:
        relations[f"{day.cpo} {day.emsp}"][day.day] = float(day.energy_kwh)
    most = sorted(relations, key=lambda name: -sum(relations[name].values()))
    series: dict[str, list[float | None]] = {
        name: [relations[name].get(label) for label in labels] for name in most[:5]
    }
    if len(most) > 5:
        rest = [sum(relations[n].get(label, 0) for n in most[5:]) for label in labels]
        series[t("reports.others")] = [*rest]
    return bars(Chart(t("reports.kwh_per_day"), labels, series, "kWh"))


def _by_relation(month: Month, days: Sequence[DayEnergyView]) -> list[list[Cell]]:
    sums: dict[tuple[str, str], list[float]] = {}
    for day in days:
        cdrs, kwh, hours = sums.setdefault((day.cpo, day.emsp), [0, 0, 0])
        sums[day.cpo, day.emsp] = [
            cdrs + day.cdrs, kwh + float(day.energy_kwh), hours + float(day.time_h)
        ]  # fmt: skip
    return [
        [
            Link(cpo, url("statements", str(month), cpo, emsp)),
            Code(emsp),
            Number(cdrs),
            Number(kwh, 3),
            Number(hours, 2),
        ]
        for (cpo, emsp), (cdrs, kwh, hours) in sums.items()
    ]


def _month_form(month: Month) -> Form:
    asked = Input("month", t.label("month"), "month", str(month), help=t.hint("month", ""))
    return Form(url("reports"), t("reports.show"), (asked,), method="get")


# Yearly energy ------------------------------------------------------------------------------------


def _year_form(year: int) -> Form:
    return Form(
        url("reports", "thg"),
        t("reports.make"),
        (
            Input("year", t("reports.year"), "number", str(year)),
            Input(
                "locations", t("reports.locations"), "select", Visibility.PUBLISHED.value,
                choices([each.value for each in Visibility]),
            ),
            Input("allow_incomplete", t("reports.allow_incomplete"), "checkbox", "true"),
        ),
        method="get",
    )  # fmt: skip


async def _report(visit: Visit) -> YearReportView:
    given = read_form(YearGiven, visit.query)
    return await reports.yearly_energy(
        visit.parts.admin.access,
        given.year,
        cpo=given.cpo,
        visibility=given.locations,
        allow_incomplete=given.allow_incomplete,
    )


async def yearly(visit: Visit) -> Answer:
    """The first charge points; the file has all."""
    report = await _report(visit)
    file = url("reports", "thg.csv", **visit.query)
    shown = report.items[:SHOWN_POINTS]
    complete = (
        Chip(t("reports.complete"), Tone.GOOD)
        if report.complete
        else Chip(t("reports.incomplete"), Tone.WARN)
    )
    blocks: list[Block] = [
        *(Note(doubt, Tone.WARN) for doubt in report.doubts),
        Facts(
            t("reports.facts"),
            [
                (t("reports.points"), Number(report.points)),
                (t("reports.kwh"), Number(float(report.energy_kwh), 3)),
                (t("reports.left_out_points"), Number(report.left_out_points)),
                (t("reports.left_out_kwh"), Number(float(report.left_out_kwh), 3)),
                (t("reports.file"), Link(t("reports.csv"), file)),
            ],
        ),
        Grid(
            t("reports.first_points", count=len(shown)) if shown else t("reports.points"),
            [
                t.label("evse_id"), t.label("cpo"), t("reports.address"), t("reports.kw"),
                t.label("cdrs"), t("reports.kwh"), t("reports.complete"),
            ],
            [_point(point) for point in shown],
            t("reports.no_points"),
        ),
    ]  # fmt: skip
    title = t("reports.thg_of", year=report.year)
    crumbs = [(t("reports.title"), url("reports"))]
    return told(visit, Story(title, blocks, state=complete, crumbs=crumbs))


def _point(point: PointEnergyView) -> list[Cell]:
    address = ", ".join(each for each in (point.address, point.city) if each)
    return [
        Code(point.evse_id),
        Code(point.cpo),
        address or None,
        Number(float(point.power_kw), 1) if point.power_kw else None,
        Number(point.cdrs),
        Number(float(point.energy_kwh), 3),
        point.complete,
    ]


async def yearly_file(visit: Visit) -> Answer:
    """All charge points as CSV."""
    report = await _report(visit)
    columns = tuple(PointEnergyView.model_fields)

    async def chunks() -> AsyncIterator[str]:
        yield csv_head(columns)
        for item in report.items:
            values = item.shown()
            yield csv_row([values[name] for name in columns])

    return Download(f"quota-{report.year}.csv", "text/csv", chunks())
