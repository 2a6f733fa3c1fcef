"""What stands in tables, as HTML and in files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, Number, html, plain, url
from ocpi_hub.domain.party import PlatformState

EVIL = "<img src=x onerror=alert(1)>"
AT = datetime(2026, 1, 31, 8, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    [EVIL, Code(EVIL), Chip(EVIL), Link(EVIL, f'"{EVIL}'), At(EVIL), Number(1, 0, EVIL), [EVIL]],
    ids=["text", "code", "chip", "link", "time", "unit", "several"],
)  # fmt: skip
def test_text_is_escaped_wherever_it_stands(cell: Cell) -> None:
    assert "<img" not in html(cell)


def test_times_are_utc_until_a_browser_knows_better() -> None:
    shown = html(At(AT))
    assert 'datetime="2026-01-31T08:00:01.000Z"' in shown
    assert 'title="2026-01-31 08:00:01 UTC"' in shown
    assert plain(At(AT)) == "2026-01-31T08:00:01.000Z"


def test_nothing_is_a_dash_and_an_empty_field() -> None:
    nothing: tuple[Cell, ...] = (None, "", At(None), Chip(None), Code(None), Number(None), [])
    for cell in nothing:
        assert "none" in html(cell)
        assert plain(cell) == ""


def test_values_are_written_for_people() -> None:
    assert "1\u202f234.5" in html(Number(1234.5, 1))
    assert html(True) == "yes"
    assert html(PlatformState.SUSPENDED) == "suspended"
    assert "warn" in html(Chip(PlatformState.SUSPENDED))
    assert plain(["a", Code("b")]) == "a b"


def test_paths_hold_whatever_an_id_holds() -> None:
    assert url("cdrs", "NL*CPO", "a/b?c") == "/console/cdrs/NL%2ACPO/a%2Fb%3Fc"
    assert url("audit", object="a&b", actor="") == "/console/audit?object=a%26b"
