"""What stands on a page of the console is there over the API: one object, its parts, its lists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.store.database import Database
from ocpi_hub.store.whitelist import WhitelistAdmin
from tests.support.admin import AdminHub, admin_hub, fault_of
from tests.support.console_cdrs import CORRELATION, REFERENCE, SESSION, seed
from tests.support.directory import insert_platform
from tests.support.factories import token
from tests.support.locations import store_locations
from tests.support.metering import Meter, encoded, signed_data
from tests.support.pricing import cdr, element, energy, tariff
from tests.support.stores import execute

TOKENS = ("tokens", "SENDER", "https://partner.example/tokens")
PRICED = cdr([tariff(element(energy(0.2)))], [("16:30", {"ENERGY": 10})], "16:45")


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[AdminHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),), endpoints=(TOKENS,))
    await store_locations(database, "NL*CPO", 5)
    await seed(database)
    async with admin_hub(database) as running:
        yield running


async def shown(admin: httpx.AsyncClient, path: str, **query: object) -> dict[str, Any]:
    answer = await admin.get(path, params={name: str(value) for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def in_parts(
    admin: httpx.AsyncClient, path: str, **query: object
) -> list[list[dict[str, Any]]]:
    """All pages of a list."""
    pages: list[list[dict[str, Any]]] = []
    place: dict[str, object] = {}
    while True:
        page = await shown(admin, path, **query, **place)
        pages.append(page["items"])
        if page["next"] is None:
            return pages
        place = {"next": page["next"]}


async def test_a_relation_is_shown_whether_it_was_set_or_not(admin: httpx.AsyncClient) -> None:
    assert (await shown(admin, "relations/NL*CPO/DE*MSP"))["mode"] == "none"
    await admin.patch("relations/NL*CPO/DE*MSP", json={"mode": "whitelist"})
    assert (await shown(admin, "relations/NL*CPO/DE*MSP"))["mode"] == "whitelist"


async def test_one_of_a_list_is_shown_as_the_list_shows_it(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    await WhitelistAdmin(hub.database).start(PlatformId("p-2"), None)
    await admin.post("accounts", json={"name": "otto", "role": "operator"})
    file = {"emsp": "DE*MSP", "format": "jsonl", "content": json.dumps(token("T-1"))}
    assert (await admin.post("token-imports", json=file)).status_code == 200
    for path, name in (
        ("whitelist-runs", "run"),
        ("accounts", "account"),
        ("file-imports", "id"),
    ):
        (item, *_) = (await shown(admin, path))["items"]
        assert await shown(admin, f"{path}/{item[name]}") == item
    for path in (
        "whitelist-runs/99",
        "accounts/nobody",
        "file-imports/99",
        "lanes/DE*MSP/locations",
        "tokens/99",
    ):
        assert (await admin.get(path)).status_code == 404, path


async def test_a_lane_is_shown(hub: AdminHub, admin: httpx.AsyncClient) -> None:
    await execute(
        hub.database,
        "insert into lane (country_code, party_id, module, cursor)"
        " values ('DE', 'MSP', 'locations', 0)",
    )
    (item,) = (await shown(admin, "lanes"))["items"]
    assert await shown(admin, "lanes/DE*MSP/locations") == item


async def test_schedules_are_listed_of_who_has_a_list(admin: httpx.AsyncClient) -> None:
    (item,) = (await shown(admin, "whitelist-schedules"))["items"]
    assert (item["platform"], item["pull"]) == ("p-2", None)
    await admin.put("platforms/p-2/whitelist-schedule", json={"pull": "0 3 * * *"})
    (item,) = (await shown(admin, "whitelist-schedules"))["items"]
    assert item["pull"] == "0 3 * * *"
    assert (await shown(admin, "whitelist-schedules", platform="p-1"))["items"] == []


async def test_a_token_is_in_clear_for_those_who_operate(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    file = {"emsp": "DE*MSP", "format": "jsonl", "content": json.dumps(token("UID-77"))}
    await admin.post("token-imports", json=file)
    (item,) = (await shown(admin, "tokens", uid="UID-77"))["items"]
    assert (await shown(admin, f"tokens/{item['serial']}")) == item
    async with hub.client(await hub.make_key(Scope.READ)) as reader:
        answer = await reader.get(f"/admin/api/tokens/{item['serial']}")
    assert answer.json()["uid"].startswith("~")
    assert "UID-77" not in answer.text


async def test_a_decision_is_shown_with_what_came_of_it(admin: httpx.AsyncClient) -> None:
    (item,) = (await shown(admin, "authorizations"))["items"]
    assert item["correlation_id"] == CORRELATION
    found = await shown(admin, f"authorizations/{item['at']}/{CORRELATION}")
    assert {name: found[name] for name in item} == item
    assert [leg["emsp"] for leg in found["legs"]] == ["DE*MSP", "FR*MSP"]
    assert (found["http"], found["ocpi"], found["reference"]) == (200, 1000, REFERENCE)
    assert SESSION in found["sessions"]
    assert "Good-1" in [each["id"] for each in found["cdrs"]]
    for at, correlation_id in (
        (item["at"], "another"),
        ("2026-01-01", CORRELATION),
        ("9999-12-31T23:59:59.999999Z", CORRELATION),
    ):
        answer = await admin.get(f"authorizations/{at}/{correlation_id}")
        assert answer.status_code == 404


async def test_places_of_locations_come_in_parts(admin: httpx.AsyncClient) -> None:
    pages = await in_parts(admin, "location-points", limit=2)
    assert [len(page) for page in pages] == [2, 2, 1]
    (first, *_) = pages[0]
    assert first["owner"] == "NL*CPO"
    assert float(first["latitude"])
    groups = ("available", "in_use", "out_of_order", "other")
    assert sum(first[name] for name in groups) == 1


async def test_a_location_tells_who_has_not_got_it(hub: AdminHub, admin: httpx.AsyncClient) -> None:
    (item, *_) = (await shown(admin, "locations"))["items"]
    path = f"locations/NL*CPO/{item['id']}/standing"
    found = await shown(admin, path)
    assert [each["audience"] for each in found["versions"]] == ["*"]
    assert found["tariffs_unknown"] == ["T1", "T2"]
    assert (found["owed"], found["behind"]) == ([], [])
    assert found["cdrs"] == 5
    assert (await admin.get("locations/NL*CPO/NOTHING/standing")).status_code == 404


async def test_faults_of_all_platforms_are_one_list(admin: httpx.AsyncClient) -> None:
    assert await shown(admin, "quality") == {"items": [], "next": None}


async def test_lines_of_a_statement_come_in_parts(admin: httpx.AsyncClient) -> None:
    path = "statements/2026-10/NL*CPO/DE*MSP/lines"
    pages = await in_parts(admin, path, limit=1)
    (line,) = pages[0]
    # Odd-1 is in dispute.
    assert [each["id"] for page in pages for each in page] == ["Good-1"]
    assert line["excl_vat"]


async def test_the_ledger_comes_in_parts_and_names_no_token(admin: httpx.AsyncClient) -> None:
    pages = await in_parts(admin, "reports/ledger", limit=2)
    found = [entry for page in pages for entry in page]
    assert {"Good-1", "Odd-1", "Held-1", "Foreign-1"} <= {entry["id"] for entry in found}
    assert len({entry["entry"] for entry in found}) == len(found)
    (good,) = [entry for entry in found if entry["id"] == "Good-1"]
    assert (good["cpo"], good["emsp"], good["stage"]) == ("NL*CPO", "DE*MSP", "delivered")
    assert "uid" not in good
    none = await shown(admin, "reports/ledger", until="2020-01-01")
    assert none == {"items": [], "next": None}


async def test_a_cdr_that_is_sent_along_is_priced(hub: AdminHub, admin: httpx.AsyncClient) -> None:
    body = {"content": json.dumps(PRICED), "time_zone": "Europe/Amsterdam"}
    async with hub.client(await hub.make_key(Scope.READ)) as reader:
        answer = await reader.post("/admin/api/cdrs/price", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["answer"]["total"]["excl_vat"] == 2
    assert answer.json()["explained"]
    assert (await shown(admin, "audit"))["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("price", {"content": "{"}, "invalid_request"),
        ("price", {"content": "[]"}, "invalid_request"),
        ("price", {"content": json.dumps(PRICED), "time_zone": "Mars/Olympus"}, "invalid_request"),
        ("price", {"content": " " * 300_000}, "too_large"),
        ("meter", {"content": json.dumps(PRICED)}, "conflict"),
    ],
    ids=["no JSON", "no CDR", "no zone", "too large", "no meter data"],
)
async def test_what_cannot_be_priced_or_verified_is_refused(
    admin: httpx.AsyncClient, path: str, body: dict[str, str], code: str
) -> None:
    assert fault_of(await admin.post(f"cdrs/{path}", json=body))["code"] == code


async def test_meter_data_that_is_sent_along_is_verified(admin: httpx.AsyncClient) -> None:
    meter = Meter()
    begin = datetime(2026, 3, 2, 9, tzinfo=UTC)
    record = meter.session(begin, begin.replace(hour=10), 0, 8000)
    signed = signed_data(encoded(record), key=meter.key).model_dump(mode="json")
    body = {"content": json.dumps({**PRICED, "signed_data": signed})}
    answer = await admin.post("cdrs/meter", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["answer"]["outcome"] == "valid"
    assert answer.json()["answer"]["energy_kwh"] == 8
