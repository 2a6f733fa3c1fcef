"""The table of checks, and the page that shows it."""

from __future__ import annotations

import re
from pathlib import Path

from ocpi_hub.checking.model import Limits, Severity
from ocpi_hub.checking.registry import AREAS, CHECKS
from tests.support.broken_partner import FAULTS
from tests.support.check_page import PAGE, page

REQUIREMENTS = Path(__file__).parents[3] / "docs" / "requirements.toml"


def test_the_page_is_current() -> None:
    shown = PAGE.read_text(encoding="utf-8")
    assert page(shown) == shown, "run `make docs`"


def test_the_page_tells_the_limits() -> None:
    limits, text = Limits(), " ".join(PAGE.read_text(encoding="utf-8").split())
    for figure in (
        f"{limits.requests} at most",
        f"for {limits.total_s:g} seconds at most",
        f"each for {limits.request_s:g} seconds at most",
        f"{limits.pages} pages",
        f"{limits.total_bytes >> 20} MB",
        f"longer than {limits.response_s:g} seconds",
        f"{limits.certificate_days} days",
    ):
        assert figure in text


def test_checks_have_stable_and_different_ids() -> None:
    ids = [check.check_id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+\.[a-z0-9_]+", each) for each in ids)
    assert {check.area for check in CHECKS} == AREAS.keys()


def test_there_are_at_least_sixty_that_only_read() -> None:
    assert sum(not check.writes for check in CHECKS) >= 60
    assert {check.check_id for check in CHECKS if check.writes} == {
        check.check_id for check in CHECKS if check.area == "write"
    }


def test_checks_name_requirements_that_exist() -> None:
    known = set(re.findall(r"\b[A-Z]{2}-\d\d\b", REQUIREMENTS.read_text(encoding="utf-8")))
    named = {row for check in CHECKS for row in check.requirements}
    assert named <= known
    assert all(check.requirements for check in CHECKS if check.severity is Severity.MUST
               and check.check_id != "http.header_case")  # fmt: skip


def test_planted_faults_are_many_and_found_by_checks_that_exist() -> None:
    ids = {check.check_id for check in CHECKS}
    assert len({fault.found_by for fault in FAULTS}) >= 15
    assert {fault.found_by for fault in FAULTS} <= ids
