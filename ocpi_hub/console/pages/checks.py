"""The self-test of a platform: start it, watch it, read its report."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ocpi_hub.admin.actions.check_runs import begin_check, carry_out, show_run
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.views.checks import CheckReportView, CheckResultView
from ocpi_hub.checking.model import Outcome
from ocpi_hub.checking.registry import AREAS
from ocpi_hub.console.cells import At, Cell, Chip, Link, Number, html, url
from ocpi_hub.console.forms import Form, Input, offered
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.onboarding_platform import own_platform
from ocpi_hub.console.stories import Ask, Grid, Note, Story, told
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Live, Redirect, Shown, Tone, Visit
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.check_runs import CheckRun, CheckRuns

CHECKS = "/platforms/{platform}/checks"
RUN = f"{CHECKS}/{{run}}"
EVERY_S = 1.0
_TONES = {
    Outcome.FAILED: Tone.BAD,
    Outcome.WARNING: Tone.WARN,
    Outcome.PASSED: Tone.GOOD,
    Outcome.SKIPPED: None,
}
_ORDER = {outcome: number for number, outcome in enumerate(_TONES)}


@dataclass(frozen=True, slots=True)
class Area:
    """The results of a part of the interface; what failed stands first."""

    title: str
    tone: Tone | None
    counts: str
    results: Sequence[CheckResultView]


def check_pages() -> tuple[Page, ...]:
    return (
        Page("GET", CHECKS, Scope.READ, listing, partner=True),
        Page("POST", CHECKS, Scope.OPERATE, start, partner=True),
        Page("GET", RUN, Scope.READ, show, partner=True),
        Page("GET", f"{RUN}/live", Scope.READ, live, partner=True),
    )


async def listing(visit: Visit) -> Answer:
    """The latest runs, and the button."""
    platform_id = await own_platform(visit)
    name = visit.parts.admin.directory().platforms[platform_id].name
    runs = await _runs(visit).list(platform_id)
    return told(
        visit,
        Story(
            t("checks.title", who=name),
            [
                Note(t("checks.intro")),
                Ask("", [_form(visit, platform_id)]),
                Grid(
                    t("checks.latest"),
                    [t("checks.started"), t("checks.by"), t.label("state"), t("checks.passed"),
                     t("checks.warnings"), t("checks.failed")],
                    [_row(visit, run) for run in runs],
                    t("checks.none"),
                ),
            ],
            crumbs=_crumbs(visit, platform_id),
        ),
    )  # fmt: skip


def _form(visit: Visit, platform_id: PlatformId) -> Form:
    """A partner may, too; what is written is an operator's to decide."""
    partner = visit.viewer.is_partner
    write = Input("write", t("checks.write"), "checkbox")
    return Form(
        url("platforms", platform_id, "checks"),
        t("checks.start"),
        () if partner else (write,),
        needs=None if partner else Scope.OPERATE,
    )


def _by(visit: Visit, run: CheckRun) -> str:
    """Names of operators are no matter of partners."""
    known = not visit.viewer.is_partner or run.started_by == visit.viewer.name
    return run.started_by if known else t("checks.somebody")


def _row(visit: Visit, run: CheckRun) -> list[Cell]:
    counts = run.counts
    return [
        Link(At(run.started_at), _run_url(run)),
        _by(visit, run),
        _state(run),
        Number(counts.get("passed")),
        Number(counts.get("warning")),
        Number(counts.get("failed")),
    ]


def _state(run: CheckRun) -> Chip:
    if run.ended_at is None:
        return Chip("running")
    if run.error is not None:
        return Chip("error")
    if run.conforms:
        return Chip(t("checks.conforms"), Tone.GOOD)
    return Chip(t("checks.does_not_conform"), Tone.BAD)


def _run_url(run: CheckRun) -> str:
    return url("platforms", run.platform_id, "checks", str(run.run_id))


def _crumbs(visit: Visit, platform_id: PlatformId) -> list[tuple[str, str]]:
    name = visit.parts.admin.directory().platforms[platform_id].name
    return [
        (name, url("platforms", platform_id)),
        (t("onboarding.title"), url("platforms", platform_id, "onboarding")),
    ]


def _runs(visit: Visit) -> CheckRuns:
    return CheckRuns(visit.parts.admin.access.database)


# Deeds --------------------------------------------------------------------------------------------


async def start(visit: Visit) -> Answer:
    platform_id, viewer, admin = await own_platform(visit), visit.viewer, visit.parts.admin
    write = "write" in visit.form and not viewer.is_partner
    visit.parts.errands.require_room(of_partner=viewer.is_partner)
    run_id = await begin_check(
        admin.access, platform_id, viewer.name, write=write, by_partner=viewer.is_partner
    )
    visit.parts.errands.start(
        carry_out(admin.access, admin.clock, run_id, platform_id, write=write)
    )
    return Redirect(f"/platforms/{platform_id}/checks/{run_id}")


# One run ------------------------------------------------------------------------------------------


async def show(visit: Visit) -> Answer:
    platform_id, run_id = await own_platform(visit), _run_id(visit)
    now = await _now(visit, platform_id, run_id)
    return Shown(
        "check.html",
        t("checks.title", who=visit.parts.admin.directory().platforms[platform_id].name),
        {
            **now,
            "crumbs": [
                *_crumbs(visit, platform_id),
                (t("checks.crumb"), url("platforms", platform_id, "checks")),
            ],
            "live": f"{url('platforms', platform_id, 'checks', str(run_id))}/live",
            "forms": offered([_form(visit, platform_id)], visit.viewer),
        },
    )


async def live(visit: Visit) -> Answer:
    platform_id, run_id = await own_platform(visit), _run_id(visit)
    return Live("check_now.html", lambda: _now(visit, platform_id, run_id), EVERY_S)


async def _now(visit: Visit, platform_id: PlatformId, run_id: uuid.UUID) -> Mapping[str, object]:
    """Raises: NoSuchObject: there is no such run of this platform."""
    run, report = await show_run(visit.parts.admin.access, platform_id, run_id)
    return {
        "run": run,
        "by": _by(visit, run),
        "started": html(At(run.started_at)),
        "state": html(_state(run)),
        "report": report,
        "wrong": _wrong(report) if report else (),
        "areas": _areas(report) if report else (),
        "tones": _TONES,
    }


def _wrong(report: CheckReportView) -> list[CheckResultView]:
    found = [each for each in report.results if each.outcome in (Outcome.FAILED, Outcome.WARNING)]
    return sorted(found, key=lambda each: _ORDER[each.outcome])


def _areas(report: CheckReportView) -> list[Area]:
    found = []
    for area, group in groupby(report.results, key=lambda each: each.check.partition(".")[0]):
        results = sorted(group, key=lambda each: _ORDER[each.outcome])
        counts = [
            f"{sum(each.outcome is outcome for each in results)} {t.word(outcome)}"
            for outcome in _TONES
            if any(each.outcome is outcome for each in results)
        ]
        tone = _TONES[results[0].outcome]
        found.append(Area(AREAS.get(area, area), tone, ", ".join(counts), results))
    return found


def _run_id(visit: Visit) -> uuid.UUID:
    try:
        return uuid.UUID(visit.place["run"])
    except ValueError:
        raise NoSuchObject(t("base.no_such_page")) from None
