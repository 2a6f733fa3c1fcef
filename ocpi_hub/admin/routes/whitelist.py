"""The whitelist exchange: runs and schedules."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from ocpi_hub.admin.actions import whitelist
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Body,
    Call,
    Given,
    Listing,
    NoBody,
    Party,
    Route,
    Text,
    page_of,
)
from ocpi_hub.admin.routes.platforms import PlatformGiven
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.whitelist import (
    WhitelistAgeItem,
    WhitelistRunItem,
    WhitelistScheduleItem,
    run_item,
    schedule_item,
)
from ocpi_hub.delivery.cron import MAX_LENGTH
from ocpi_hub.delivery.whitelist_runs import RunId, RunState
from ocpi_hub.delivery.whitelist_scheduler import serves_tokens
from ocpi_hub.delivery.whitelist_staleness import Freshness
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.store.whitelist import WhitelistAdmin

KIND = "whitelist-runs"
AGES = "whitelist-ages"
SCHEDULES = "whitelist-schedules"


class RunListing(Listing):
    platform: Text | None = None
    state: RunState | None = None


class AgeListing(Listing):
    cpo: Party | None = None
    emsp: Party | None = None
    freshness: Freshness | None = None


class ScheduleListing(Listing):
    platform: Text | None = None


class RunGiven(Given):
    run: int = Field(ge=1, le=2**63 - 1, description="its number")


class PullBody(Body):
    full: bool = Field(False, description="all tokens, even if what changed would do")


class ScheduleBody(Body):
    pull: str | None = Field(
        max_length=MAX_LENGTH, description="a cron expression, UTC; null: never"
    )


def whitelist_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    access = parts.access
    runs, of_platform = f"{API}/whitelist-runs", f"{API}/platforms/{{platform}}"

    async def listing(call: Call[RunListing, NoBody]) -> Page[WhitelistRunItem]:
        return await list_runs(WhitelistAdmin(access.database), call.given)

    async def show_run(call: Call[RunGiven, NoBody]) -> WhitelistRunItem:
        return await whitelist.show(access, call.given.run)

    async def schedules(call: Call[ScheduleListing, NoBody]) -> Page[WhitelistScheduleItem]:
        return await list_schedules(parts, call.given)

    async def confirm(call: Call[RunGiven, NoBody]) -> WhitelistRunItem:
        return await whitelist.confirm(access, call.given.run)

    async def discard(call: Call[RunGiven, NoBody]) -> WhitelistRunItem:
        return await whitelist.discard(access, call.given.run)

    async def pull(call: Call[PlatformGiven, PullBody]) -> WhitelistRunItem:
        platform_id = PlatformId(call.given.platform)
        return await whitelist.pull(access, platform_id, full=call.body.full)

    async def show(call: Call[PlatformGiven, NoBody]) -> WhitelistScheduleItem:
        return await whitelist.show_schedule(access, PlatformId(call.given.platform))

    async def schedule(call: Call[PlatformGiven, ScheduleBody]) -> WhitelistScheduleItem:
        platform_id = PlatformId(call.given.platform)
        return await whitelist.set_schedule(access, platform_id, call.body.pull)

    async def ages(call: Call[AgeListing, NoBody]) -> Page[WhitelistAgeItem]:
        return await list_ages(parts, call.given)

    read, operate, admin = Scope.READ, Scope.OPERATE, Scope.ADMIN
    item, when = WhitelistRunItem, WhitelistScheduleItem
    return (
        Route("GET", runs, read, "Readings of token lists, newest first",
              RunListing, NoBody, Page[WhitelistRunItem], listing),
        Route("GET", f"{runs}/{{run}}", read, "One reading of a token list",
              RunGiven, NoBody, item, show_run),
        Route("GET", f"{API}/whitelist-schedules", read,
              "When token lists are read, of platforms that have one or a schedule",
              ScheduleListing, NoBody, Page[WhitelistScheduleItem], schedules),
        Route("GET", f"{API}/whitelist-ages", read,
              "How old what is known of eMSPs' tokens is, by relation",
              AgeListing, NoBody, Page[WhitelistAgeItem], ages),
        Route("POST", f"{runs}/{{run}}/confirm", operate,
              "Withdraw what the list of a held run lacks", RunGiven, NoBody, item, confirm),
        Route("POST", f"{runs}/{{run}}/discard", operate,
              "Let stand what the list of a held run lacks, or stop a run",
              RunGiven, NoBody, item, discard),
        Route("POST", f"{of_platform}/whitelist-runs", operate, "Read its token list now",
              PlatformGiven, PullBody, item, pull, http_status=201),
        Route("GET", f"{of_platform}/whitelist-schedule", read, "When its token list is read",
              PlatformGiven, NoBody, when, show),
        Route("PUT", f"{of_platform}/whitelist-schedule", admin, "Say when its token list is read",
              PlatformGiven, ScheduleBody, when, schedule),
    )  # fmt: skip


async def list_runs(admin: WhitelistAdmin, given: RunListing) -> Page[WhitelistRunItem]:
    """Those that match, newest first."""
    place = given.place(KIND, int)
    found = await admin.list(
        PlatformId(given.platform) if given.platform else None,
        given.limit + 1,
        state=given.state,
        before=RunId(int(place[0])) if place else None,
    )
    return page_of(found, given.limit, run_item, lambda last: cursor_text(KIND, last.run_id))


async def list_schedules(
    parts: AdminParts,
    given: ScheduleListing,
    sees: Callable[[WhitelistScheduleItem], bool] = lambda _: True,
) -> Page[WhitelistScheduleItem]:
    """Of platforms that have a token list or a schedule, by platform.

    Args:
        sees: whether whoever asks may see it.
    """
    place = given.place(SCHEDULES, str)
    known = {
        each.platform_id: each for each in await WhitelistAdmin(parts.access.database).schedules()
    }
    found = [
        item
        for platform_id, platform in sorted(parts.directory().platforms.items())
        if (serves_tokens(platform) or platform_id in known)
        and given.platform in (None, platform_id)
        and (place is None or platform_id > str(place[0]))
        and sees(item := schedule_item(platform_id, known.get(platform_id)))
    ]
    return page_of(
        found, given.limit, lambda item: item, lambda last: cursor_text(SCHEDULES, last.platform)
    )


async def list_ages(
    parts: AdminParts, given: AgeListing, sees: Callable[[WhitelistAgeItem], bool] = lambda _: True
) -> Page[WhitelistAgeItem]:
    """Those that match, by CPO and eMSP.

    Args:
        sees: whether whoever asks may see it.
    """
    place = given.place(AGES, str, str)
    found = sorted(
        (
            item
            for item in await whitelist.ages(parts.access, parts.directory())
            if (place is None or (item.cpo, item.emsp) > place)
            and (given.cpo is None or item.cpo == str(given.cpo))
            and (given.emsp is None or item.emsp == str(given.emsp))
            and given.freshness in (None, item.freshness)
            and sees(item)
        ),
        key=lambda item: (item.cpo, item.emsp),
    )
    return page_of(
        found, given.limit, lambda item: item, lambda last: cursor_text(AGES, last.cpo, last.emsp)
    )
