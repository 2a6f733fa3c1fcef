"""The report of a partner's self-test, as it is shown."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ocpi_hub.admin.views.base import Moment, View, moment
from ocpi_hub.checking.model import Evidence, Outcome, Report, Result, Severity
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.check_runs import CheckRun


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


class CheckSummary(View):
    """What the audit log keeps of a report."""

    conforms: bool
    counts: dict[Outcome, int]


class CheckRunItem(View):
    """A self-test that was started, and goes on whether somebody waits for it or not."""

    run: str
    platform: str
    started_at: Moment
    ended_at: Moment | None = Field(description="null: it is running, or its process died")
    started_by: str
    by_partner: bool
    writes: bool
    done: int = Field(description="checks, of `total`")
    total: int
    error: str | None = Field(description="why there is no report")
    conforms: bool | None = Field(description="null: there is no report")
    counts: dict[str, int] = Field(description="results by outcome")


class CheckRunDetails(CheckRunItem):
    """The same with its report, once there is one."""

    report: CheckReportView | None


def check_run(run: CheckRun) -> CheckRunItem:
    return CheckRunItem(
        run=str(run.run_id),
        platform=run.platform_id,
        started_at=timestamp(run.started_at),
        ended_at=moment(run.ended_at),
        started_by=run.started_by,
        by_partner=run.by_partner,
        writes=run.writes,
        done=run.done,
        total=run.total,
        error=run.error,
        conforms=run.conforms,
        counts=dict(run.counts),
    )


def check_run_details(run: CheckRun, report: CheckReportView | None) -> CheckRunDetails:
    return CheckRunDetails(**dict(check_run(run)), report=report)


def check_summary(report: Report) -> CheckSummary:
    return CheckSummary(conforms=report.conforms, counts=_counts(report))


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
        counts=_counts(report),
        results=tuple(map(_result, report.results)),
    )


def _counts(report: Report) -> dict[Outcome, int]:
    return {outcome: report.count(outcome) for outcome in Outcome}


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
