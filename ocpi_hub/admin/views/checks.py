"""The report of a partner's self-test, as it is shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ocpi_hub.admin.views.base import Moment, View, moment
from ocpi_hub.checking.model import Evidence, Outcome, Report, Result, Severity


class EvidenceView(View):
    """An exchange with the partner; secrets and personal values are masked."""

    request: str
    answer: str
    headers: dict[str, str]
    body: str
    ms: int


class CheckResultView(View):
    """What came of one check."""

    check: Annotated[str, Field(examples=["paging.total"])]
    title: str
    requirements: tuple[str, ...]
    severity: Severity
    outcome: Outcome
    text: str
    fix: str
    evidence: tuple[EvidenceView, ...]


class CheckReportView(View):
    """A report; `conforms`: no check of severity `must` has failed."""

    versions_url: str
    parties: tuple[str, ...]
    conforms: bool
    started: Moment | None
    seconds: float
    requests: int
    median_ms: int
    slowest_ms: int
    counts: dict[Outcome, int]
    results: tuple[CheckResultView, ...]


def check_report(report: Report) -> CheckReportView:
    """A report in results."""
    return CheckReportView(
        versions_url=report.versions_url,
        parties=report.party_names,
        conforms=report.conforms,
        started=moment(report.started),
        seconds=round(report.seconds, 3),
        requests=report.requests,
        median_ms=report.median_ms,
        slowest_ms=report.slowest_ms,
        counts={outcome: report.count(outcome) for outcome in Outcome},
        results=tuple(map(_result, report.results)),
    )


def _result(result: Result) -> CheckResultView:
    check = result.check
    return CheckResultView(
        check=check.check_id,
        title=check.title,
        requirements=check.requirements,
        severity=check.severity,
        outcome=result.outcome,
        text=result.text,
        fix=check.fix,
        evidence=tuple(map(_evidence, result.evidence)),
    )


def _evidence(evidence: Evidence) -> EvidenceView:
    return EvidenceView(
        request=evidence.request,
        answer=evidence.answer,
        headers=dict(evidence.headers),
        body=evidence.body,
        ms=evidence.milliseconds,
    )
