"""Many Locations in a database, made there, and the figures of a map that shows them."""

from __future__ import annotations

from ocpi_hub.store.database import Database
from tests.support.stores import execute

_LOCATIONS = """
insert into shared_object (module, country_code, party_id, object_id, position, body, last_updated,
    origin, correlation_id)
select 'locations', $1, $2, 'LOC' || n, nextval('shared_object_position'),
    json_build_object('country_code', $1::text, 'party_id', $2::text, 'id', 'loc' || n,
        'publish', n % 10 <> 0, 'name', 'Place ' || n, 'address', 'Street ' || n, 'city', 'Town',
        'country', 'NLD',
        'coordinates', json_build_object(
            'latitude', round((47 + (n * 7919 % 20000) / 2500.0)::numeric, 6)::text,
            'longitude', round((2 + (n * 104729 % 20000) / 1600.0)::numeric, 6)::text),
        'evses', json_build_array(
            json_build_object('uid', 'E1', 'evse_id', 'NL*CPO*E' || n,
                'status', (array['AVAILABLE', 'CHARGING', 'OUTOFORDER', 'UNKNOWN'])[1 + n % 4],
                'connectors', json_build_array(json_build_object('id', '1',
                    'standard', 'IEC_62196_T2',
                    'power_type', 'AC_3_PHASE', 'max_electric_power', 11000,
                    'tariff_ids', json_build_array('T1', 'T2'),
                    'last_updated', '2026-01-01T00:00:00Z')),
                'last_updated', '2026-01-01T00:00:00Z'),
            json_build_object('uid', 'E2', 'status', 'REMOVED', 'connectors', json_build_array(),
                'last_updated', '2026-01-01T00:00:00Z')),
        'time_zone', 'Europe/Amsterdam', 'last_updated', '2026-01-01T00:00:00Z'),
    '2026-01-01T00:00:00Z', 'broadcast', 'made'
from generate_series($3::integer, $4::integer) n
"""


async def store_locations(database: Database, owner: str, number: int, *, first: int = 1) -> None:
    """Locations of an owner, each with one EVSE; of four that follow each other the first is in
    use, then out of order, unknown, available. Each tenth is not to be published."""
    country_code, _, party_id = owner.partition("*")
    await execute(database, _LOCATIONS, country_code, party_id, first, first + number - 1)
