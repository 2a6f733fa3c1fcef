"""How runs and schedules of the whitelist exchange look."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.views.base import Moment, PartyText, View, moment
from ocpi_hub.delivery.whitelist_runs import Extent, Run, RunState, Schedule
from ocpi_hub.delivery.whitelist_staleness import Freshness, Judged
from ocpi_hub.ocpi.envelope import timestamp


class WhitelistRunItem(View):
    """A reading of a platform's token list; docs/whitelist.md explains it."""

    run: int
    platform: str
    source: str = Field(description="`list`: read from the platform; `file`: imported")
    extent: Extent
    state: RunState
    date_from: Moment | None = Field(description="null: all tokens")
    started_at: Moment
    finished_at: Moment | None
    pages: int
    seen: int = Field(description="tokens on the list so far")
    added: int
    changed: int
    absent: int = Field(description="tokens that a full list lacks")
    withdrawn: int = Field(description="of these, those that are withdrawn by now")
    errors: int = Field(description="tokens that could not be taken")
    note: str | None = Field(description="why it failed, waits, or took nothing away")


class WhitelistScheduleItem(View):
    """When a platform's token list is read."""

    platform: str
    pull: str | None = Field(description="a cron expression, UTC; null: never")
    next_at: Moment | None


class WhitelistAgeItem(View):
    """How old what is known of an eMSP's tokens is, for a relation that is answered from it."""

    cpo: str = Field(description="`*`: all that have no relation of their own with the eMSP")
    emsp: PartyText
    freshness: Freshness
    age_s: float | None = Field(description="null: nothing is known")
    max_age_s: float


def age_item(judged: Judged) -> WhitelistAgeItem:
    return WhitelistAgeItem(
        cpo=judged.cpo,
        emsp=str(judged.emsp),
        freshness=judged.freshness,
        age_s=None if judged.age_s is None else round(judged.age_s, 1),
        max_age_s=judged.max_age_s,
    )


def run_item(run: Run) -> WhitelistRunItem:
    return WhitelistRunItem(
        run=run.run_id,
        platform=run.platform_id,
        source=run.source,
        extent=run.extent,
        state=run.state,
        date_from=moment(run.date_from),
        started_at=timestamp(run.started_at),
        finished_at=moment(run.finished_at),
        pages=run.pages,
        seen=run.seen,
        added=run.added,
        changed=run.changed,
        absent=run.absent,
        withdrawn=run.withdrawn,
        errors=run.errors,
        note=run.note,
    )


def schedule_item(platform: str, schedule: Schedule | None) -> WhitelistScheduleItem:
    return WhitelistScheduleItem(
        platform=platform,
        pull=schedule.pull if schedule else None,
        next_at=moment(schedule.next_at) if schedule else None,
    )
