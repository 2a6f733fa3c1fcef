"""The story of a Location: EVSEs, connectors, tariffs, who has not got it yet, CDRs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ocpi_hub.admin.actions import locations
from ocpi_hub.admin.actions.locations import (
    MOST_CDRS,
    Eyes,
    LocationTold,
    named_tariffs,
    tariff_ids,
)
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.locations import EvseGroup, evse_group, evses_of
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, Number, url
from ocpi_hub.console.sight import sight_of
from ocpi_hub.console.stories import Block, Body, Facts, Grid, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit
from ocpi_hub.domain.objects import EVERYBODY
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.location_admin import (
    LocationAdmin,
    OwedPush,
    SeenObject,
)

ONE = "/locations/{owner}/{location}"
_MOST_WATTS = 1e12
_TONES: Mapping[EvseGroup, Tone] = {
    EvseGroup.AVAILABLE: Tone.GOOD,
    EvseGroup.IN_USE: Tone.NOTE,
    EvseGroup.OUT_OF_ORDER: Tone.BAD,
    EvseGroup.OTHER: Tone.WARN,
}


async def load(visit: Visit) -> LocationTold:
    """What the viewer may see of it."""
    viewer, directory = visit.viewer, visit.parts.admin.directory()
    try:
        owner = PartyId.parse(visit.place["owner"])
    except ValueError:
        raise NoSuchObject(t("base.no_such_page")) from None
    whole = viewer.sees_party(owner)
    eyes = Eyes(
        sight_of(viewer, directory, Module.LOCATIONS),
        sight_of(viewer, directory, Module.TARIFFS),
        lambda receiver: whole or viewer.sees_party(receiver),
        None if whole else sorted(viewer.parties),
    )
    store = LocationAdmin(visit.parts.admin.access.database)
    return await locations.tell(store, directory, eyes, owner, visit.place["location"])


async def tell(visit: Visit, told: LocationTold) -> Story:
    location, first = told.location, told.versions[0]
    name = str(location.get("name") or location.get("id") or first.object_id)
    blocks: list[Block] = [
        _facts(visit, told),
        Grid(
            t("locations.evses"),
            [t("locations.evse"), t.label("evse_id"), t.label("status"), t("locations.connector"),
             t("locations.power"), t("locations.tariffs_of"), t.label("last_updated")],
            [row for evse in evses_of(location) for row in _connectors(evse)],
            t("locations.no_evses"),
        ),
        Grid(
            t("locations.tariffs"),
            [t.label("id"), t.label("type"), t.label("currency"), t.label("last_updated")],
            [_tariff(each, told.tariffs.get(each)) for each in tariff_ids(location)],
            t("locations.no_tariffs"),
        ),
        Grid(
            t("locations.owed"),
            [t.label("receiver"), t("locations.evse"), t.label("attempts"), t.label("since"),
             t.label("next_attempt_at"), t.label("http"), t.label("ocpi"), t.label("message")],
            [_owed(push) for push in told.owed],
            t("locations.nothing_owed"),
        ),
        *(
            Body(_body_title(each), each.body)
            for each in told.versions
        ),
    ]  # fmt: skip
    return Story(
        name,
        blocks,
        state=_state(location),
        crumbs=[
            (t("locations.map_title"), url("locations")),
            (t("locations.title"), url("locations", "list", owner=str(first.owner))),
        ],
    )


def _sees(_viewer: Viewer, _told: LocationTold) -> bool:
    """It was loaded for this viewer: what is shown depends on relations."""
    return True


STORY = StoryPage(path=ONE, load=load, tell=tell, sees=_sees)


def _body_title(version: SeenObject) -> str:
    title = t("locations.body")
    return title if version.audience == EVERYBODY else f"{title}: {version.audience}"


def _facts(visit: Visit, told: LocationTold) -> Facts:
    location, first = told.location, told.versions[0]
    place = location.get("coordinates") or {}
    parts = (location.get(name) for name in ("address", "postal_code", "city", "country"))
    platform = visit.parts.admin.directory().platform_of(first.owner)
    owner: Cell = Code(str(first.owner))
    if platform is not None and visit.viewer.sees_platform(platform.platform_id):
        owner = Link(str(first.owner), url("platforms", platform.platform_id))
    number, last = told.cdrs
    rows: list[tuple[str, Cell]] = [
        (t.label("id"), Code(str(location.get("id") or first.object_id))),
        (t("locations.owner"), owner),
        (t.label("address"), ", ".join(str(part) for part in parts if part)),
        (t("locations.position"), f"{place.get('latitude')}, {place.get('longitude')}"),
        (t("locations.published"), location.get("publish") is not False),
        (t("locations.time_zone"), str(location.get("time_zone") or "")),
        (t.label("last_updated"), At(first.last_updated)),
        (t("locations.changed_at"), At(first.changed_at)),
        (t("locations.cdrs"), t("locations.cdrs_most") if number >= MOST_CDRS else Number(number)),
        (t("locations.last_cdr"), At(last)),
        (t("locations.behind"), [Code(str(receiver)) for receiver in told.behind]),
    ]
    if not visit.viewer.is_partner:
        link = Link(first.correlation_id, url("messages", first.correlation_id))
        rows.append((t("locations.message"), link))
    return Facts(t("locations.facts"), rows)


def _state(location: Mapping[str, Any]) -> Cell:
    groups = [evse_group(evse.get("status")) for evse in evses_of(location)]
    return [
        Chip(f"{groups.count(group)} {t(f'locations.{group}')}", _TONES[group])
        for group in EvseGroup
        if group in groups
    ]


def _connectors(evse: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    """A row for each connector; the first says the EVSE."""
    status = str(evse.get("status"))
    head: tuple[Cell, ...] = (
        Code(str(evse.get("uid"))),
        Code(evse.get("evse_id")),
        Chip(status, _TONES[evse_group(status)]),
    )
    connectors = [each for each in evse.get("connectors") or () if isinstance(each, dict)]
    for connector in connectors or [{}]:
        power = connector.get("max_electric_power")
        names = (connector.get("id"), connector.get("standard"), connector.get("power_type"))
        yield (
            *head,
            " ".join(str(name) for name in names if name),
            Number(_kw(power), 1, "kW"),
            [Code(each) for each in named_tariffs(connector)],
            At(connector.get("last_updated") or evse.get("last_updated")),
        )
        head = (Code(str(evse.get("uid"))), None, None)


def _kw(watts: object) -> float | None:
    """None: it is no number, or none that makes sense."""
    if not isinstance(watts, int | float) or not abs(watts) < _MOST_WATTS:
        return None
    return watts / 1000


def _tariff(tariff_id: str, tariff: Mapping[str, Any] | None) -> Sequence[Cell]:
    if tariff is None:
        return (Code(tariff_id), Chip(t("locations.tariff_unknown"), Tone.WARN), None, None)
    kind, currency = tariff.get("type"), tariff.get("currency")
    return (Code(tariff_id), kind, currency, At(tariff.get("last_updated")))


def _owed(push: OwedPush) -> Sequence[Cell]:
    answer = push.answer
    return (
        Code(str(push.receiver)),
        Code(push.evse_uid) if push.evse_uid else t("locations.whole"),
        Number(push.attempts),
        At(push.since),
        At(push.next_attempt_at) if push.next_attempt_at else t("locations.when_it_changes"),
        answer.http if answer else None,
        answer.ocpi if answer else None,
        answer.message if answer else None,
    )
