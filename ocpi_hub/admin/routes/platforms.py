"""Platforms: list, show, set, suspend, resume, remove."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from ocpi_hub.admin.actions import platforms
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
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.platforms import (
    PlatformDetails,
    PlatformItem,
    PlatformRemoved,
    platform_item,
)
from ocpi_hub.admin.views.quality import QualityItem, quality_item
from ocpi_hub.domain.party import PlatformId, PlatformState, Quirk
from ocpi_hub.routing.custom import custom_module

KIND = "platforms"
NAME_LENGTH = 100

CustomModule = Annotated[str, AfterValidator(custom_module)]


class PlatformGiven(Given):
    platform: Text = Field(description="its id, for instance p-3f9a1c02")


class RemoveGiven(PlatformGiven):
    force: bool = Field(False, description="even with objects in custody")


class PlatformListing(Listing):
    state: PlatformState | None = None
    party: Party | None = Field(None, description="only the platform that hosts it")


class PlatformSettings(Body):
    """What is not given stays as it is."""

    name: str | None = None
    quirks: dict[Quirk, bool] = Field(default_factory=dict, description="on or off")
    page_limit: int | None = Field(
        None, ge=0, le=2**31 - 1, description="objects on a page; 0: the hub's own"
    )
    catch_up: Literal["push", "pull", "none"] | None = None
    allow_parties: tuple[Party, ...] = Field(
        (), description="parties it may claim although the hub knows them already"
    )
    custom_modules: dict[CustomModule, bool] = Field(
        default_factory=dict, description="modules outside the specification's: agreed on, or not"
    )

    @field_validator("name")
    @classmethod
    def _name_is_printable(cls, value: str | None) -> str | None:
        return checked_name(value) if value is not None else None

    @model_validator(mode="after")
    def _something_is_set(self) -> PlatformSettings:
        given = self.name or self.quirks or self.allow_parties or self.custom_modules
        if not given and self.page_limit is None and self.catch_up is None:
            raise ValueError(f"set one of: {', '.join(type(self).model_fields)}")
        return self

    @property
    def change(self) -> platforms.PlatformChange:
        return platforms.PlatformChange(
            name=self.name,
            quirks=self.quirks,
            page_limit=self.page_limit,
            catch_up=self.catch_up,
            permit=self.allow_parties,
            custom_modules=self.custom_modules,
        )


def checked_name(value: str) -> str:
    """A platform's name.

    Raises:
        ValueError: it is none.
    """
    name = value.strip()
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise ValueError(f"a name has 1 to {NAME_LENGTH} printable characters")
    return name


def platform_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    access = parts.access
    one = f"{API}/platforms/{{platform}}"

    async def listing(call: Call[PlatformListing, NoBody]) -> Page[PlatformItem]:
        return list_platforms(parts, call.given)

    async def show(call: Call[PlatformGiven, NoBody]) -> PlatformDetails:
        return await platforms.show(access, PlatformId(call.given.platform))

    async def configure(call: Call[PlatformGiven, PlatformSettings]) -> PlatformItem:
        platform_id = PlatformId(call.given.platform)
        return await platforms.configure(access, platform_id, call.body.change)

    async def suspend(call: Call[PlatformGiven, NoBody]) -> PlatformItem:
        return await platforms.suspend(access, PlatformId(call.given.platform))

    async def resume(call: Call[PlatformGiven, NoBody]) -> PlatformItem:
        return await platforms.resume(access, PlatformId(call.given.platform))

    async def remove(call: Call[RemoveGiven, NoBody]) -> PlatformRemoved:
        platform_id = PlatformId(call.given.platform)
        return await platforms.remove(access, platform_id, force=call.given.force)

    async def quality(call: Call[PlatformGiven, NoBody]) -> Page[QualityItem]:
        rows = await parts.quality.list(PlatformId(call.given.platform))
        return Page(items=tuple(map(quality_item, rows)), next=None)

    async def every_quality(call: Call[Given, NoBody]) -> Page[QualityItem]:
        return Page(items=tuple(map(quality_item, await parts.quality.list())), next=None)

    read, operate, admin = Scope.READ, Scope.OPERATE, Scope.ADMIN
    given, item = PlatformGiven, PlatformItem
    return (
        Route("GET", f"{API}/platforms", read, "All platforms with their parties, by id",
              PlatformListing, NoBody, Page[PlatformItem], listing),
        Route("GET", one, read, "One platform in detail; never its tokens",
              given, NoBody, PlatformDetails, show),
        Route("GET", f"{one}/quality", read,
              "Mild faults in what it sends, by module and rule; all of them",
              given, NoBody, Page[QualityItem], quality),
        Route("GET", f"{API}/quality", read,
              "The same of all platforms, by platform, module and rule",
              Given, NoBody, Page[QualityItem], every_quality),
        Route("PATCH", one, admin, "Change how the hub treats a platform",
              given, PlatformSettings, item, configure),
        Route("POST", f"{one}/suspend", operate, "Stop all traffic of a platform",
              given, NoBody, item, suspend),
        Route("POST", f"{one}/resume", operate, "Undo suspend", given, NoBody, item, resume),
        Route("DELETE", one, admin, "Delete a platform and the relations of its parties",
              RemoveGiven, NoBody, PlatformRemoved, remove),
    )  # fmt: skip


def list_platforms(parts: AdminParts, given: PlatformListing) -> Page[PlatformItem]:
    """Those that match, in order of their ids."""
    place = given.place(KIND, str)
    directory = parts.directory()
    found = [
        platform
        for platform_id, platform in sorted(directory.platforms.items())
        if (place is None or platform_id > str(place[0]))
        and given.state in (None, platform.state)
        and (given.party is None or directory.platform_of(given.party) is platform)
    ]
    return page_of(
        found, given.limit, platform_item, lambda last: cursor_text(KIND, last.platform_id)
    )
