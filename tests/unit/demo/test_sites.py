"""The sites and their Locations: where they say they are, and built like real ones."""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from ocpi_hub.demo.chance import SEED
from ocpi_hub.demo.countries import COUNTRIES
from ocpi_hub.demo.locations import location_object, patch_status, put_location, sites_of
from ocpi_hub.demo.parties import ALL_CPOS, CPOS, FJORDLADE, LAADOEVER, STROMWEIDE
from ocpi_hub.demo.sites import EVSES, SITES, Power, evses_of, make_sites
from ocpi_hub.demo.towns import TOWNS
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.common import PowerType
from ocpi_hub.ocpi.v2_2_1.locations import Location, Status

MOMENT = "2026-06-01T00:00:00.000Z"

BOUNDS = {  # latitude and longitude, west to east
    "DE": ((47.2, 55.1), (5.8, 15.1)),
    "AT": ((46.3, 49.1), (9.5, 17.2)),
    "FR": ((42.3, 51.1), (-4.8, 8.3)),
    "NL": ((50.7, 53.6), (3.3, 7.3)),
    "BE": ((49.4, 51.6), (2.5, 6.5)),
    "PT": ((36.9, 42.2), (-9.6, -6.1)),
    "DK": ((54.5, 57.8), (8.0, 12.7)),
}
CAPITALS = {
    "DE": "Europe/Berlin",
    "AT": "Europe/Vienna",
    "FR": "Europe/Paris",
    "NL": "Europe/Amsterdam",
    "BE": "Europe/Brussels",
    "PT": "Europe/Lisbon",
    "DK": "Europe/Copenhagen",
}


def test_there_are_two_hundred_sites_of_two_cpos_and_a_few_of_another() -> None:
    assert len(SITES) == 208
    assert {site.country for site in SITES} == set(COUNTRIES)
    assert sorted(len(sites_of(cpo)) for cpo in ALL_CPOS) == [8, 88, 112]
    assert len({site.location_id for site in SITES}) == len(SITES)


def test_towns_are_named_once() -> None:
    assert len({(town.country, town.name) for town in TOWNS}) == len(TOWNS) == 104


def test_sites_lie_where_they_say() -> None:
    for site in SITES:
        latitudes, longitudes = BOUNDS[site.country.alpha2]
        assert latitudes[0] < float(site.latitude) < latitudes[1], site.town.name
        assert longitudes[0] < float(site.longitude) < longitudes[1], site.town.name
        assert abs(float(site.latitude) - site.town.latitude) < 0.005
        assert abs(float(site.longitude) - site.town.longitude) < 0.005


def test_time_zones_are_those_of_the_countries() -> None:
    for country in COUNTRIES:
        assert country.time_zone == CAPITALS[country.alpha2]
        assert ZoneInfo(country.time_zone).key == country.time_zone


def test_the_same_seed_gives_the_same_sites() -> None:
    assert make_sites() == SITES
    assert make_sites(SEED + 1) != SITES


def test_every_cpo_has_charging_points_of_every_class() -> None:
    assert len({evse.uid for evse in EVSES}) == len(EVSES)
    assert sum(len(evses_of(cpo)) for cpo in ALL_CPOS) == len(EVSES)
    for cpo in CPOS:
        assert {evse.power for evse in evses_of(cpo)} == set(Power)


@pytest.mark.parametrize("cpo", CPOS, ids=lambda cpo: cpo.name)
def test_charging_points_are_named_after_country_and_operator(cpo: object) -> None:
    for evse in EVSES:
        if evse.site.operator is cpo:
            country = evse.site.country
            assert evse.evse_id.startswith(f"{country.alpha2}*{country.operator.party.party_id}*E")
            assert "*" not in evse.uid


@pytest.mark.parametrize("power", Power, ids=lambda power: power.name)
def test_plugs_can_carry_what_their_class_promises(power: Power) -> None:
    for plug in power.plugs:
        phases = 3 if plug.power_type is PowerType.AC_3_PHASE else 1
        assert plug.watts <= phases * plug.volts * plug.amperes
        assert abs(plug.watts - power.value * 1000) < 0.01 * plug.watts
        assert (plug.power_type is PowerType.DC) == power.is_dc
    standards = [plug.standard for plug in power.plugs]
    assert len(set(standards)) == len(standards)


def test_locations_are_valid_without_findings() -> None:
    for site in SITES:
        parsed = parse_object(dump(location_object(site, MOMENT)), Location, max_depth=20)
        assert parsed.findings == ()
        assert parsed.value.party == site.operator.party
        assert len(parsed.value.evses) == len(site.kind.powers)
        assert {evse.status for evse in parsed.value.evses} == {Status.AVAILABLE}


def test_pushes_name_their_object_and_change_it_at_home_too() -> None:
    evse = evses_of(LAADOEVER)[0]
    put, patch = put_location(evse.site, MOMENT), patch_status(evse, Status.CHARGING, MOMENT)
    assert put["path"] == f"NL/LDO/{evse.site.location_id}"
    assert patch["path"] == f"NL/LDO/{evse.site.location_id}/{evse.uid}"
    assert patch["body"] == {"status": "CHARGING", "last_updated": MOMENT}
    assert put["own"] is patch["own"] is True
    assert {put["to"], patch["to"]} == {"EU*HUB"}


def test_cpos_run_the_countries_that_are_theirs() -> None:
    found = Counter((site.operator, site.country.alpha2) for site in SITES)
    assert {country for cpo, country in found if cpo is STROMWEIDE} == {"DE", "AT", "FR"}
    assert {country for cpo, country in found if cpo is LAADOEVER} == {"NL", "BE", "PT"}
    assert {country for cpo, country in found if cpo is FJORDLADE} == {"DK"}
