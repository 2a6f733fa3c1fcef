"""Lanes: how far behind receivers are, and what they did not take."""

from __future__ import annotations

import base64
from collections.abc import Callable

from pydantic import Field

from ocpi_hub.admin.actions import lanes
from ocpi_hub.admin.cursors import Place, cursor_text
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.lanes import lane_items
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
from ocpi_hub.admin.views.lanes import GapItem, GapsHastened, LaneItem, gap_item
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import ConfigError, NoSuchObject
from ocpi_hub.store.secret_key import Keyring

KIND = "lanes"
GAP_KIND = "gaps"


class LaneListing(Listing):
    receiver: Party | None = None
    module: Module | None = None
    behind: bool | None = Field(None, description="true: only those with a backlog or gaps")


class GapListing(Listing):
    receiver: Party
    module: Module


class LaneGiven(Given):
    receiver: Party
    module: Module


class GapNamed(Body):
    """An object, as the list of gaps names it."""

    owner: Party
    id: Text
    type: Text | None = Field(None, description="of a Token")
    audience: Text = EVERYBODY

    def key(self, module: Module) -> ObjectKey:
        return ObjectKey(module.value, self.owner, self.id, self.type or "", self.audience)


class GapsToHasten(Body):
    gap: GapNamed | None = Field(None, description="only this one; null: all of the lane")


def lane_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    async def listing(call: Call[LaneListing, NoBody]) -> Page[LaneItem]:
        return await list_lanes(parts, call.given)

    async def show(call: Call[LaneGiven, NoBody]) -> LaneItem:
        receiver, module = call.given.receiver, call.given.module
        wanted = LaneListing.model_validate({"receiver": str(receiver), "module": module})
        found = await list_lanes(parts, wanted)
        if not found.items:
            raise _no_lane(receiver, module)
        return found.items[0]

    async def gaps(call: Call[GapListing, NoBody]) -> Page[GapItem]:
        return await list_gaps(parts, call.given)

    async def hasten(call: Call[LaneGiven, GapsToHasten]) -> GapsHastened:
        given, gap = call.given, call.body.gap
        lane = LaneId(given.receiver, given.module.value)
        return await lanes.hasten(parts.access, lane, gap.key(given.module) if gap else None)

    return (
        Route("GET", f"{API}/lanes", Scope.READ,
              "Every receiver and module: backlog, age, gaps",
              LaneListing, NoBody, Page[LaneItem], listing),
        Route("GET", f"{API}/lanes/{{receiver}}/{{module}}", Scope.READ,
              "One receiver and module",
              LaneGiven, NoBody, LaneItem, show),
        Route("GET", f"{API}/lanes/{{receiver}}/{{module}}/gaps", Scope.READ,
              "Objects that a receiver did not take, with its last answer",
              GapListing, NoBody, Page[GapItem], gaps),
        Route("POST", f"{API}/lanes/{{receiver}}/{{module}}/hasten", Scope.OPERATE,
              "Try again now what a receiver did not take",
              LaneGiven, GapsToHasten, GapsHastened, hasten),
    )  # fmt: skip


async def list_lanes(
    parts: AdminParts, given: LaneListing, sees: Callable[[LaneItem], bool] = lambda _: True
) -> Page[LaneItem]:
    """Those that match, by receiver and module.

    Args:
        sees: whether whoever asks may see a lane.
    """
    place = given.place(KIND, str, str)
    directory = parts.directory()
    rows, past = await parts.lanes.lanes()
    found = [
        item
        for item in lane_items(rows, past, directory, parts.clock.now())
        if (place is None or (item.receiver, item.module) > place)
        and (given.receiver is None or item.receiver == str(given.receiver))
        and given.module in (None, item.module)
        and given.behind in (None, bool(item.backlog or item.gaps))
        and sees(item)
    ]
    found.sort(key=lambda item: (item.receiver, item.module))
    return page_of(
        found,
        given.limit,
        lambda item: item,
        lambda last: cursor_text(KIND, last.receiver, last.module),
    )


async def list_gaps(parts: AdminParts, given: GapListing) -> Page[GapItem]:
    """The gaps of a lane, by owner and object.

    Raises:
        NoSuchObject: there is no such lane.
    """
    place = given.place(GAP_KIND, str, str, str, str, str)
    keyring = parts.access.keyring
    after = _gap_place(place, given.module, keyring) if place is not None else None
    lane = LaneId(given.receiver, given.module.value)
    found = await parts.lanes.gaps(lane, after=after, limit=given.limit + 1)
    if found is None:
        raise _no_lane(given.receiver, given.module)
    return page_of(found, given.limit, gap_item, lambda last: _gap_cursor(last.key, keyring))


def _no_lane(receiver: PartyId, module: Module) -> NoSuchObject:
    return NoSuchObject(f"there is no lane {module} of {receiver}")


def _gap_cursor(key: ObjectKey, keyring: Keyring) -> str:
    """The id is sealed: that of a Token is its uid, which not everybody is shown."""
    owner = key.owner
    return cursor_text(
        GAP_KIND,
        owner.country_code,
        owner.party_id,
        base64.b64encode(keyring.seal(key.object_id, context=GAP_KIND)).decode(),
        key.object_type,
        key.audience,
    )


def _gap_place(place: Place, module: Module, keyring: Keyring) -> ObjectKey:
    """What `_gap_cursor` named.

    Raises:
        Refusal: it named nothing.
    """
    country_code, party_id, sealed, object_type, audience = map(str, place)
    try:
        object_id = keyring.open(base64.b64decode(sealed), context=GAP_KIND)
    except (ValueError, ConfigError):
        raise invalid("next", "is no `next` of this list: begin without one") from None
    owner = PartyId(country_code, party_id)
    return ObjectKey(module.value, owner, object_id, object_type, audience)
