"""The conformance plugin, run as its users run it: in a pytest of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.support.conformance import (
    REQUIREMENTS,
    Proof,
    Requirement,
    Requirements,
    function_of,
    load_requirements,
    render_conformance,
    unexplained,
)

pytest_plugins = ["pytester"]

PLUGIN = "tests.support.conformance"

MIXED = """
    import pytest

    pytestmark = pytest.mark.req("TF-01")

    @pytest.mark.req("TF-02", "TF-03")
    @pytest.mark.parametrize("case", ["a", "b[1]::c.py::d", "e@f"])
    def test_passes(case):
        pass

    @pytest.mark.xdist_group("one")
    @pytest.mark.req("TF-04")
    def test_in_a_group():
        pass

    @pytest.mark.req("TF-05")
    def test_fails():
        assert False

    @pytest.mark.req("TF-06")
    def test_is_skipped():
        pytest.skip("not here")

    @pytest.mark.req("TF-07")
    @pytest.mark.xfail
    def test_was_expected_to_fail():
        pass

    @pytest.fixture
    def breaks_afterwards():
        yield
        raise RuntimeError

    @pytest.mark.req("TF-08")
    def test_breaks_in_teardown(breaks_afterwards):
        pass
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory whose pytest finds the plugin and knows the marker."""
    monkeypatch.setenv("PYTHONPATH", str(REQUIREMENTS.parents[1]))
    pytester.makeini(
        "[pytest]\nmarkers =\n  req(*ids): rows\n  xdist_group(name): group\n"
        "asyncio_default_fixture_loop_scope = function\n"
        "addopts = --strict-markers -p no:schemathesis -p no:hypothesispytest\n"
    )
    return pytester


@pytest.mark.parametrize("workers", ["0", "2"], ids=["one process", "xdist"])
def test_only_passed_tests_count_as_proof(inner: pytest.Pytester, workers: str) -> None:
    inner.makepyfile(test_mixed=MIXED)
    result = inner.runpytest_subprocess(
        "-p", PLUGIN, "-n", workers, "--dist", "loadgroup", "--conformance", "out/table.md"
    )
    result.assert_outcomes(passed=5, failed=1, skipped=1, xpassed=1, errors=1)
    table = _rows((inner.path / "out/table.md").read_text(encoding="utf-8"))
    assert table["TF-02"] == table["TF-03"] == "`test_mixed.py::test_passes` (3 cases)"
    assert table["TF-04"] == "`test_mixed.py::test_in_a_group`"
    assert table["TF-01"] == f"{table['TF-04']}<br>{table['TF-02']}"
    assert {row for row, proof in table.items() if not proof.startswith("**open**")} == {
        "TF-01",
        "TF-02",
        "TF-03",
        "TF-04",
    }
    result.stdout.fnmatch_lines(["requirements covered: 4 of 298, in out/table.md"])


def test_an_open_must_row_without_a_reason_fails_the_run(inner: pytest.Pytester) -> None:
    inner.makepyfile("import pytest\n@pytest.mark.req('TF-02')\ndef test_it():\n    pass\n")
    result = inner.runpytest_inprocess("-p", PLUGIN, "--conformance", "out.md")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["MUST row without a test or a reason: TF-01 *"])
    assert (inner.path / "out.md").exists()
    assert inner.runpytest_inprocess("-p", PLUGIN).ret == pytest.ExitCode.OK


def test_running_again_in_another_order_writes_the_same_file(inner: pytest.Pytester) -> None:
    inner.makepyfile(test_mixed=MIXED, test_other=MIXED)
    for files in (["test_mixed.py", "test_other.py"], ["test_other.py", "test_mixed.py"]):
        inner.runpytest_inprocess("-p", PLUGIN, "--conformance", f"{files[0]}.md", *files)
    first, second = (inner.path / name for name in ("test_mixed.py.md", "test_other.py.md"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("mark", ['"TF-02", "TF-999"', "2", ""])
def test_unknown_row_is_a_collection_error(inner: pytest.Pytester, mark: str) -> None:
    inner.makepyfile(f"import pytest\n@pytest.mark.req({mark})\ndef test_it():\n    pass\n")
    result = inner.runpytest_inprocess("-p", PLUGIN, "--conformance", "out.md")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_it: not in docs/requirements.toml: *"])
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert not (inner.path / "out.md").exists()


def test_unknown_row_is_an_error_under_xdist_too(inner: pytest.Pytester) -> None:
    inner.makepyfile("import pytest\n@pytest.mark.req('TF-999')\ndef test_it():\n    pass\n")
    result = inner.runpytest_subprocess("-p", PLUGIN, "-n", "2", "--conformance", "out.md")
    result.stdout.fnmatch_lines(["*test_it: not in docs/requirements.toml: 'TF-999'"])
    assert result.ret != pytest.ExitCode.OK


def test_unknown_row_on_one_parameter_set_stops_the_run(inner: pytest.Pytester) -> None:
    inner.makepyfile("""
        import pytest

        @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.req("XX-01"))])
        def test_it(n):
            pass
    """)
    result = inner.runpytest_inprocess("-p", PLUGIN)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it?1?: not a requirement: 'XX-01'"])


def test_nothing_is_written_unless_asked_for(inner: pytest.Pytester) -> None:
    inner.makepyfile("import pytest\n@pytest.mark.req('TF-02')\ndef test_it():\n    pass\n")
    result = inner.runpytest_inprocess("-p", PLUGIN)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("requirements covered*")
    assert not list(inner.path.glob("*.md"))


def test_checklist_has_every_row_once_and_in_order() -> None:
    requirements = load_requirements()
    ids = [row.id for row in requirements.requirement]
    assert len(ids) == 298
    assert list(dict.fromkeys(row.chapter for row in requirements.requirement)) == list(
        requirements.chapters
    )
    for chapter, count in Counter(row.chapter for row in requirements.requirement).items():
        rows = [each for each in ids if each.startswith(f"{chapter}-")]
        assert rows == [f"{chapter}-{number:02}" for number in range(1, count + 1)]
    assert {row.level.rstrip("*") for row in requirements.requirement} == {"MUST", "SHOULD", "MAY"}
    assert all(0 < len(row.text) <= 115 for row in requirements.requirement)


def test_cells_show_their_text_and_not_markup() -> None:
    requirements = load_requirements()
    page = render_conformance(requirements, {"TF-16": [Proof("a.py::test_b", 1)]})
    assert "Link: \\<absolute-url\\>; rel=" in page
    assert "MUST\\*" in page
    assert "| All | 1 | 298 | 0.3 |" in page


def _rows_of(*rows: Requirement) -> Requirements:
    return Requirements(chapters={"TF": "Transport"}, requirement=rows, error=())


def _row(number: int, level: str = "MUST", reason: str | None = None) -> Requirement:
    return Requirement(
        id=f"TF-{number:02}", level=level, source="T", text=f"Row {number}", reason=reason
    )


WHY = "No partner of *this* kind exists yet"
PROOF = [Proof("a.py::test_b", 1)]


def test_summary_counts_must_rows_and_all_and_never_rounds_up() -> None:
    rows = [_row(number, "MUST*" if number % 2 else "MUST") for number in range(1, 1001)]
    requirements = _rows_of(*rows, _row(1001, "SHOULD", WHY))
    page = render_conformance(requirements, {row.id: PROOF for row in rows[1:]})
    assert "| Version 2.2.1 | Covered | Total | % |" in page
    assert "| MUST | 999 | 1000 | 99.9 |" in page
    assert "| All | 999 | 1001 | 99.8 |" in page
    everything = {row.id: PROOF for row in requirements.requirement}
    page = render_conformance(requirements, everything)
    assert "| MUST | 1000 | 1000 | 100 |\n| All | 1001 | 1001 | 100 |" in page
    assert "Nothing is open." in page


def test_an_open_row_shows_its_reason() -> None:
    page = render_conformance(_rows_of(_row(1, reason=WHY), _row(2, "MAY")), {})
    assert _rows(page) == {
        "TF-01": "**open**: No partner of \\*this\\* kind exists yet",
        "TF-02": "**open**",
    }
    assert "Open, each with its reason below: TF-01, TF-02." in page


@pytest.mark.parametrize(
    ("row", "proven", "missing"),
    [
        (_row(1), False, True),
        (_row(1, "MUST*"), False, True),
        (_row(1, reason=WHY), False, False),
        (_row(1), True, False),
        (_row(1, "SHOULD"), False, False),
    ],
    ids=["must", "must of the hub", "with a reason", "proven", "should"],
)
def test_a_must_row_needs_a_test_or_a_reason(row: Requirement, proven: bool, missing: bool) -> None:
    found = unexplained(_rows_of(row), {row.id: PROOF} if proven else {})
    assert found == ([row] if missing else [])


@pytest.mark.parametrize("reason", ["", "later", "  a reason with space in front"])
def test_a_reason_says_something(reason: str) -> None:
    with pytest.raises(ValidationError):
        _row(1, reason=reason)


@pytest.mark.parametrize(
    ("nodeid", "function"),
    [
        ("tests/unit/test_a.py::test_b", "tests/unit/test_a.py::test_b"),
        ("tests/unit/test_a.py::TestC::test_b[x.py::y]", "tests/unit/test_a.py::TestC::test_b"),
        ("tests/unit/test_a.py::test_b@group", "tests/unit/test_a.py::test_b"),
    ],
)
def test_node_id_loses_parameters_and_group(nodeid: str, function: str) -> None:
    assert function_of(nodeid) == function


def _rows(page: str) -> dict[str, str]:
    """Row id -> its tests."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {each[0]: each[3] for each in cells if len(each) == 4 and "-" in each[0][1:]}


def test_default_checklist_is_the_one_in_docs() -> None:
    assert Path("docs", "requirements.toml").parts == REQUIREMENTS.parts[-2:]
