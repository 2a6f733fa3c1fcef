"""The console's pages about messages, backlog, tokens, the whitelist exchange and files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole as R
from ocpi_hub.delivery.feed.protocols import Gap, LaneId
from ocpi_hub.domain.objects import LastAnswer, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.database import Database
from tests.support.console import ConsoleHub, console_hub
from tests.support.directory import insert_platform
from tests.support.stores import execute, feed_store, value
from tests.support.waiting import eventually

NOW = datetime.now(UTC)
EMSP = PartyId("DE", "MSP")
UID = "04A1B2C3"


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(
        database,
        "p-1",
        roles=(("CPO", "NL*CPO"),),
    )
    await insert_platform(
        database,
        "p-2",
        roles=(("EMSP", "DE*MSP"),),
        endpoints=(("tokens", "SENDER", "https://p-2.example/tokens"),),
    )
    async with console_hub(database) as running:
        yield running


async def note(
    database: Database,
    serial: int,
    platform: str,
    *,
    kind: str = "inbound",
    module: str = "locations",
    ocpi: int = 1000,
    body: str = "",
) -> None:
    """A message of the correlation id `c-1`."""
    at = NOW + timedelta(milliseconds=serial)
    await execute(
        database,
        "insert into message (at, serial, kind, direction, platform_id, sender, receiver, module,"
        " method, path, http, ocpi, ms, correlation_id, request_id, request_bytes, outcome, cut)"
        " values ($1, $2, $3, $4, $5, 'NL*CPO', 'DE*MSP', $6, 'PUT', '/path', 200, $7, 2, 'c-1',"
        " 'r', 0, 'answered', false)",
        at,
        serial,
        kind,
        "in" if kind == "inbound" else "out",
        platform,
        module,
        ocpi,
    )
    if body:
        await execute(
            database,
            "insert into message_content (at, serial, request_headers, request_body)"
            " values ($1, $2, $3, $4)",
            at,
            serial,
            json.dumps([["Authorization", "Token ~"], ["X-Evil", "<b>"]]),
            body.encode(),
        )


async def test_partner_sees_its_own_requests_of_a_message_only(console: ConsoleHub) -> None:
    database = console.hub.database
    await note(database, 1, "p-1", body='{"of": "the CPO"}')
    await note(database, 2, "p-2", kind="push", ocpi=3001, body='{"of": "the eMSP"}')
    await note(database, 3, "p-1", kind="push", body='{"of": "the CPO"}')
    async with await console.logged_in(R.VIEWER) as viewer:
        shown = (await viewer.get("/messages/c-1")).text
        assert "the CPO" in shown
        assert "the eMSP" in shown
        assert "Authorization: Token ~" in shown
        assert "<b>" not in shown
        assert shown.count("<tr>") >= 4
        chosen = (await viewer.get("/messages/c-1?leg=2")).text
        assert "the eMSP" in chosen
        assert "the CPO" not in chosen
        for wrong in ("0", "4", "x", "9" * 40, "-1"):
            assert (await viewer.get(f"/messages/c-1?leg={wrong}")).status_code == 200
        assert (await viewer.get("/messages/c-2")).status_code == 404
    async with await console.logged_in(R.PARTNER, "p-2") as partner:
        for path in ("/messages", "/messages?party=NL*CPO", "/messages?format=csv"):
            text = (await partner.get(path)).text
            assert "p-2" in text
            assert "p-1" not in text
        assert "/path" not in (await partner.get("/messages?platform=p-1")).text
        for path in ("/messages/c-1", "/messages/c-1?leg=1"):
            text = (await partner.get(path)).text
            assert "the eMSP" in text
            assert "the CPO" not in text
            assert "/platforms/p-1" not in text
        assert (await partner.get("/messages/c-1?leg=3")).text.count("the CPO") == 0


async def test_messages_are_filtered_by_what_failed_and_how(console: ConsoleHub) -> None:
    await note(console.hub.database, 1, "p-1")
    await note(console.hub.database, 2, "p-2", kind="push", ocpi=3001)
    async with await console.logged_in(R.VIEWER) as viewer:
        for query, found in (
            ("failed=true", ["p-2"]),
            ("ocpi_class=3", ["p-2"]),
            ("ocpi_class=1", ["p-1"]),
            ("method=PUT&direction=in", ["p-1"]),
            ("method=GET", []),
            ("correlation_id=c-1", ["p-2", "p-1"]),
        ):
            rows = (await viewer.get(f"/messages?format=csv&{query}")).text.splitlines()[1:]
            assert [row.split(",")[2] for row in rows] == found, query
        assert (await viewer.get("/messages?ocpi_class=x")).status_code == 400


async def gap(console: ConsoleHub) -> None:
    """A location that DE*MSP did not take."""
    database = console.hub.database
    await execute(
        database,
        "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id,"
        " mode) values ('NL', 'CPO', 'DE', 'MSP', 'realtime')",
    )
    await execute(
        database,
        "insert into lane (country_code, party_id, module) values ('DE', 'MSP', 'locations')"
        " on conflict do nothing",
    )
    await execute(
        database,
        "insert into shared_object (module, country_code, party_id, object_id, position, body,"
        " last_updated, origin, correlation_id) values ('locations', 'NL', 'CPO', 'LOC1', 1, '{}',"
        " now(), 'broadcast', 'c-1')",
    )
    key = ObjectKey("locations", PartyId("NL", "CPO"), "LOC1")
    answer = LastAnswer(200, 3001, "no room")
    async with feed_store(database) as store:
        lane = LaneId(EMSP, "locations")
        await store.open_gap(Gap(lane, key, 1, answer, timedelta(hours=1)))


async def test_what_was_not_taken_is_tried_again_by_whoever_may(console: ConsoleHub) -> None:
    await gap(console)
    database, path = console.hub.database, "/lanes/DE*MSP/locations"
    await note(database, 1, "p-2", kind="push", ocpi=3001)
    due = "select count(*) from lane_gap where next_attempt_at <= now()"
    async with await console.logged_in(R.VIEWER) as viewer:
        shown = (await viewer.get(path)).text
        assert "no room" in shown
        assert "Try all again now" not in shown
        assert "Send LOC1" not in (await viewer.get("/messages/c-1")).text
        assert (await viewer.post(f"{path}/hasten")).status_code == 403
    async with await console.logged_in(R.PARTNER, "p-2") as partner:
        assert "no room" in (await partner.get(path)).text
        assert (await partner.post(f"{path}/hasten")).status_code == 404
    async with await console.logged_in(R.PARTNER, "p-1", name="other") as partner:
        assert (await partner.get(path)).status_code == 404
        assert "DE*MSP" not in (await partner.get("/lanes")).text
    assert await value(database, due) == 0
    async with await console.logged_in(R.OPERATOR) as operator:
        assert "Send LOC1 to DE*MSP again" in (await operator.get("/messages/c-1")).text
        form = {"owner": "NL*CPO", "id": "LOC2", "audience": "*"}
        refused = await operator.post(f"{path}/hasten", form)
        assert refused.status_code == 409
        assert await value(database, due) == 0
        assert (await operator.post(f"{path}/hasten", form | {"id": "LOC1"})).status_code == 303
    assert await value(database, due) == 1
    entry = await value(
        database, "select object from audit_entry where what = 'lane.hasten' limit 1"
    )
    assert entry == "DE*MSP/locations"


async def token(console: ConsoleHub) -> None:
    body = {"uid": UID, "type": "RFID", "contract_id": "C-77", "valid": True, "issuer": "Us"}
    await execute(
        console.hub.database,
        "insert into shared_object (module, country_code, party_id, object_id, object_type,"
        " position, body, last_updated, origin, correlation_id) values ('tokens', 'DE', 'MSP', $1,"
        " 'RFID', 1, $2, now(), 'broadcast', 'c')",
        UID,
        json.dumps(body),
    )


async def test_tokens_are_masked_for_who_only_looks_and_erased_by_admins(
    console: ConsoleHub,
) -> None:
    await token(console)
    serial = await value(console.hub.database, "select serial from shared_object")
    async with await console.logged_in(R.VIEWER) as viewer:
        for path in (f"/tokens?uid={UID.lower()}&type=", f"/tokens/{serial}"):
            text = (await viewer.get(path)).text.replace(f'value="{UID.lower()}"', "")
            assert "C-77" not in text
            assert UID not in text
        assert f"/tokens/{serial}" in (await viewer.get("/tokens?contract_id=c-77")).text
        assert f"/tokens/{serial}" not in (await viewer.get("/tokens")).text
        assert f"/tokens/{serial}" not in (await viewer.get("/tokens?emsp=DE*MSP")).text
        for wrong in ("0", "x", "9" * 40):
            assert (await viewer.get(f"/tokens/{wrong}")).status_code == 404
    async with await console.logged_in(R.OPERATOR) as operator:
        assert "C-77" in (await operator.get(f"/tokens/{serial}")).text
        assert (await operator.post(f"/tokens/{serial}/erase")).status_code == 403
    async with await console.logged_in(R.PARTNER, "p-2") as partner:
        assert (await partner.get(f"/tokens/{serial}")).status_code == 404
    async with await console.logged_in(R.ADMIN) as admin:
        assert (await admin.post(f"/tokens/{serial}/erase")).status_code == 303
        assert "Erased from 0 decisions" in (await admin.get(f"/tokens/{serial}")).text


async def test_runs_that_are_held_are_decided_by_whoever_may(console: ConsoleHub) -> None:
    database = console.hub.database
    await execute(
        database,
        "insert into whitelist_run (platform_id, extent, state, step, began_at, absent, owners)"
        " select 'p-2', 'full', 'held', 'withdraw', now(), 7, '{DE*MSP}'"
        " from generate_series(1, 2)",
    )
    async with await console.logged_in(R.VIEWER) as viewer:
        shown = (await viewer.get("/whitelist?state=held")).text
        assert 'href="/console/whitelist/1"' in shown
        assert "Withdraw what it lacks" not in (await viewer.get("/whitelist/1")).text
        assert (await viewer.post("/whitelist/1/confirm")).status_code == 403
        assert (await viewer.get("/whitelist/9")).status_code == 404
        assert (await viewer.get("/whitelist/x")).status_code == 404
    async with await console.logged_in(R.PARTNER, "p-1") as other:
        assert (await other.get("/whitelist/1")).status_code == 404
        assert "p-2" not in (await other.get("/whitelist")).text
        assert "p-2" not in (await other.get("/whitelist?platform=p-2&format=csv")).text
    async with await console.logged_in(R.PARTNER, "p-2", name="own") as own:
        assert (await own.get("/whitelist/1")).status_code == 200
        assert (await own.post("/whitelist/1/confirm")).status_code == 404
    async with await console.logged_in(R.OPERATOR) as operator:
        assert "have 7 tokens blocked" in (await operator.get("/whitelist/1")).text
        assert (await operator.post("/whitelist/1/confirm")).status_code == 303
        assert "is being withdrawn" in (await operator.get("/whitelist/1")).text
        assert (await operator.post("/whitelist/2/discard")).status_code == 303
        assert "stands as it was" in (await operator.get("/whitelist/2")).text
    rows = "select string_agg(state, ' ' order by run_id) from whitelist_run"
    assert await value(database, rows) == "running done"


async def test_schedules_are_set_by_admins_and_lists_read_by_operators(
    console: ConsoleHub,
) -> None:
    path = "/whitelist-schedules/p-2"
    async with await console.logged_in(R.OPERATOR) as operator:
        assert "p-2" in (await operator.get("/whitelist-schedules")).text
        assert (await operator.post(f"{path}/set", {"pull": "0 3 * * *"})).status_code == 403
        started = await operator.post(f"{path}/read", {"full": "true"})
        assert started.headers["Location"] == "/console/whitelist/1"
    async with await console.logged_in(R.ADMIN) as admin:
        assert (await admin.post(f"{path}/set", {"pull": "never"})).status_code == 409
        assert (await admin.post(f"{path}/set", {"pull": "0 3 * * *"})).status_code == 303
        assert "0 3 * * *" in (await admin.get(path)).text
        assert (await admin.post(f"{path}/set", {})).status_code == 303
        assert 'value="0 3 * * *"' not in (await admin.get(path)).text


async def test_age_of_token_lists_is_told_by_relation(console: ConsoleHub) -> None:
    await execute(
        console.hub.database,
        "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id,"
        " mode) values ('NL', 'CPO', 'DE', 'MSP', 'whitelist')",
    )
    await execute(console.hub.database, "update directory_version set version = version + 1")
    async with await console.logged_in(R.VIEWER) as viewer:

        async def told() -> bool:
            return "/relations/NL" in (await viewer.get("/whitelist-ages?freshness=unknown")).text

        await eventually(told, "the relation is known")
        assert "NL*CPO" not in (await viewer.get("/whitelist-ages?freshness=fresh")).text
    for platform, status in (("p-1", True), ("p-3", False)):
        if not status:
            await insert_platform(console.hub.database, platform, roles=(("CPO", "FR*CPO"),))
        async with await console.logged_in(R.PARTNER, platform, name=platform) as partner:
            assert ("DE*MSP" in (await partner.get("/whitelist-ages")).text) is status


async def test_short_files_are_imported_from_a_form(console: ConsoleHub) -> None:
    line = {
        "country_code": "DE", "party_id": "MSP", "uid": UID, "type": "RFID", "contract_id": "C-77",
        "issuer": "Us", "valid": True, "whitelist": "ALWAYS",
        "last_updated": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    form = {"emsp": "DE*MSP", "format": "jsonl", "content": f"{json.dumps(line)}\r\n"}
    async with await console.logged_in(R.OPERATOR) as operator:
        assert (await operator.post("/imports/tokens", form | {"dry_run": "true"})).is_redirect
        assert "Nothing was imported" in (await operator.get("/imports")).text
        assert await value(console.hub.database, "select count(*) from shared_object") == 0
        assert (await operator.post("/imports/tokens", form)).status_code == 303
        assert "1 seen: 1 added" in (await operator.get("/imports")).text
        wrong = await operator.post("/imports/tokens", form | {"content": "no json"})
        assert wrong.status_code == 409
        for unfit in ({"emsp": "nobody"}, {"format": "xml"}, {"content": ""}, {"more": "x"}):
            assert (await operator.post("/imports/tokens", form | unfit)).status_code == 400
        large = await operator.post("/imports/tokens", form | {"content": "x" * 70_000})
        assert large.status_code == 413
        listed = (await operator.get("/imports")).text
        assert "/console/imports/" in listed
        number = await value(console.hub.database, "select max(import_id) from file_import")
        assert "nothing was imported" in (await operator.get(f"/imports/{number}")).text
        assert (await operator.get(f"/imports/{number + 1}")).status_code == 404
        assert (await operator.get("/cdr-batches")).status_code == 200
    async with await console.logged_in(R.VIEWER) as viewer:
        assert "Import a short token list" not in (await viewer.get("/imports")).text
        assert (await viewer.post("/imports/tokens", form)).status_code == 403


async def test_tokens_that_were_not_taken_name_no_driver_to_a_viewer(console: ConsoleHub) -> None:
    await execute(
        console.hub.database,
        "insert into lane (country_code, party_id, module) values ('NL', 'CPO', 'tokens')",
    )
    await execute(
        console.hub.database,
        "insert into shared_object (module, country_code, party_id, object_id, object_type,"
        " position, body, last_updated, origin, correlation_id) values ('tokens', 'DE', 'MSP', $1,"
        " 'RFID', 1, '{}', now(), 'broadcast', 'c-1')",
        UID,
    )
    answer = LastAnswer(200, 2001, f"who is {UID}?")
    async with feed_store(console.hub.database) as store:
        lane, key = LaneId(PartyId("NL", "CPO"), "tokens"), ObjectKey("tokens", EMSP, UID, "RFID")
        await store.open_gap(Gap(lane, key, 1, answer, timedelta(hours=1)))
    for role, clear in ((R.VIEWER, False), (R.OPERATOR, True)):
        async with await console.logged_in(role) as client:
            page = (await client.get("/lanes/NL*CPO/tokens")).text
            assert "RFID" in page
            assert (UID in page) is clear
