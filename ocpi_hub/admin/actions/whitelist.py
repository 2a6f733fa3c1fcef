"""The whitelist exchange: schedule, pull, confirm, discard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change
from ocpi_hub.admin.actions.platforms import find_platform
from ocpi_hub.admin.views.whitelist import (
    WhitelistAgeItem,
    WhitelistRunItem,
    WhitelistScheduleItem,
    age_item,
    run_item,
    schedule_item,
)
from ocpi_hub.delivery.cron import next_run, require_cron
from ocpi_hub.delivery.whitelist_runs import RunId, Schedule
from ocpi_hub.delivery.whitelist_scheduler import periods_of, serves_tokens
from ocpi_hub.delivery.whitelist_staleness import judge
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import Platform, PlatformId
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.whitelist import WhitelistAdmin
from ocpi_hub.store.whitelist_alarms import PostgresWhitelistAlarms


async def show_schedule(access: OperatorAccess, platform_id: PlatformId) -> WhitelistScheduleItem:
    """When a platform's token list is read."""
    find_platform(await access.load(), platform_id)
    found = await _admin(access).schedules(platform_id)
    return schedule_item(platform_id, found[0] if found else None)


async def set_schedule(
    access: OperatorAccess, platform_id: PlatformId, pull: str | None
) -> WhitelistScheduleItem:
    """Have a platform's token list read again and again.

    Args:
        pull: a cron expression, UTC; None: no more.

    Raises:
        OperatorError: the expression is none, or the platform serves no token list.
    """
    before = await show_schedule(access, platform_id)
    async with change("whitelist.schedule", platform_id, before) as noted:
        return noted.became(await _set_schedule(access, platform_id, pull))


async def _set_schedule(
    access: OperatorAccess, platform_id: PlatformId, pull: str | None
) -> WhitelistScheduleItem:
    platform = find_platform(await access.load(), platform_id)
    if pull is None:
        await _admin(access).drop_schedule(platform_id)
        return schedule_item(platform_id, None)
    now = datetime.now(UTC)
    require_cron(pull, now)
    _require_list(platform)
    pull = " ".join(pull.split())
    due = next_run(pull, platform_id, now, periods_of(access.settings).splay)
    schedule = Schedule(platform_id, pull, due)
    await _admin(access).set_schedule(schedule)
    return schedule_item(platform_id, schedule)


async def pull(
    access: OperatorAccess, platform_id: PlatformId, *, full: bool = False
) -> WhitelistRunItem:
    """Have a platform's token list read now; returns when that is requested.

    Args:
        full: all of it, even if what changed would do.

    Raises:
        OperatorError: another run is not over, or the platform serves no token list.
    """
    platform = find_platform(await access.load(), platform_id)
    async with change("whitelist.pull", platform_id) as noted:
        _require_list(platform)
        admin = _admin(access)
        last = await admin.last_runs(platform_id)
        now = datetime.now(UTC)
        date_from = None if full else periods_of(access.settings).date_from(last, platform, now)
        return noted.became(run_item(await admin.start(platform_id, date_from)))


async def show(access: OperatorAccess, run: int) -> WhitelistRunItem:
    """A run.

    Raises:
        NoSuchObject: there is none.
    """
    return run_item(await _admin(access).find(RunId(run)))


async def ages(access: OperatorAccess, directory: Directory) -> Sequence[WhitelistAgeItem]:
    """What is known of eMSPs' tokens, for each relation that is answered from it."""
    settings = access.settings
    judged = judge(
        directory,
        await PostgresWhitelistAlarms(access.database).ages_s(),
        max_age_s=settings.whitelist_max_age_s,
        near_share=settings.whitelist_near_share,
    )
    return [age_item(each) for each in judged]


async def confirm(access: OperatorAccess, run: int) -> WhitelistRunItem:
    """The list is right: have withdrawn what it lacks."""
    async with change("whitelist.confirm", str(run), await show(access, run)) as noted:
        return noted.became(run_item(await _admin(access).confirm(RunId(run))))


async def discard(access: OperatorAccess, run: int) -> WhitelistRunItem:
    """The list is wrong: let stand what it lacks. Stops a run that is not held."""
    async with change("whitelist.discard", str(run), await show(access, run)) as noted:
        return noted.became(run_item(await _admin(access).discard(RunId(run))))


def _admin(access: OperatorAccess) -> WhitelistAdmin:
    return WhitelistAdmin(access.database)


def _require_list(platform: Platform) -> None:
    if not serves_tokens(platform):
        raise OperatorError(
            f"{platform.platform_id} has no token list to read: it is {platform.state}, or"
            " announced no SENDER interface of the tokens module"
        )
