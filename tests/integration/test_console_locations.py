"""Locations in the console: the map's points, the list, one Location; who sees which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.admin.keys import Scope
from ocpi_hub.store.database import Database
from ocpi_hub.store.location_admin import PART, SQL, LocationAdmin, Sight
from tests.support.console import Browser, ConsoleHub, console_hub
from tests.support.directory import insert_platform
from tests.support.locations import store_locations
from tests.support.stores import execute

R = AccountRole


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    await insert_platform(database, "p-3", roles=(("CPO", "FR*CPO"),))
    await insert_platform(database, "p-4", roles=(("NSP", "AT*NSP"),))
    await store_locations(database, "NL*CPO", 20)
    await store_locations(database, "FR*CPO", 10)
    async with console_hub(database, default_relation="realtime") as running:
        yield running


async def points(browser: Browser) -> list[list[Any]]:
    answer = await browser.get("/locations/points")
    assert answer.status_code == 200
    found: list[list[Any]] = answer.json()["points"]
    return found


async def relate(console: ConsoleHub, cpo: str, emsp: str, mode: str) -> None:
    """As an operator does it, until it is seen."""
    async with console.hub.client(await console.hub.make_key(Scope.ADMIN)) as client:
        answer = await client.patch(f"/admin/api/relations/{cpo}/{emsp}", json={"mode": mode})
        assert answer.status_code == 200, answer.text


async def test_points_tell_place_and_states_and_are_sent_once(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        found = await points(viewer)
        assert len(found) == 30
        assert found[0] == ["NL*CPO", "loc1", "Place 1", 50.1676, 4.95563, 0, 1, 0, 0]
        first = await viewer.get("/locations/points")
        assert first.headers["Content-Encoding"] == "gzip"
        etag = {"If-None-Match": first.headers["ETag"]}
        assert (await viewer.get("/locations/points", headers=etag)).status_code == 304
        await store_locations(console.hub.database, "NL*CPO", 1, first=21)
        assert (await viewer.get("/locations/points", headers=etag)).status_code == 200
        assert len(await points(viewer)) == 31


async def test_points_of_no_place_on_earth_are_left_out(console: ConsoleHub) -> None:
    database = console.hub.database
    for number, place in enumerate(("null", "7", '{"latitude": "x"}', '{"latitude": "95"}'), 1):
        body = "(body::jsonb || jsonb_build_object('coordinates', $2::jsonb))::json"
        sql = f"update shared_object set body = {body} where object_id = $1 and party_id = 'CPO'"  # noqa: S608  # fixed texts
        await execute(database, sql, f"LOC{number}", place)
    strange = '(body::jsonb || \'{"evses": [1, {"status": 5}, null]}\')::json'
    sql = f"update shared_object set body = {strange} where object_id = 'LOC9'"  # noqa: S608  # fixed texts
    await execute(database, sql)
    async with await console.logged_in(R.VIEWER) as viewer:
        found = await points(viewer)
        assert len(found) == 22
        assert [row[5:] for row in found if row[1] == "loc9"] == [[0, 0, 0, 3]] * 2
        assert (await viewer.get("/locations/NL*CPO/LOC9")).status_code == 200


async def test_partners_see_what_is_theirs_or_shown_to_them(console: ConsoleHub) -> None:
    await relate(console, "FR*CPO", "DE*MSP", "none")
    async with (
        await console.logged_in(R.PARTNER, "p-1", "cpo") as cpo,
        await console.logged_in(R.PARTNER, "p-2", "emsp") as emsp,
        await console.logged_in(R.PARTNER, "p-4", "nsp") as nsp,
    ):
        assert {row[0] for row in await points(cpo)} == {"NL*CPO"}
        assert {row[0] for row in await points(emsp)} == {"NL*CPO"}
        # What is not to be published is for those who serve token holders.
        assert len(await points(emsp)) == 20
        assert len([row for row in await points(nsp) if row[0] == "NL*CPO"]) == 18
        for browser, hidden in ((cpo, "FR*CPO/loc1"), (emsp, "FR*CPO/loc1"), (nsp, "NL*CPO/loc10")):
            assert (await browser.get(f"/locations/{hidden}")).status_code == 404, hidden
        listed = await emsp.get("/locations/list?format=csv")
        assert "NL*CPO" in listed.text
        assert "FR*CPO" not in listed.text
        assert "FR*CPO" not in (await emsp.get("/locations/list?owner=FR*CPO&format=csv")).text
        assert (await emsp.get("/locations/NL*CPO/loc10")).status_code == 200


async def test_what_is_addressed_to_one_party_is_seen_by_it_and_its_owner(
    console: ConsoleHub,
) -> None:
    sql = "update shared_object set audience = 'DE*MSP' where object_id = $1 and country_code = $2"
    await execute(console.hub.database, sql, "LOC1", "NL")
    async with (
        await console.logged_in(R.PARTNER, "p-1", "cpo") as cpo,
        await console.logged_in(R.PARTNER, "p-2", "emsp") as emsp,
        await console.logged_in(R.PARTNER, "p-4", "nsp") as nsp,
    ):
        for browser, http_status in ((cpo, 200), (emsp, 200), (nsp, 404)):
            assert (await browser.get("/locations/NL*CPO/loc1")).status_code == http_status
            ids = [row[1] for row in await points(browser) if row[0] == "NL*CPO"]
            assert ("loc1" in ids) == (http_status == 200)


async def test_list_is_filtered_and_leads_to_the_story(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        listed = await viewer.get("/locations/list?owner=NL*CPO&status=OUTOFORDER&format=csv")
        assert len(listed.text.splitlines()) == 1 + 5
        found = await viewer.get("/locations/list?q=street+20")
        assert 'data-href="/console/locations/NL%2ACPO/loc20"' in found.text
        assert 'rel="next"' in (await viewer.get("/locations/list?limit=2")).text
        assert (await viewer.get("/locations/list?status=x")).status_code == 400


async def test_story_tells_tariffs_pushes_and_cdrs(console: ConsoleHub) -> None:
    database = console.hub.database
    await execute(
        database,
        "insert into shared_object (module, country_code, party_id, object_id, position, body,"
        " last_updated, origin, correlation_id) values ('tariffs', 'NL', 'CPO', 'T1',"
        " nextval('shared_object_position'), $1, now(), 'broadcast', 'made')",
        '{"id": "T1", "currency": "EUR", "type": "REGULAR"}',
    )
    await execute(
        database,
        "insert into lane (country_code, party_id, module, cursor) values"
        " ('DE', 'MSP', 'locations', 1000), ('AT', 'NSP', 'locations', 1000)",
    )
    await execute(
        database,
        "insert into lane_gap (receiver_country_code, receiver_party_id, module, country_code,"
        " party_id, object_id, object_type, audience, position, attempts, next_attempt_at, http)"
        " select r[1], r[2], 'locations', 'NL', 'CPO', 'LOC1', '', '*', 1, 3, now(), 502"
        " from (values (array['DE', 'MSP']), (array['AT', 'NSP'])) as given (r)",
    )
    async with (
        await console.logged_in(R.VIEWER) as viewer,
        await console.logged_in(R.PARTNER, "p-2", "emsp") as emsp,
    ):
        for browser, other in ((viewer, True), (emsp, False)):
            story = (await browser.get("/locations/NL*CPO/LOC1")).text
            assert "Place 1" in story
            assert "REGULAR" in story
            assert "not stored here" in story
            assert "502" in story
            assert "DE*MSP" in story
            assert ("AT*NSP" in story) == other
        for path in ("/locations/NL*CPO/nothing", "/locations/x/y", "/locations/NL*CPO/%00"):
            assert (await viewer.get(path)).status_code in (400, 404)


async def test_admin_api_lists_and_shows_locations(console: ConsoleHub) -> None:
    async with console.hub.client(await console.hub.make_key(Scope.READ)) as client:
        listed = (await client.get("/admin/api/locations?owner=NL*CPO&limit=15")).json()
        assert len(listed["items"]) == 15
        rest = await client.get(
            "/admin/api/locations", params={"owner": "NL*CPO", "next": listed["next"]}
        )
        assert len(rest.json()["items"]) == 5
        shown = (await client.get("/admin/api/locations/NL*CPO/loc1")).json()
        assert shown["location"]["name"] == "Place 1"
        assert (await client.get("/admin/api/locations/NL*CPO/x")).status_code == 404


async def test_points_are_read_a_page_at_a_time_before_anybody_has_counted_locations(
    database: Database,
) -> None:
    await store_locations(database, "NL*CPO", 3000)
    found = [part async for part in LocationAdmin(database).points(Sight(everything=True))]
    assert [len(part) for part in found] == [PART] * 3
    everybody = Sight(everything=True)
    async with database.transaction() as connection:
        await connection.execute(SQL.read_in_order)
        rows = await connection.fetch(
            f"explain (analyze, timing off) {SQL.points}", 0, 500, *everybody.columns
        )
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using shared_object_list" in plan, plan
    assert not [line for line in plan.splitlines() if "rows=3000" in line], plan
