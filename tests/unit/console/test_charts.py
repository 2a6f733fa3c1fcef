"""Charts are SVG with the same figures as a table."""

from __future__ import annotations

import re

import pytest

from ocpi_hub.console.charts import Chart, bars, lines, nice

LABELS = ["2026-01-31T08:00:00.000Z", "2026-01-31T08:01:00.000Z", "2026-01-31T08:02:00.000Z"]


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (0.03, 0.05), (1, 1), (1.1, 2), (24, 25), (99, 100), (1001, 2000)]
)
def test_axes_end_at_a_round_number(value: float, top: float) -> None:
    assert nice(value) == pytest.approx(top)


def test_bars_of_several_series_stand_on_each_other() -> None:
    svg = bars(Chart("Traffic", LABELS, {"in": [1, 0, 2], "out": [1, None, 2]}))
    tops = [float(y) for y in re.findall(r'<rect [^>]*y="([\d.]+)"', svg)]
    assert len(tops) == 4
    assert tops[1] < tops[0]
    assert all(0 <= y <= 180 for y in tops)


def test_a_line_stops_where_there_is_no_figure() -> None:
    svg = lines(Chart("Latency", LABELS, {"p50": [1, None, 3]}, "ms"))
    assert svg.count("<polyline") == 2


def test_the_figures_stand_in_a_table_too_and_times_can_be_made_local() -> None:
    svg = lines(Chart("<b>", LABELS, {"<i>": [1.5, None, 3]}))
    assert '<td class="number">1.5</td>' in svg
    assert "<b>" not in svg
    assert "<i>" not in svg
    assert 'data-at="2026-01-31T08:00:00.000Z">08:00<' in svg


def test_without_figures_it_says_so() -> None:
    assert "nothing in this time" in bars(Chart("Traffic", [], {}))


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e308, 1e-320])
def test_absurd_figures_draw_nothing_and_end(value: float) -> None:
    chart = Chart("energy", ["a", "b"], {"one": [value, 2.0], "two": [value, 1.0]})
    for drawn in (bars(chart), lines(chart)):
        assert "nan" not in drawn
        assert "inf" not in drawn
    assert nice(value) > 0
