"""The self-test of a partner: made while one waits, or begun and looked at later."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydantic import Field, SecretStr

from ocpi_hub.admin.acting import who_acts
from ocpi_hub.admin.actions import check_runs, checks
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import API, AnyRoute, Body, Call, NoBody, Party, Route
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.routes.platforms import PlatformGiven
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.checks import (
    CheckReportView,
    CheckRunDetails,
    CheckRunItem,
    check_report,
    check_run,
    check_run_details,
)
from ocpi_hub.checking.model import Limits
from ocpi_hub.domain.party import CredentialsToken, PlatformId
from ocpi_hub.errors import Overloaded

MOST_AT_ONCE: Final = 2
"""Checks of one process: each asks a partner hundreds of questions."""
LIMITS: Final = Limits(total_s=120.0)


class CheckAsked(Body):
    """How to check a platform."""

    write: bool = Field(
        False, description="also make the checks that send more than GET, and clean up after them"
    )


class StrangerToCheck(CheckAsked):
    """Whoever answers at a URL; nothing of it is kept."""

    versions_url: str = Field(min_length=1, max_length=2000)
    token: SecretStr = Field(min_length=1, max_length=1000, description="the credentials token")
    sender: Party | None = Field(
        None, description="in whose name to ask; null: as a rule the hub's own party"
    )


class CheckRunGiven(PlatformGiven):
    run: uuid.UUID


class _Running:
    """The checks of this process that somebody waits for."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Raises: Overloaded: this one is running, or as many as may."""
        if name in self._names or len(self._names) >= MOST_AT_ONCE:
            raise Overloaded("As many checks as may run at a time are running: try again shortly")
        self._names.add(name)
        try:
            yield
        finally:
            self._names.discard(name)


def check_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    running, access, clock = _Running(), parts.access, parts.clock

    async def check(call: Call[PlatformGiven, CheckAsked]) -> CheckReportView:
        platform_id = PlatformId(call.given.platform)
        with running.one(platform_id):
            report = await checks.check_platform(
                access, clock, platform_id, write=call.body.write, limits=LIMITS
            )
        return check_report(report)

    async def check_stranger(call: Call[NoParameters, StrangerToCheck]) -> CheckReportView:
        body = call.body
        url = body.versions_url.strip()
        with running.one(url):
            report = await checks.check_url(
                access.settings,
                clock,
                url,
                CredentialsToken(body.token.get_secret_value().strip()),
                sender=body.sender,
                write=body.write,
                limits=LIMITS,
            )
        return check_report(report)

    async def begin(call: Call[PlatformGiven, CheckAsked]) -> CheckRunItem:
        platform_id, write = PlatformId(call.given.platform), call.body.write
        parts.errands.require_room()
        run_id = await check_runs.begin_check(access, platform_id, who_acts(), write=write)
        parts.errands.start(check_runs.carry_out(access, clock, run_id, platform_id, write=write))
        run, _ = await check_runs.show_run(access, platform_id, run_id)
        return check_run(run)

    async def listing(call: Call[PlatformGiven, NoBody]) -> Page[CheckRunItem]:
        found = await check_runs.list_runs(access, PlatformId(call.given.platform))
        return Page(items=tuple(map(check_run, found)), next=None)

    async def show(call: Call[CheckRunGiven, NoBody]) -> CheckRunDetails:
        platform_id = PlatformId(call.given.platform)
        return check_run_details(*await check_runs.show_run(access, platform_id, call.given.run))

    one = f"{API}/platforms/{{platform}}"
    return (
        Route("POST", f"{one}/check", Scope.OPERATE,
              "Check whether a platform speaks OCPI as it should; takes up to two minutes",
              PlatformGiven, CheckAsked, CheckReportView, check),
        Route("POST", f"{API}/checks", Scope.ADMIN,
              "Check whoever answers at a versions URL; takes up to two minutes",
              NoParameters, StrangerToCheck, CheckReportView, check_stranger),
        Route("POST", f"{one}/checks", Scope.OPERATE,
              "Begin a check of a platform that goes on by itself, and is kept",
              PlatformGiven, CheckAsked, CheckRunItem, begin, 202),
        Route("GET", f"{one}/checks", Scope.READ, "The newest kept checks of a platform",
              PlatformGiven, NoBody, Page[CheckRunItem], listing),
        Route("GET", f"{one}/checks/{{run}}", Scope.READ,
              "How far a kept check is, and its report",
              CheckRunGiven, NoBody, CheckRunDetails, show),
    )  # fmt: skip
