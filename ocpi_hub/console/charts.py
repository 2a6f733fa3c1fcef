"""Charts as SVG, made on the server, with the same figures as a table for whoever does not look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from ocpi_hub.console.cells import At, html
from ocpi_hub.console.texts import t

WIDTH, HEIGHT = 640, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 8, 14, 30
_X_LABELS = 6
_MOST = 1e15
"""What is larger is nonsense that somebody has sent, and is not drawn."""
_SERIES = 6
"""Series have a colour each: c0 to c5."""
_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes:
        labels: of the points, in order; times as views show them are written in the viewer's zone.
        series: values by name, one for each label; None: there is none.
    """

    title: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[float | None]]
    unit: str = ""

    @property
    def top(self) -> float:
        values = [value for each in self.series.values() for value in each if value is not None]
        return nice(max(values, default=0))


def nice(value: float) -> float:
    """A round number that is not smaller."""
    if not 0 < value <= _MOST * 1000:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= value)


def compact(value: float) -> str:
    """As short as an axis on a phone has room for: 20k."""
    for size, sign in _LARGE:
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"


def lines(chart: Chart) -> Markup:
    """Lines, one for each series."""
    chart = _drawable(chart)
    top = chart.top
    shapes = [
        Markup('<polyline class="line c{}" points="{}"/>').format(
            number % _SERIES,
            " ".join(f"{x:.1f},{_y(value, top):.1f}" for x, value in run),
        )
        for number, values in enumerate(chart.series.values())
        for run in _runs(values, len(chart.labels))
    ]
    return _figure(chart, shapes, top)


def bars(chart: Chart) -> Markup:
    """Bars; those of several series stand on each other."""
    chart = _drawable(chart)
    stacked = [
        sum(values[place] or 0 for values in chart.series.values())
        for place in range(len(chart.labels))
    ]
    top = nice(max(stacked, default=0))
    step = (WIDTH - _LEFT - _RIGHT) / max(len(chart.labels), 1)
    shapes = []
    for place in range(len(chart.labels)):
        below = 0.0
        for number, values in enumerate(chart.series.values()):
            value = values[place] or 0
            if value > 0:
                shapes.append(
                    Markup(
                        '<rect class="bar c{}" x="{:.1f}" y="{:.1f}"'
                        ' width="{:.1f}" height="{:.1f}"/>'
                    ).format(
                        number % _SERIES,
                        _LEFT + place * step + step * 0.1,
                        _y(below + value, top),
                        max(step * 0.8, 0.5),
                        _y(below, top) - _y(below + value, top),
                    )
                )
            below += value
    return _figure(chart, shapes, top)


def _drawable(chart: Chart) -> Chart:
    """Without values that no scale has room for; no number is none, too."""
    return replace(
        chart,
        series={
            name: [value if value is not None and abs(value) <= _MOST else None for value in values]
            for name, values in chart.series.items()
        },
    )


def _runs(values: Sequence[float | None], count: int) -> list[list[tuple[float, float]]]:
    """Points that follow each other without a gap; one that is alone becomes a dash."""
    step = (WIDTH - _LEFT - _RIGHT) / max(count, 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((_LEFT + (place + 0.5) * step, value))
    return [
        run
        if len(run) > 1
        else [(run[0][0] - step / 2, run[0][1]), (run[0][0] + step / 2, run[0][1])]
        for run in runs
        if run
    ]


def _y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top


def _figure(chart: Chart, shapes: Sequence[Markup], top: float) -> Markup:
    if not shapes:
        shapes = [
            Markup('<text class="empty" x="{}" y="{}">{}</text>').format(
                WIDTH / 2, HEIGHT / 2, t("base.no_data")
            )
        ]
    return Markup(
        '<figure class="chart"><figcaption>{title}{unit}{legend}</figcaption>'
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        "{grid}{shapes}{xs}</svg>{table}</figure>"
    ).format(
        title=chart.title,
        unit=Markup(' <span class="unit">{}</span>').format(chart.unit) if chart.unit else "",
        legend=_legend(chart),
        width=WIDTH,
        height=HEIGHT,
        grid=_grid(top),
        shapes=Markup("").join(shapes),
        xs=_x_labels(chart.labels),
        table=_table(chart),
    )


def _legend(chart: Chart) -> Markup:
    if len(chart.series) < 2:
        return Markup("")
    keys = Markup("").join(
        Markup('<li class="c{}">{}</li>').format(number % _SERIES, name)
        for number, name in enumerate(chart.series)
    )
    return Markup('<ul class="legend">{}</ul>').format(keys)


def _grid(top: float) -> Markup:
    parts = []
    for share in (0, 0.5, 1):
        y = _y(top * share, top)
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
                _LEFT, WIDTH - _RIGHT, y, y
            )
        )
        parts.append(
            Markup('<text class="y" x="{}" y="{:.1f}">{}</text>').format(
                _LEFT - 6, y + 4, compact(top * share)
            )
        )
    return Markup("").join(parts)


def _x_labels(labels: Sequence[str]) -> Markup:
    step = (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)
    every = max(1, -(-len(labels) // _X_LABELS))
    return Markup("").join(
        Markup('<text class="x" x="{:.1f}" y="{}"{}>{}</text>').format(
            _LEFT + (place + 0.5) * step, HEIGHT - 6, _time(label), _short(label)
        )
        for place, label in enumerate(labels)
        if place % every == 0
    )


def _is_time(label: str) -> bool:
    return label[10:11] == "T" and label.endswith("Z")


def _time(label: str) -> Markup:
    return Markup(' data-at="{}"').format(label) if _is_time(label) else Markup("")


def _is_day(label: str) -> bool:
    return len(label) == len("2026-01-31") and label[4] == label[7] == "-"


def _short(label: str) -> str:
    """Of a time what a clock shows, of a day its month and number."""
    if _is_day(label):
        return label[5:]
    return label[11:16] if _is_time(label) else label


def _table(chart: Chart) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in chart.series)
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            html(At(label)) if _is_time(label) else label,
            Markup("").join(
                Markup('<td class="number">{}</td>').format(_figure_text(values[place]))
                for values in chart.series.values()
            ),
        )
        for place, label in enumerate(chart.labels)
    )
    return Markup(
        "<details><summary>{}</summary>"
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        "<table><thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table></div></details>"
    ).format(t("base.as_table"), chart.title, head, rows)


def _figure_text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", "\u202f")
