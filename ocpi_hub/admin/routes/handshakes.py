"""Steps of handshakes: those of a platform, and attempts that have led to none."""

from __future__ import annotations

import uuid

from ocpi_hub.admin.actions.platforms import find_platform
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import API, AnyRoute, Call, Given, NoBody, Route
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.routes.platforms import PlatformGiven
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.handshakes import HandshakeStepItem, handshake_step
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.handshake_steps import MOST, MOST_OF_NOBODY, PostgresSteps


class AttemptGiven(Given):
    attempt: uuid.UUID


def handshake_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    access, steps = parts.access, PostgresSteps(parts.access.database)

    async def of_platform(call: Call[PlatformGiven, NoBody]) -> Page[HandshakeStepItem]:
        platform_id = PlatformId(call.given.platform)
        find_platform(await access.load(), platform_id)
        found = await steps.of_platform(platform_id, MOST)
        return Page(items=tuple(map(handshake_step, found)), next=None)

    async def without_platform(call: Call[NoParameters, NoBody]) -> Page[HandshakeStepItem]:
        found = await steps.without_platform(MOST_OF_NOBODY)
        return Page(items=tuple(map(handshake_step, found)), next=None)

    async def of_attempt(call: Call[AttemptGiven, NoBody]) -> Page[HandshakeStepItem]:
        attempt = call.given.attempt
        found = await steps.of_attempt(attempt, MOST)
        if not found:
            raise NoSuchObject(f"no step of an attempt {attempt} is kept")
        return Page(items=tuple(map(handshake_step, found)), next=None)

    return (
        Route("GET", f"{API}/platforms/{{platform}}/handshake", Scope.READ,
              "Steps of its handshakes in order, the newest 100",
              PlatformGiven, NoBody, Page[HandshakeStepItem], of_platform),
        Route("GET", f"{API}/handshakes", Scope.READ,
              "Attempts that have led to no platform: the last step of each, newest first",
              NoParameters, NoBody, Page[HandshakeStepItem], without_platform),
        Route("GET", f"{API}/handshakes/{{attempt}}", Scope.READ,
              "All steps of one attempt, in order",
              AttemptGiven, NoBody, Page[HandshakeStepItem], of_attempt),
    )  # fmt: skip
