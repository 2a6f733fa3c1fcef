"""Those who only look are not told who charged: by the API, on pages, and in files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import cast
from unittest.mock import Mock

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes import all_routes
from ocpi_hub.store.database import Database
from ocpi_hub.store.secret_key import Keyring
from tests.support.console import ConsoleHub, console_hub
from tests.support.console_cdrs import CORRELATION, DECIDED_AT, SESSION, seed
from tests.support.directory import KEY, insert_platform
from tests.support.factories import cdr, token
from tests.support.stores import execute

R = AccountRole
UID = "04AABBCC"
"""Of the decision."""
CDR_TOKEN = cast(dict[str, str], cdr()["cdr_token"])
CONTRACT = str(token(UID)["contract_id"])
NAMES = (UID, CONTRACT, CDR_TOKEN["uid"], CDR_TOKEN["contract_id"])
MASKED = f"~{Keyring(KEY).mac('token uid', UID)}"

QUOTED = f"unknown card {CDR_TOKEN['uid']} ({CDR_TOKEN['contract_id'].lower()})"
QUOTES = (
    "update directed_object set last_message = $1, reason = $1, refused_after_ack = true"
    " where country_code = 'NL'",
    "update delivery_attempt set message = $1 where country_code = 'NL'",
    "update cdr_transition set reason = $1 where country_code = 'NL'",
    "update cdr_dispute set reason = $1 where country_code = 'NL'",
)
"""A receiver that repeats whose card it is, wherever its words are kept. The other CPO's CDR has
another card."""

PLACES = {
    "owner": "NL*CPO",
    "cpo": "NL*CPO",
    "emsp": "DE*MSP",
    "month": "2026-10",
    "at": DECIDED_AT.isoformat().replace("+00:00", "Z"),
    "correlation_id": CORRELATION,
    "platform": "p-1",
    "year": "2026",
    "serial": "1",
}
STORIES = {"cdrs": "Good-1", "sessions": SESSION}
"""What stands for `{id}`."""


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    await seed(database)
    for sql in QUOTES:
        await execute(database, sql, QUOTED)
    async with console_hub(database) as running:
        async with running.hub.client(await running.hub.make_key(Scope.ADMIN)) as admin:
            file = {"emsp": "DE*MSP", "format": "jsonl", "content": json.dumps(token(UID))}
            assert (await admin.post("/admin/api/token-imports", json=file)).is_success
        yield running


def looks() -> list[str]:
    """Paths of all that scope `read` may GET, filled in."""
    found = []
    for route in all_routes(cast(AdminParts, Mock())):
        if route.method == "GET" and route.scope is Scope.READ:
            noun = route.segments[2]
            places = {**PLACES, "id": STORIES.get(noun, "1")}
            found.append(route.template.format(**{
                name: places.get(name, "1") for name in route.path_names
            }))  # fmt: skip
    return found


async def read(console: ConsoleHub, scope: Scope, path: str, **query: str) -> httpx.Response:
    async with console.hub.client(await console.hub.make_key(scope)) as client:
        return await client.get(path, params=query)


async def test_no_route_tells_those_who_look_who_charged(console: ConsoleHub) -> None:
    paths = looks()
    assert len(paths) > 40
    told = 0
    async with console.hub.client(await console.hub.make_key(Scope.READ)) as reader:
        for path in paths:
            query = {"contract_id": CONTRACT} if path.endswith("/tokens") else {}
            answer = await reader.get(path, params=query)
            told += answer.is_success
            assert not [name for name in NAMES if name.lower() in answer.text.lower()], path
    assert told > 30


@pytest.mark.parametrize(
    "path",
    [
        "authorizations",
        f"authorizations/{PLACES['at']}/{CORRELATION}",
        "cdrs/NL*CPO/Good-1",
    ],
)
async def test_the_same_hash_stands_for_a_card_everywhere(console: ConsoleHub, path: str) -> None:
    looked = await read(console, Scope.READ, f"/admin/api/{path}")
    assert MASKED in looked.text
    operated = await read(console, Scope.OPERATE, f"/admin/api/{path}")
    assert UID in operated.text
    assert MASKED not in operated.text


async def test_a_session_and_a_cdr_are_in_clear_for_those_who_operate(console: ConsoleHub) -> None:
    for path in (f"sessions/NL*CPO/{SESSION}", "cdrs/NL*CPO/Good-1"):
        looked = (await read(console, Scope.READ, f"/admin/api/{path}")).json()
        operated = (await read(console, Scope.OPERATE, f"/admin/api/{path}")).json()
        hidden, clear = json.loads(looked["body"]), json.loads(operated["body"])
        assert clear["cdr_token"] == CDR_TOKEN
        assert hidden["cdr_token"]["uid"].startswith("~")
        assert {**hidden, "cdr_token": CDR_TOKEN} == clear


PAGES = (
    "/cdrs/NL*CPO/Refused-1",
    "/cdrs/waiting",
    "/cdrs",
    "/sessions",
    "/gaps",
    "/authorizations",
    "/authorizations?format=csv",
    f"/authorizations/{DECIDED_AT.isoformat()}/{CORRELATION}",
    "/cdrs/NL*CPO/Good-1",
    f"/sessions/NL*CPO/{SESSION}",
    "/cdrs?format=csv",
    "/sessions?format=csv",
    f"/tokens?contract_id={CONTRACT}&format=csv",
)


async def test_no_page_tells_a_viewer_who_charged(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        for path in PAGES:
            answer = await viewer.get(path)
            assert answer.status_code == 200, path
            assert not [name for name in NAMES if name.lower() in answer.text.lower()], path


@pytest.mark.parametrize("role", [R.OPERATOR, R.PARTNER])
async def test_operators_and_parties_see_who_charged(
    console: ConsoleHub, role: AccountRole
) -> None:
    platform = "p-1" if role is R.PARTNER else None
    async with await console.logged_in(role, platform) as somebody:
        assert UID in (await somebody.get("/authorizations?format=csv")).text
        assert CDR_TOKEN["uid"] in (await somebody.get("/cdrs/NL*CPO/Good-1")).text


async def test_the_audit_log_is_for_those_who_operate(console: ConsoleHub) -> None:
    """It tells what the people who run the hub do."""
    async with await console.logged_in(R.VIEWER) as viewer:
        assert (await viewer.get("/audit")).status_code == 403
        for path in ("/platforms/p-1", "/relations/NL*CPO/DE*MSP", "/cdrs/NL*CPO/Good-1"):
            assert "/console/audit" not in (await viewer.get(path)).text, path
    async with await console.logged_in(R.OPERATOR) as operator:
        assert (await operator.get("/audit")).status_code == 200
        assert "/console/audit" in (await operator.get("/platforms/p-1")).text
    assert (await read(console, Scope.READ, "/admin/api/audit")).status_code == 403


async def test_operators_read_what_receivers_said(console: ConsoleHub) -> None:
    for path in ("cdrs", "cdrs/NL*CPO/Refused-1", "cdr-gaps", "cdr-disputes"):
        operated = await read(console, Scope.OPERATE, f"/admin/api/{path}")
        assert QUOTED in operated.text, path
        looked = await read(console, Scope.READ, f"/admin/api/{path}")
        assert "unknown card ~" in looked.text, path
    async with await console.logged_in(R.OPERATOR) as operator:
        assert QUOTED in (await operator.get("/cdrs/NL*CPO/Refused-1")).text
