"""Wrong parameters and bodies: each is named, with what is allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.store.database import Database
from tests.support.admin import admin_hub, fault_of
from tests.support.postgres import PostgresServer, make_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(postgres_server: PostgresServer) -> AsyncIterator[httpx.AsyncClient]:
    """One hub for all of these: none of them changes anything."""
    address = await postgres_server.create_database()
    database = await Database.open(address, make_settings(), application_name="test")
    async with admin_hub(database) as hub, hub.client(await hub.make_key(Scope.ADMIN)) as client:
        yield client
    await database.close()
    await postgres_server.drop_database(address)


@pytest.mark.parametrize(
    ("path", "field", "told"),
    [
        ("platforms?limit=0", "limit", "greater than or equal to 1"),
        ("platforms?limit=1001", "limit", "less than or equal to 1000"),
        ("platforms?limit=many", "limit", "integer"),
        ("platforms?state=gone", "state", "'invited', 'connecting'"),
        ("platforms?party=NLCPO", "party", "CC*PID"),
        ("platforms?colour=red", "colour", "limit, next, state, party"),
        ("platforms?limit=1&limit=2", "limit", "twice"),
        ("platforms?next=nonsense", "next", "begin without one"),
        ("relations?next=WyJyZWxhdGlvbnMiXQ", "next", "begin without one"),
        ("cdrs?next=WyJwbGF0Zm9ybXMiLCJhIl0", "next", "begin without one"),
        ("cdrs?next=WyJjZHJzIiwtMV0", "next", "begin without one"),
        ("cdrs?next=WyJjZHJzIix0cnVlXQ", "next", "begin without one"),
        ("messages?next=WyJtZXNzYWdlcyIsInh-MSJd", "next", ""),
        ("authorizations?since=yesterday", "since", "2026-01-31"),
        ("authorizations?decided_by=me", "decided_by", "'emsp'"),
        ("messages?http_class=9", "http_class", "less than or equal to 5"),
        ("messages?failed=perhaps", "failed", "boolean"),
        ("lanes?module=nothing", "module", "'cdrs'"),
        ("lanes/XX/tokens/gaps", "receiver", "CC*PID"),
        ("lanes/NL*CPO/tokens/gaps?receiver=NL*CPO", "receiver", "in the path"),
        ("cdrs/NLCPO/1", "owner", "CC*PID"),
        ("platforms/" + "x" * 256, "platform", "255"),
    ],
)
async def test_a_wrong_parameter_is_named_with_what_is_allowed(
    admin: httpx.AsyncClient, path: str, field: str, told: str
) -> None:
    answer = await admin.get(f"/admin/api/{path}")
    assert answer.status_code == 400, answer.text
    fault = fault_of(answer)
    assert fault["code"] == "invalid_request"
    assert fault["field"] == field
    assert told in fault["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "platforms", "", "name"),
        ("POST", "platforms", "{", None),
        ("POST", "platforms", "[]", None),
        ("POST", "platforms", '{"name": " "}', "name"),
        ("POST", "platforms", '{"name": "a\\u0000b"}', "name"),
        ("POST", "platforms", '{"name": "a\\ud800b"}', None),
        ("POST", "platforms", '{"name": 5}', "name"),
        ("POST", "platforms", '{"name": "x", "allow_parties": ["NLCPO"]}', "allow_parties.0"),
        ("POST", "platforms", '{"name": "x", "colour": "red"}', "colour"),
        ("PATCH", "platforms/p-1", "{}", None),
        ("PATCH", "platforms/p-1", '{"page_limit": "5"}', "page_limit"),
        ("PATCH", "platforms/p-1", '{"page_limit": -1}', "page_limit"),
        ("PATCH", "platforms/p-1", '{"catch_up": "later"}', "catch_up"),
        (
            "PATCH",
            "platforms/p-1",
            '{"custom_modules": {"cdrs": true}}',
            "custom_modules.cdrs.[key]",
        ),
        ("PATCH", "platforms/p-1", '{"quirks": {"wrong": true}}', "quirks.wrong.[key]"),
        ("PATCH", "relations/NL*CPO/DE*MSP", "{}", "mode"),
        ("PATCH", "relations/NL*CPO/DE*MSP", '{"mode": "direct"}', "mode"),
        (
            "PATCH",
            "relations/NL*CPO/DE*MSP",
            '{"mode": "none", "authorize_budget_ms": 0}',
            "authorize_budget_ms",
        ),
        ("POST", "cdrs/NL*CPO/1/refuse", "{}", "reason"),
        ("POST", "cdrs/NL*CPO/1/refuse", '{"reason": " "}', "reason"),
        ("POST", "cdrs/NL*CPO/1/refuse", '{"reason": "a\\u0000"}', "reason"),
        ("POST", "cdrs/NL*CPO/1/redrive", '{"reason": "x"}', "reason"),
        ("POST", "cdrs/redrive", '{"receiver": "DEMSP"}', "receiver"),
        ("POST", "keys", '{"name": "x", "scopes": []}', "scopes"),
        ("POST", "keys", '{"name": "x", "scopes": ["all"]}', "scopes.0"),
    ],
)
async def test_a_wrong_body_is_refused_by_name(
    admin: httpx.AsyncClient, method: str, path: str, body: str, field: str | None
) -> None:
    answer = await admin.request(method, f"/admin/api/{path}", content=body)
    assert answer.status_code == 400, answer.text
    assert fault_of(answer).get("field") == field
