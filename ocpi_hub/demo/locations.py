"""The sites as Locations: the OCPI objects that their CPOs push."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ocpi_hub.demo.parties import HUB, Company
from ocpi_hub.demo.prices import tariff_of
from ocpi_hub.demo.sites import EVSES, SITES, Evse, Plug, Site
from ocpi_hub.ocpi.v2_2_1.locations import Capability, Status


def sites_of(operator: Company) -> Sequence[Site]:
    return [site for site in SITES if site.operator == operator]


def location_object(site: Site, last_updated: str) -> dict[str, Any]:
    """The Location with its EVSEs, all of them free."""
    owner = site.operator.party
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": site.location_id,
        "publish": True,
        "name": site.name,
        "address": site.address,
        "city": site.town.name,
        "postal_code": site.town.postal_code,
        "country": site.country.alpha3,
        "coordinates": {"latitude": site.latitude, "longitude": site.longitude},
        "parking_type": site.kind.parking_type.value,
        "evses": [_evse_object(evse, last_updated) for evse in EVSES if evse.site == site],
        "operator": {"name": site.operator.name},
        "time_zone": site.country.time_zone,
        "opening_times": {"twentyfourseven": True},
        "last_updated": last_updated,
    }


def _evse_object(evse: Evse, last_updated: str) -> dict[str, Any]:
    tariff = tariff_of(evse.site.country, evse.power)
    return {
        "uid": evse.uid,
        "evse_id": evse.evse_id,
        "status": Status.AVAILABLE.value,
        "capabilities": [Capability.RFID_READER.value, Capability.REMOTE_START_STOP_CAPABLE.value],
        "connectors": [
            _connector_object(str(number), plug, tariff.tariff_id, last_updated)
            for number, plug in enumerate(evse.power.plugs, start=1)
        ],
        "last_updated": last_updated,
    }


def _connector_object(
    connector_id: str, plug: Plug, tariff_id: str, last_updated: str
) -> dict[str, Any]:
    return {
        "id": connector_id,
        "standard": plug.standard.value,
        "format": plug.format.value,
        "power_type": plug.power_type.value,
        "max_voltage": plug.volts,
        "max_amperage": plug.amperes,
        "max_electric_power": plug.watts,
        "tariff_ids": [tariff_id],
        "last_updated": last_updated,
    }


def put_location(site: Site, last_updated: str) -> dict[str, object]:
    """The PUT of a Location to everybody, which also makes it one of its CPO's own."""
    return _push("PUT", site, (), location_object(site, last_updated))


def patch_status(evse: Evse, status: Status, last_updated: str) -> dict[str, object]:
    """The PATCH of one EVSE for everybody, which changes it at its CPO first."""
    body = {"status": status.value, "last_updated": last_updated}
    return _push("PATCH", evse.site, (evse.uid,), body)


def _push(
    method: str, site: Site, children: Sequence[str], body: dict[str, Any]
) -> dict[str, object]:
    owner = site.operator.party
    ids = (owner.country_code, owner.party_id, site.location_id, *children)
    return {
        "method": method,
        "module": "locations",
        "role": "RECEIVER",
        "path": "/".join(ids),
        "body": body,
        "to": str(HUB),
        "own": True,
    }
