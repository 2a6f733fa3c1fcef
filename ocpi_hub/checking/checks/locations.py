"""Locations, EVSEs and connectors beyond their fields: what they mean, and how they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from zoneinfo import ZoneInfo

from ocpi_hub.checking.checks.objects import each_object
from ocpi_hub.checking.checks.windows import updated
from ocpi_hub.checking.conversation import Seen
from ocpi_hub.checking.model import Check, Notes, NotPermitted, Severity, Skip
from ocpi_hub.checking.partner import RECEIVER, SENDER, Partner
from ocpi_hub.checking.reading import Object
from ocpi_hub.domain.party import Module

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

UNKNOWN = "check-unknown-0000"
_MOST_VOLTS = 2000
_MOST_AMPERES = 5000
_LOCATION = 2003


def parts(item: Object, name: str) -> list[Object]:
    """The objects in a list of an object."""
    listed = item.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _zone(item: Object) -> Iterable[str]:
    name = item.get("time_zone")
    if not isinstance(name, str):
        return
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        yield f"{name[:40]} is no IANA time zone"


def _place(item: Object) -> Iterable[str]:
    for thing in (item, *parts(item, "evses")):
        place = thing.get("coordinates")
        if not isinstance(place, dict):
            continue
        try:
            latitude, longitude = (Decimal(str(place[n])) for n in ("latitude", "longitude"))
        except (KeyError, ArithmeticError):
            continue
        if abs(latitude) > 90 or abs(longitude) > 180:
            yield "coordinates are not on Earth: are latitude and longitude swapped?"
        elif latitude == longitude == 0:
            yield "coordinates are 0, 0: in the sea off Africa"


def _evses(item: Object) -> Iterable[str]:
    if not parts(item, "evses"):
        yield "has no EVSE: receivers take it as expired"


def _older_than_parts(item: Object) -> Iterable[str]:
    for evse in parts(item, "evses"):
        for inner, outer, what in (
            (evse, item, "Location"),
            *((connector, evse, "EVSE") for connector in parts(evse, "connectors")),
        ):
            changed, known = updated(inner), updated(outer)
            if changed is not None and known is not None and changed > known:
                yield f"the {what} was changed before a part of it: last_updated must follow"
                return


def _power(item: Object) -> Iterable[str]:
    for evse in parts(item, "evses"):
        for connector in parts(evse, "connectors"):
            volts, amperes = connector.get("max_voltage"), connector.get("max_amperage")
            if not isinstance(volts, int) or not isinstance(amperes, int):
                continue
            if not 0 < volts <= _MOST_VOLTS or not 0 < amperes <= _MOST_AMPERES:
                yield f"a connector with {volts} V and {amperes} A"
            watts = connector.get("max_electric_power")
            if isinstance(watts, int) and 0 < watts < 1000:
                yield f"a connector with {watts} W: max_electric_power is in watts"


async def evse_ids_differ(partner: Partner, notes: Notes) -> None:
    crawl = await partner.crawl(Module.LOCATIONS)
    evses = [evse for item in crawl.items for evse in parts(item, "evses")]
    if not evses:
        raise Skip("there are no EVSEs")
    notes.saw(crawl.pages[0])
    plain = [
        str(evse["evse_id"]).replace("*", "").upper()
        for evse in evses
        if isinstance(evse.get("evse_id"), str) and evse.get("status") != "REMOVED"
    ]
    for name, times in Counter(plain).items():
        if times > 1 and name != "#NA":
            notes.fault(f"{name[:48]} names {times} EVSEs", crawl.pages[0])


async def tariffs_exist(partner: Partner, notes: Notes) -> None:
    locations = await partner.crawl(Module.LOCATIONS)
    tariffs = await partner.crawl(Module.TARIFFS)
    if not tariffs.complete:
        raise Skip("not all tariffs were read")
    notes.saw(locations.pages[0], tariffs.pages[0])
    known = {_owned_name(item, str(item.get("id"))) for item in tariffs.items}
    missing: set[str] = set()
    for item in locations.items:
        for evse in parts(item, "evses"):
            for connector in parts(evse, "connectors"):
                named = connector.get("tariff_ids")
                for each in named if isinstance(named, list) else ():
                    if _owned_name(item, str(each)) not in known:
                        missing.add(str(each)[:36])
    for each in sorted(missing):
        notes.fault(f"connectors name the tariff {each}, which is not listed", locations.pages[0])


def _owned_name(item: Object, identifier: str) -> tuple[str, ...]:
    owner = (str(item.get("country_code")), str(item.get("party_id")))
    return tuple(part.casefold() for part in (*owner, identifier))


async def _first(partner: Partner) -> Object:
    """A Location to be read by itself.

    Raises:
        Skip: there is none, or a hub would not know whose it is.
    """
    listing = await partner.listing(Module.LOCATIONS)
    if await partner.is_hub():
        raise Skip("a hub needs to know whose Location it is")
    if not listing.items:
        raise Skip("the list of locations is empty")
    return listing.items[0]


async def one_location(partner: Partner, notes: Notes) -> None:
    item = await _first(partner)
    seen = await partner.ask(Module.LOCATIONS, SENDER, str(item.get("id")))
    _same(seen, item, "id", notes)


async def one_evse(partner: Partner, notes: Notes) -> None:
    item = await _first(partner)
    evse = next(iter(parts(item, "evses")), None)
    if evse is None:
        raise Skip("the first Location has no EVSE")
    path = (str(item.get("id")), str(evse.get("uid")))
    _same(await partner.ask(Module.LOCATIONS, SENDER, *path), evse, "uid", notes)


async def one_connector(partner: Partner, notes: Notes) -> None:
    item = await _first(partner)
    for evse in parts(item, "evses")[:1]:
        for connector in parts(evse, "connectors")[:1]:
            path = (str(item.get("id")), str(evse.get("uid")), str(connector.get("id")))
            seen = await partner.ask(Module.LOCATIONS, SENDER, *path)
            _same(seen, connector, "id", notes)
            return
    raise Skip("the first Location has no connector")


def _same(seen: Seen, item: Object, key: str, notes: Notes) -> None:
    notes.saw(seen)
    data = seen.data if isinstance(seen.data, dict) else {}
    if not seen.succeeded:
        notes.fault(f"answered with {seen.outcome}", seen)
    elif str(data.get(key)).casefold() != str(item.get(key)).casefold():
        notes.fault("another object than the list has", seen)
    elif updated(data) != updated(item):
        notes.remark("it has changed meanwhile")


async def unknown_location(partner: Partner, notes: Notes) -> None:
    seen = await partner.ask(Module.LOCATIONS, SENDER, UNKNOWN)
    notes.saw(seen)
    hub_cannot_tell = await partner.is_hub() and seen.code is not None and seen.code >= 4000
    if seen.http != 404 and not hub_cannot_tell:
        notes.fault(f"expected HTTP 404, got {seen.outcome}", seen)


async def unknown_location_code(partner: Partner, notes: Notes) -> None:
    seen = await partner.ask(Module.LOCATIONS, SENDER, UNKNOWN)
    if seen.http != 404:
        raise Skip(f"an unknown Location is answered with {seen.outcome}")
    if seen.code is None:
        raise Skip("the 404 has no envelope")
    notes.saw(seen)
    if seen.code != _LOCATION:
        notes.fault(f"expected status_code {_LOCATION}, got {seen.code}", seen)


async def encoded_ids(partner: Partner, notes: Notes) -> None:
    for role, ahead in ((SENDER, ()), (RECEIVER, ("ZZ", "ZZZ"))):
        if (Module.LOCATIONS, role) in await partner.endpoints():
            with suppress(NotPermitted):
                seen = await partner.ask(Module.LOCATIONS, role, *ahead, "check/unknown #1*")
                notes.saw(seen)
                if seen.succeeded:
                    notes.fault("an id with a slash is taken for another one", seen)
    if not notes.seen:
        raise Skip("this party may not ask for locations")


CHECKS = (
    Check("locations.time_zone", "Time zones are in the IANA database", ("LO-10",), MUST,
          "Write names such as Europe/Berlin: tariffs and opening hours are local times.",
          each_object(Module.LOCATIONS, _zone)),
    Check("locations.coordinates", "Coordinates are plausible", ("LO-22",), SHOULD,
          "Correct the coordinates: navigation leads drivers there.",
          each_object(Module.LOCATIONS, _place)),
    Check("locations.evses", "Every Location has an EVSE", ("LO-07",), SHOULD,
          "Leave out Locations without EVSEs, or list EVSEs that are gone as REMOVED.",
          each_object(Module.LOCATIONS, _evses)),
    Check("locations.last_updated", "A change of a part moves last_updated", ("LO-05",), SHOULD,
          "When an EVSE or connector changes, set last_updated of what it belongs to, too: lists by"
          " date miss the change otherwise.", each_object(Module.LOCATIONS, _older_than_parts)),
    Check("locations.power", "Connectors have plausible figures", ("LO-16",), SHOULD,
          "Write volts, amperes and watts as whole numbers, not kW.",
          each_object(Module.LOCATIONS, _power)),
    Check("locations.evse_ids", "An evse_id names one EVSE", ("LO-14",), SHOULD,
          "Give each EVSE an evse_id of its own: drivers start charging with it.",
          evse_ids_differ),
    Check("locations.tariffs", "Tariffs of connectors are listed", ("LO-17",), SHOULD,
          "List the tariffs that connectors name, or take the ids off: drivers see no price"
          " otherwise.", tariffs_exist),
    Check("locations.one", "A Location can be read by its id", ("LO-01",), MUST,
          "Answer GET {locations}/{location_id} with the object.", one_location),
    Check("locations.one_evse", "An EVSE can be read by its uid", ("LO-01",), MUST,
          "Answer GET {locations}/{location_id}/{evse_uid} with the EVSE.", one_evse),
    Check("locations.one_connector", "A connector can be read by its id", ("LO-01",), MUST,
          "Answer GET {locations}/{location_id}/{evse_uid}/{connector_id} with the connector.",
          one_connector),
    Check("locations.unknown", "An unknown Location is answered 404", ("ER-03",), MUST,
          "Answer 404 when there is no such Location.", unknown_location),
    Check("locations.unknown_code", "An unknown Location has the code 2003", ("ER-05",), SHOULD,
          "Send status_code 2003 with the 404.", unknown_location_code),
    Check("locations.encoding", "Ids are percent-decoded one by one", ("TF-39",), SHOULD,
          "Split the path before you decode its segments: ids may hold a slash.", encoded_ids),
)  # fmt: skip
