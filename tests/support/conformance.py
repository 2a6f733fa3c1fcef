"""Ties tests to the requirement rows of docs/requirements.toml.

`@pytest.mark.req("TF-02", ...)` says which rows a test proves; a row that does not exist is a
collection error. `--conformance PATH` writes the table of rows and of the tests that passed. The
file depends on nothing but the rows and the outcomes, so running again makes no difference.

Under pytest-xdist the rows travel from the workers to the controller in each report's
`user_properties`; only the controller writes.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

REQUIREMENTS = Path(__file__).parents[2] / "docs" / "requirements.toml"

PROPERTY = "req"
"""Name of the user property that carries row ids."""


class Requirement(BaseModel, frozen=True, extra="forbid"):
    """One row: what the specification asks of a hub."""

    id: str
    level: str
    source: str
    text: str

    @property
    def chapter(self) -> str:
        return self.id.partition("-")[0]


class ErrorCase(BaseModel, frozen=True, extra="forbid"):
    """One line of the error matrix; `answers` are written "HTTP status/OCPI status code"."""

    case: str
    answers: tuple[str, ...]
    rows: tuple[str, ...]


class Requirements(BaseModel, frozen=True, extra="forbid"):
    """All rows; `chapters` maps the first part of an id to a title, in the order of the report."""

    chapters: dict[str, str]
    requirement: tuple[Requirement, ...]
    error: tuple[ErrorCase, ...]


def load_requirements(path: Path = REQUIREMENTS) -> Requirements:
    """The rows of the checklist."""
    return Requirements.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def unknown_ids(ids: Iterable[object], known: frozenset[str]) -> list[str]:
    """What is not the id of a row, for a message."""
    return sorted(repr(each) for each in ids if each not in known)


class RequirementMarks:
    """Checks the `req` marks and hands their ids to the reports; runs in every process."""

    def __init__(self, requirements: Requirements) -> None:
        self._known = frozenset(row.id for row in requirements.requirement)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Raises: CollectError, which makes the whole module an error."""
        for mark in metafunc.definition.iter_markers("req"):
            if wrong := unknown_ids(mark.args, self._known) or ([] if mark.args else ["no id"]):
                name = metafunc.definition.name
                raise pytest.Collector.CollectError(
                    f"{name}: not in docs/requirements.toml: {', '.join(wrong)}"
                )

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        ids = sorted({str(each) for mark in item.iter_markers("req") for each in mark.args})
        # A mark on one parameter set is not seen above.
        if wrong := unknown_ids(ids, self._known):
            raise pytest.UsageError(f"{item.nodeid}: not a requirement: {', '.join(wrong)}")
        if ids:
            item.user_properties.append((PROPERTY, ids))


@dataclass(frozen=True, slots=True)
class Proof:
    """A test function and how many of its parametrised cases passed."""

    test: str
    cases: int

    def __str__(self) -> str:
        return f"`{self.test}`" + (f" ({self.cases} cases)" if self.cases > 1 else "")


class ConformanceReport:
    """Collects what passed and writes the table; runs in the process that sees all reports."""

    def __init__(self, path: Path, requirements: Requirements) -> None:
        self._path = path
        self._requirements = requirements
        self._passed: dict[str, tuple[str, ...]] = {}
        self._spoilt: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or hasattr(report, "wasxfail"):
            self._spoilt.add(report.nodeid)
        elif report.when == "call" and report.passed:
            rows = [
                row
                for name, ids in report.user_properties
                if name == PROPERTY
                for row in _strs(ids)
            ]
            if rows:
                self._passed[report.nodeid] = tuple(rows)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        # A run that was interrupted or could not be collected says nothing about the rows.
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(
                render_conformance(self._requirements, self._proofs()), encoding="utf-8"
            )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        proven = len(self._proofs())
        total = len(self._requirements.requirement)
        terminalreporter.write_line(f"requirements covered: {proven} of {total}, in {self._path}")

    def _proofs(self) -> dict[str, list[Proof]]:
        """Row id -> tests that proved it, sorted."""
        cases: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for nodeid, rows in self._passed.items():
            if nodeid not in self._spoilt:
                for row in rows:
                    cases[row][function_of(nodeid)] += 1
        return {
            row: [Proof(test, count) for test, count in sorted(tests.items())]
            for row, tests in cases.items()
        }


def _strs(ids: object) -> list[str]:
    return [str(each) for each in ids] if isinstance(ids, list) else []


def function_of(nodeid: str) -> str:
    """A node id without its parameters, and without the group that xdist appends."""
    match = re.match(r"[^\[]*?\.py(?:::\w+)*", nodeid)
    return match.group() if match else nodeid


def render_conformance(requirements: Requirements, proofs: Mapping[str, list[Proof]]) -> str:
    """The Markdown file."""
    lines = [
        "# Conformance",
        "",
        "What OCPI asks of a hub (`docs/requirements.toml`) and the tests that passed for it."
        " Written by `make conformance`. A trailing \\* marks what the specification leaves open.",
        "",
        "| Chapter | Covered | Total |",
        "|-|-:|-:|",
    ]
    chapters = {
        code: [row for row in requirements.requirement if row.chapter == code]
        for code in requirements.chapters
    }
    for code, rows in chapters.items():
        covered = sum(row.id in proofs for row in rows)
        lines.append(f"| {code} {requirements.chapters[code]} | {covered} | {len(rows)} |")
    covered = sum(row.id in proofs for row in requirements.requirement)
    lines.append(f"| All | {covered} | {len(requirements.requirement)} |")
    for code, rows in chapters.items():
        lines += ["", f"## {code} {requirements.chapters[code]}", ""]
        lines += ["| Id | Level | Requirement | Tests |", "|-|-|-|-|"]
        for row in rows:
            tests = "<br>".join(str(proof) for proof in proofs.get(row.id, [])) or "**open**"
            lines.append(f"| {row.id} | {_plain(row.level)} | {_plain(row.text)} | {tests} |")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in a table's cell."""
    return re.sub(r"([\\|<>*_`\[\]])", r"\\\1", text)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--conformance",
        metavar="PATH",
        help="write which requirement rows the tests that passed prove, as Markdown",
    )


def pytest_configure(config: pytest.Config) -> None:
    requirements = load_requirements()
    config.pluginmanager.register(RequirementMarks(requirements), "requirement-marks")
    path = config.getoption("--conformance")
    is_worker = hasattr(config, "workerinput")
    if path and not is_worker:
        report = ConformanceReport(Path(path), requirements)
        config.pluginmanager.register(report, "conformance-report")
