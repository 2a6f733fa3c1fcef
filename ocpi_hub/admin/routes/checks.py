"""The self-test of a platform."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from ocpi_hub.admin.actions import checks
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import API, AnyRoute, Body, Call, Route
from ocpi_hub.admin.routes.platforms import PlatformGiven
from ocpi_hub.admin.views.checks import CheckReportView, check_report
from ocpi_hub.checking.model import Limits
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import Overloaded

MOST_AT_ONCE: Final = 2
"""Checks of one process: each asks a partner hundreds of questions."""
LIMITS: Final = Limits(total_s=120.0)


class CheckAsked(Body):
    """How to check a platform."""

    write: bool = Field(
        False, description="also make the checks that send more than GET, and clean up after them"
    )


def check_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    running: set[PlatformId] = set()

    async def check(call: Call[PlatformGiven, CheckAsked]) -> CheckReportView:
        platform_id = PlatformId(call.given.platform)
        if platform_id in running or len(running) >= MOST_AT_ONCE:
            raise Overloaded("As many checks as may run at a time are running: try again shortly")
        running.add(platform_id)
        try:
            report = await checks.check_platform(
                parts.access, parts.clock, platform_id, write=call.body.write, limits=LIMITS
            )
        finally:
            running.discard(platform_id)
        return check_report(report)

    return (
        Route("POST", f"{API}/platforms/{{platform}}/check", Scope.OPERATE,
              "Check whether a platform speaks OCPI as it should; takes up to two minutes",
              PlatformGiven, CheckAsked, CheckReportView, check),
    )  # fmt: skip
