"""Ties tests to the requirement rows of docs/requirements.toml.

`@pytest.mark.req("TF-02", ...)` says which rows a test proves; a row that does not exist is a
collection error. `--conformance PATH` writes the table of rows and of the tests that passed, and
fails when a MUST row has neither such a test nor a reason why it stays open. The file depends on
nothing but the rows and the outcomes, so running again makes no difference.

Under pytest-xdist the rows travel from the workers to the controller in each report's
`user_properties`; only the controller writes.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel, Field

REQUIREMENTS = Path(__file__).parents[2] / "docs" / "requirements.toml"

VERSION = "2.2.1"
"""Of OCPI, that all rows are about."""
PROPERTY = "req"
"""Name of the user property that carries row ids."""


class Requirement(BaseModel, frozen=True, extra="forbid"):
    """One row: what the specification asks of a hub.

    Attributes:
        reason: why no test proves it, of a row that stays open.
    """

    id: str
    level: str
    source: str
    text: str
    reason: str | None = Field(None, min_length=20, pattern=r"^\S.*\S$")

    @property
    def chapter(self) -> str:
        return self.id.partition("-")[0]

    @property
    def is_must(self) -> bool:
        return self.level.rstrip("*") == "MUST"


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
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        # A run that was interrupted or could not be collected says nothing about the rows.
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(
                render_conformance(self._requirements, self._proofs()), encoding="utf-8"
            )
            if unexplained(self._requirements, self._proofs()):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        proven = len(self._proofs())
        total = len(self._requirements.requirement)
        terminalreporter.write_line(f"requirements covered: {proven} of {total}, in {self._path}")
        for row in unexplained(self._requirements, self._proofs()):
            terminalreporter.write_line(f"MUST row without a test or a reason: {row.id} {row.text}")

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


def unexplained(requirements: Requirements, proofs: Mapping[str, list[Proof]]) -> list[Requirement]:
    """MUST rows that nothing proves, and that do not say why."""
    return [
        row
        for row in requirements.requirement
        if row.is_must and row.id not in proofs and row.reason is None
    ]


def render_conformance(requirements: Requirements, proofs: Mapping[str, list[Proof]]) -> str:
    """The Markdown file."""
    rows = requirements.requirement
    lines = [
        "# Conformance",
        "",
        "What OCPI asks of a hub (`docs/requirements.toml`) and the tests that passed for it."
        " Written by `make conformance`. A trailing \\* marks what the specification leaves open.",
        "",
        f"| Version {VERSION} | Covered | Total | % |",
        "|-|-:|-:|-:|",
        _counted("MUST", [row for row in rows if row.is_must], proofs),
        _counted("All", rows, proofs),
        "",
        *_open_rows(rows, proofs),
        "| Chapter | Covered | Total |",
        "|-|-:|-:|",
    ]
    chapters = {
        code: [row for row in rows if row.chapter == code] for code in requirements.chapters
    }
    for code, of_chapter in chapters.items():
        covered = sum(row.id in proofs for row in of_chapter)
        lines.append(f"| {code} {requirements.chapters[code]} | {covered} | {len(of_chapter)} |")
    for code, of_chapter in chapters.items():
        lines += ["", f"## {code} {requirements.chapters[code]}", ""]
        lines += ["| Id | Level | Requirement | Tests |", "|-|-|-|-|"]
        for row in of_chapter:
            tests = "<br>".join(str(proof) for proof in proofs.get(row.id, [])) or _open(row)
            lines.append(f"| {row.id} | {_plain(row.level)} | {_plain(row.text)} | {tests} |")
    return "\n".join(lines) + "\n"


def _counted(name: str, rows: Sequence[Requirement], proofs: Mapping[str, list[Proof]]) -> str:
    """A line of the summary. Its percentage is rounded down: 100 means all."""
    covered = sum(row.id in proofs for row in rows)
    tenths = covered * 1000 // len(rows)
    return f"| {name} | {covered} | {len(rows)} | {tenths / 10:g} |"


def _open_rows(rows: Sequence[Requirement], proofs: Mapping[str, list[Proof]]) -> Sequence[str]:
    """What no test proves, in front of everything else."""
    left = [row for row in rows if row.id not in proofs]
    if not left:
        return ["Nothing is open.", ""]
    names = ", ".join(row.id for row in left)
    return [f"Open, each with its reason below: {names}.", ""]


def _open(row: Requirement) -> str:
    return f"**open**: {_plain(row.reason)}" if row.reason else "**open**"


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
