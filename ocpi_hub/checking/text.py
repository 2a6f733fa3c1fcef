"""A report for terminals."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from ocpi_hub.checking.model import Outcome, Report, Result
from ocpi_hub.checking.registry import AREAS

_WORDS: Final = {
    Outcome.PASSED: "ok",
    Outcome.FAILED: "FAILED",
    Outcome.WARNING: "warning",
    Outcome.SKIPPED: "skipped",
}
_INDENT = " " * 11


def summary(report: Report) -> str:
    """The counts in one line."""
    counts = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in Outcome)
    return f"{len(report.results)} checks: {counts}"


def as_text(report: Report) -> str:
    """What passed in one line each; the rest with the reason, what was seen and how to mend it.

    Checks that were skipped one after the other for one reason share it.
    """
    lines = [f"Self-test of {report.versions_url}"]
    if report.party_names:
        lines.append(f"Parties: {', '.join(report.party_names)}")
    for area, results in groupby(report.results, key=lambda each: each.check.area):
        lines += ["", AREAS[area]]
        for skipped, alike in groupby(results, key=_why_skipped):
            lines += [line for result in alike for line in _lines(result)]
            lines += [f"{_INDENT}{skipped}"] if skipped else []
    lines += [
        "",
        summary(report),
        f"{report.requests} requests in {report.seconds:.1f} s; answers took {report.median_ms} ms"
        f" (median), {report.slowest_ms} ms (slowest)",
        "The partner conforms." if report.conforms else _not_conforming(report),
    ]
    return "\n".join(lines)


def _not_conforming(report: Report) -> str:
    failed = [each.check.check_id for each in report.results if each.outcome is Outcome.FAILED]
    return f"The partner does not conform: see {', '.join(failed)}"


def _why_skipped(result: Result) -> str:
    return result.text if result.outcome is Outcome.SKIPPED else ""


def _lines(result: Result) -> list[str]:
    check = result.check
    head = f"  {_WORDS[result.outcome]:8} {check.check_id}: {check.title}"
    match result.outcome:
        case Outcome.PASSED:
            return [f"{head} ({result.text})" if result.text else head]
        case Outcome.SKIPPED:
            return [head]
        case Outcome.FAILED | Outcome.WARNING:
            rows = f" ({', '.join(check.requirements)})" if check.requirements else ""
            seen = [f"{_INDENT}seen: {each.request} -> {each.answer}" for each in result.evidence]
            return [
                f"{head} [{check.severity}]{rows}",
                f"{_INDENT}{result.text}",
                *seen[:1],
                f"{_INDENT}to mend it: {check.fix}",
            ]
