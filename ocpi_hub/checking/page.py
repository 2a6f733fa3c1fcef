"""A report as a page of HTML that needs nothing else, and runs nothing."""

from __future__ import annotations

import functools
from importlib.resources import files
from itertools import groupby

import jinja2

from ocpi_hub.checking.model import Outcome, Report
from ocpi_hub.checking.registry import AREAS
from ocpi_hub.checking.text import summary

TEMPLATE = "report.html.j2"

_WORST_FIRST = (Outcome.FAILED, Outcome.WARNING)


def as_page(report: Report) -> str:
    """The page; whatever the partner said is text in it."""
    areas = [
        (AREAS[area], list(results))
        for area, results in groupby(report.results, key=lambda each: each.check.area)
    ]
    wrong = [
        result for outcome in _WORST_FIRST for result in report.results if result.outcome is outcome
    ]
    counts = [(outcome.value, report.count(outcome)) for outcome in Outcome]
    return _template().render(
        report=report, areas=areas, wrong=wrong, counts=counts, summary=summary(report)
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = files("ocpi_hub.checking").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text)
