"""What a statement says: its figures by currency, what the checks noticed, what is left out."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from ocpi_hub.admin.statement_files import rate_text
from ocpi_hub.admin.views.statements import (
    CurrencyView,
    StatementClosing,
    StatementItem,
    StatementListed,
    StatementView,
    SumsView,
)
from ocpi_hub.clearing.statement import Month
from ocpi_hub.console.cells import At, Cell, Link, Number, url
from ocpi_hub.console.charts import Chart, bars
from ocpi_hub.console.pages.cdr_cells import party_cell
from ocpi_hub.console.stories import Block, Facts, Figure, Grid, Note, Ongoing
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit

_WHY: Mapping[str, Mapping[str, str]] = {
    "on its way": {"stage": "received"},
    "disputed": {"disputed": "true"},
    **{stage: {"stage": stage} for stage in ("held", "refused", "uncertain", "dead")},
}
"""Which CDRs are meant by the words for what is left out."""


def facts(visit: Visit, shown: StatementView | StatementListed, own: str) -> Facts:
    """What it is about; `own` is its complete path."""
    of_its_own = (
        (t("statements.first"), At(shown.since))
        if isinstance(shown, StatementListed)
        else (t.label("time_zone"), shown.time_zone)
    )
    return Facts(
        t("statements.facts"),
        [
            *_whose(visit, shown),
            of_its_own,
            (t.label("closed_at"), At(shown.closed_at)),
            (t.label("closed_by"), shown.closed_by),
            (
                t("statements.files"),
                [
                    Link(t("statements.print"), f"{own}/print"),
                    Link(t("statements.csv"), f"{own}/csv"),
                ],
            ),
        ],
    )


def closing(visit: Visit, shown: StatementClosing, own: str) -> Iterator[Block]:
    """How far it is; and what to do if nobody works on it."""
    rows = [
        *_whose(visit, shown),
        (t("statements.begun_by"), shown.closed_by),
        (t("statements.cdrs_by_now"), Number(shown.cdrs)),
    ]
    yield Facts(t("statements.facts"), rows)
    if shown.at_work:
        yield Ongoing(t("statements.closing"), t("statements.so_far"), own)
    elif visit.viewer.is_partner:
        yield Note(t("statements.unfinished"))
    elif shown.error is None:
        yield Note(t("statements.interrupted"), Tone.WARN)
    else:
        yield Note(t("statements.given_up", error=shown.error), Tone.BAD)


def _whose(visit: Visit, shown: StatementItem) -> list[tuple[str, Cell]]:
    return [
        (t.label("cpo"), party_cell(visit, shown.cpo)),
        (t.label("emsp"), party_cell(visit, shown.emsp)),
        (t.label("month"), shown.month),
    ]


def figures(shown: StatementView) -> Iterator[Block]:
    """For each currency a table and a chart."""
    for total in shown.totals:
        yield from _currency(shown.month, total)


def flags(shown: StatementView) -> Grid:
    return Grid(
        t("statements.flags"),
        [t.label("flag"), t.label("cdrs")],
        [
            [Link(each.flag, _cdrs(shown, flag=each.flag)), Number(each.cdrs)]
            for each in shown.flags
        ],
        t("statements.no_flags"),
    )


def left_out(shown: StatementView) -> Grid:
    heads = [
        t("statements.why"), t.label("cdrs"), t("statements.excl_vat"), t.label("currency")
    ]  # fmt: skip
    return Grid(
        t("statements.left_out"),
        heads,
        [
            [
                Link(t.word(each.why), _cdrs(shown, **_WHY.get(each.why, {}))),
                Number(each.cdrs),
                _money(each.excl_vat),
                each.currency,
            ]
            for each in shown.left_out
        ],
        t("statements.nothing_left_out"),
    )


def _cdrs(shown: StatementView, **which: str) -> str:
    """The CDRs between its parties that are like this; of any month."""
    return url("cdrs", owner=shown.cpo, receiver=shown.emsp, **which)


def days_of(month: Month, others: Sequence[str] = ()) -> list[str]:
    """All days of a month, and others; as charts have them."""
    count = calendar.monthrange(month.year, month.month)[1]
    return sorted({*(f"{month}-{day:02}" for day in range(1, count + 1)), *others})


def _currency(month: str, total: CurrencyView) -> list[Block]:
    heads = [
        t("statements.vat"),
        *(t.label(name) for name in ("cdrs", "credits")),
        t("statements.kwh"),
        *(t(f"statements.{name}") for name in ("excl_vat", "vat_amount", "incl_vat")),
    ]
    rows = [[rate_text(part.rate), *_figures(part)] for part in total.by_vat]
    rows.append([t("statements.total"), *_figures(total)])
    energy = {day.day: float(day.energy_kwh) for day in total.by_day}
    days = days_of(Month.parse(month), list(energy))
    kwh = [energy.get(day) for day in days]
    return [
        Grid(total.currency, heads, rows),
        Figure(
            bars(Chart(t("statements.kwh_per_day"), days, {"kWh": kwh}, "kWh")),
            t("statements.per_day", currency=total.currency),
        ),
    ]


def _figures(sums: SumsView) -> list[Cell]:
    return [
        Number(sums.cdrs),
        Number(sums.credits),
        Number(float(sums.energy_kwh), 3),
        _money(sums.excl_vat),
        _money(sums.vat),
        _money(sums.incl_vat),
    ]


def _money(text: str) -> Cell:
    return Number(float(Decimal(text)), 2)
