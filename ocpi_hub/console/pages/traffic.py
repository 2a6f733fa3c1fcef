"""Traffic over an hour, a day or a week, as charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.overview import OverviewFigures
from ocpi_hub.admin.routes.traffic import DAYS, Back
from ocpi_hub.console.charts import Chart, bars, lines
from ocpi_hub.console.page import Page
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Shown, Visit
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.traffic import TrafficStep

RANGES: Mapping[str, Back] = {each.value: each for each in Back}


def traffic_pages() -> tuple[Page, ...]:
    return (Page("GET", "/traffic", Scope.READ, show, nav="nav.traffic"),)


async def show(visit: Visit) -> Answer:
    """The page; another range is a link."""
    name = visit.query.get("range", "1h")
    chosen = name if name in RANGES else "1h"
    now = visit.parts.admin.clock.now()
    context = {
        "charts": await charts(visit.parts.overview, RANGES[chosen], now),
        "ranges": [(each, t(f"traffic.range_{each}"), each == chosen) for each in RANGES],
        "note": t("traffic.means") if chosen != "1h" else None,
    }
    return Shown("traffic.html", t("traffic.title"), context)


async def charts(figures: OverviewFigures, asked: Back, now: datetime) -> Sequence[object]:
    """All charts of a range that ends now."""
    first = asked.begins(now)
    places = [first + asked.step * number for number in range(asked.span // asked.step)]
    found = {each.step: each for each in await figures.within(places[0], asked.step)}
    rows = [found.get(place) for place in places]
    labels = [timestamp(place) for place in places] if found else []
    days = await figures.energy(DAYS)
    return [
        bars(Chart(t("traffic.requests"), labels, {
            t("overview.received"): _each(rows, lambda row: row.received),
            t("overview.sent"): _each(rows, lambda row: row.sent),
        })),
        bars(Chart(t("traffic.failed"), labels, {
            t("traffic.failed"): _each(rows, lambda row: row.failed),
        })),
        lines(Chart(t("overview.latency"), labels, {
            t("overview.p50"): [row.p50_ms if row else None for row in rows],
            t("overview.p95"): [row.p95_ms if row else None for row in rows],
            t("overview.p99"): [row.p99_ms if row else None for row in rows],
        }, "ms")),
        bars(Chart(t("traffic.outcomes"), labels, _named(rows, lambda row: row.outcomes))),
        bars(Chart(t("traffic.modules"), labels, _named(rows, lambda row: row.modules))),
        lines(Chart(t("traffic.waiting"), labels, {
            t(f"traffic.waiting_{name}"): [row.waiting.get(name) if row else None for row in rows]
            for name in ("cdrs", "sessions", "pushes")
        })),
        bars(Chart(t("traffic.energy"), [f"{day.day:%m-%d}" for day in days], {
            "kWh": [day.energy_kwh for day in days],
        }, "kWh")),
        bars(Chart(t("traffic.cdrs"), [f"{day.day:%m-%d}" for day in days], {
            t("traffic.cdrs"): [day.cdrs for day in days],
        })),
    ]  # fmt: skip


def _each(
    rows: Sequence[TrafficStep | None], value: Callable[[TrafficStep], int]
) -> list[float | None]:
    return [value(row) if row else 0 for row in rows]


def _named(
    rows: Sequence[TrafficStep | None], numbers: Callable[[TrafficStep], Mapping[str, int]]
) -> Mapping[str, Sequence[float | None]]:
    """A series for each name, the largest first; the chart has colours for six."""
    sums: dict[str, int] = {}
    for row in rows:
        for name, number in (numbers(row) if row else {}).items():
            sums[name] = sums.get(name, 0) + number
    names = sorted(sums, key=lambda name: (-sums[name], name))
    shown, rest = (names, []) if len(names) <= 6 else (names[:5], names[5:])
    series: dict[str, Sequence[float | None]] = {
        _word(name): [numbers(row).get(name, 0) if row else 0 for row in rows] for name in shown
    }
    if rest:
        series[t("traffic.rest")] = [
            sum(numbers(row).get(name, 0) for name in rest) if row else 0 for row in rows
        ]
    return series


def _word(name: str) -> str:
    return t("traffic.no_answer") if name == "none" else t.word(name)
