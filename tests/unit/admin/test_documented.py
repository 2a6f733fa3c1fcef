"""docs/admin-api.md names every route, error and metric, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest

from ocpi_hub.admin import faults
from ocpi_hub.admin.faults import HTTP_STATUS, Code
from ocpi_hub.admin.metrics.certificates import CertificateEnds
from ocpi_hub.admin.metrics.figures import StoredFigures
from ocpi_hub.admin.metrics.instruments import Instruments
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes import all_routes
from ocpi_hub.store.figures import Figures
from tests.support.factories import make_directory
from tests.support.postgres import make_settings

PAGE = Path(__file__).parents[3] / "docs" / "admin-api.md"


def rows(heading: str) -> list[tuple[str, ...]]:
    """The rows of the first table after a heading."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = re.findall(r"^\| (.*) \|$", section, flags=re.MULTILINE)
    return [tuple(cell.strip().strip("`") for cell in re.split(r" ?\| ?", row)) for row in table][
        1:
    ]


def metrics() -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Every metric and, as far as it tells without a value, its labels."""
    for instrument in vars(Instruments()).values():
        if hasattr(instrument, "_labelnames"):
            yield instrument._name, instrument._labelnames
    figures = Figures((), (), {}, 1)
    stored = StoredFigures(figures, make_directory, datetime(2026, 1, 1, tzinfo=UTC))
    for collector in (stored, CertificateEnds(make_settings())):
        for family in collector.collect():
            yield family.name, tuple(getattr(family, "_labelnames", ()))


def test_routes_are_documented_with_their_scopes() -> None:
    routes = all_routes(cast(AdminParts, Mock()))
    served = {(route.method, route.template, route.scope.value) for route in routes}
    assert {row[:3] for row in rows("Routes")} == served
    assert len(rows("Routes")) == len(routes)


def test_errors_are_documented() -> None:
    assert {(int(row[0]), row[1]) for row in rows("Errors")} == {
        (HTTP_STATUS[code], code.value) for code in Code
    }
    assert faults.__doc__ is not None
    for code in Code:
        assert re.search(rf"^\| {code} \| {HTTP_STATUS[code]} \|", faults.__doc__, re.MULTILINE)


def test_metrics_are_documented_with_their_labels() -> None:
    documented = {row[0]: tuple(filter(None, row[1].split(", "))) for row in rows("Metrics")}
    assert documented == dict(metrics())


@pytest.mark.parametrize("name", [name for name, _ in metrics()])
def test_a_metric_names_its_unit_or_counts_things(name: str) -> None:
    assert name.startswith("ocpi_hub_")
    assert not re.search(r"_(ms|milliseconds|minutes|count|total)$", name)
