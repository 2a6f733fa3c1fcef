"""Who may call the admin API, what a wrong request is told, and how it describes itself."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from openapi_spec_validator import validate

from ocpi_hub.admin.api import OPENAPI
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.base import MAX_BODY_BYTES
from ocpi_hub.store.database import Database
from tests.support.admin import AdminHub, admin_hub, fault_of

SCOPES: Mapping[str | None, Sequence[Scope]] = {
    None: [],
    "read": [Scope.READ],
    "operate": [Scope.READ, Scope.OPERATE],
    "admin": [Scope.READ, Scope.OPERATE, Scope.ADMIN],
}
"""Which needs a key with this scope meets."""


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[AdminHub]:
    async with admin_hub(database) as running:
        yield running


@pytest_asyncio.fixture
async def admin(hub: AdminHub) -> AsyncIterator[httpx.AsyncClient]:
    async with hub.client(await hub.make_key(Scope.ADMIN)) as client:
        yield client


async def document(hub: AdminHub) -> dict[str, Any]:
    async with hub.client() as client:
        answer = await client.get(OPENAPI)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(found: dict[str, Any]) -> list[tuple[str, str, Scope]]:
    """Method, path and needed scope of everything that is described."""
    result = []
    for template, methods in found["paths"].items():
        path = re.sub(r"\{(cpo|emsp|owner|receiver)\}", "NL*CPO", template)
        path = path.replace("{module}", "tokens")
        path = re.sub(r"\{\w+\}", "nothing", path)
        for method, operation in methods.items():
            scope = re.search(r"scope `(\w+)`", operation["description"])
            assert scope is not None
            result.append((method.upper(), path, Scope(scope[1])))
    return result


@pytest.mark.parametrize("held", SCOPES)
async def test_every_route_is_open_to_its_scope_and_to_no_other(
    hub: AdminHub, held: str | None
) -> None:
    described = operations(await document(hub))
    assert len(described) > 20
    key = await hub.make_key(Scope(held)) if held else None
    async with hub.client(key) as client:
        for method, path, needed in described:
            answer = await client.request(method, path)
            if key is None:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            elif needed in SCOPES[held]:
                assert answer.status_code not in (401, 403, 405, 500), (method, path, answer.text)
            else:
                assert answer.status_code == 403, (method, path)
                assert f"`{needed}`" in fault_of(answer)["message"]


async def test_the_document_is_valid_and_complete(hub: AdminHub) -> None:
    found = await document(hub)
    validate(found)
    paths = {path for _, path, _ in operations(found)}
    nouns = (
        "platforms", "relations", "authorizations", "cdrs", "sessions", "messages", "lanes", "keys"
    )  # fmt: skip
    for noun in nouns:
        assert f"/admin/api/{noun}" in paths
    for methods in found["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            (success,) = [code for code in operation["responses"] if code < "300"]
            schema = operation["responses"][success]["content"]["application/json"]["schema"]
            assert schema["$ref"].startswith("#/components/schemas/")
    ids = [
        operation["operationId"] for each in found["paths"].values() for operation in each.values()
    ]
    assert len(set(ids)) == len(ids)


async def test_what_is_not_described_is_not_served(admin: httpx.AsyncClient, hub: AdminHub) -> None:
    for path, methods in (await document(hub))["paths"].items():
        own = path.replace("{", "").replace("}", "")
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {m.upper() for m in methods}:
            answer = await admin.request(method, own)
            assert answer.status_code == 405
            allowed = {each.strip() for each in answer.headers["Allow"].split(",")}
            assert {m.upper() for m in methods} <= allowed
            fault_of(answer)
    for path in ("/admin/api", "/admin/api/nothing", "/admin/x", "/admin/api/platforms/a/b/c"):
        assert fault_of(await admin.get(path))["code"] == "not_found"
    # A trailing slash means nothing, as everywhere on this hub.
    assert (await admin.get("/admin/api/platforms/")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Token nonsense"},
        {"Authorization": "Bearer a b"},
        {"Authorization": "Basic bm9ib2R5OnNlY3JldA=="},
    ],
)
async def test_without_a_good_key_everything_is_refused_alike(
    hub: AdminHub, headers: dict[str, str]
) -> None:
    async with hub.client() as client:
        for path in ("/admin/api/platforms", "/admin/api/no/such/path"):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 401
            assert fault_of(answer)["code"] == "unauthenticated"
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="admin"'


async def test_only_the_digest_of_a_key_is_stored(hub: AdminHub) -> None:
    key = await hub.make_key(Scope.READ)
    async with hub.database.connection() as connection:
        rows = await connection.fetch("select admin_key::text from admin_key")
    assert rows
    assert not any(key in row[0] for row in rows)


async def test_a_use_is_noted(hub: AdminHub, admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/admin/api/platforms")).status_code == 200
    (key,) = (await admin.get("/admin/api/keys")).json()["items"]
    assert key["last_used_at"] is not None
    assert key["scopes"] == ["admin"]
    assert "secret" not in key


async def test_a_revoked_key_stops_working(hub: AdminHub, admin: httpx.AsyncClient) -> None:
    made = await admin.post("/admin/api/keys", json={"name": "x", "scopes": ["read"]})
    assert made.status_code == 201
    key = made.json()
    async with hub.client(key["secret"]) as client:
        revoked = await admin.delete(f"/admin/api/keys/{key['key']}")
        assert revoked.status_code == 200
        assert revoked.json()["revoked_at"] is not None
        # It was never used, so no process can know it from before.
        assert (await client.get("/admin/api/platforms")).status_code == 401
    assert (await admin.delete("/admin/api/keys/k-nothing")).status_code == 404


async def test_a_body_has_a_limit(admin: httpx.AsyncClient) -> None:
    body = json.dumps({"name": "x" * MAX_BODY_BYTES})
    answer = await admin.post("/admin/api/platforms", content=body)
    assert fault_of(answer)["code"] == "too_large"


async def test_a_path_that_cannot_be_read_is_refused(admin: httpx.AsyncClient) -> None:
    for path in ("/admin/api/cdrs/NL*CPO/%00", "/admin/api/cdrs/NL*CPO/%FF"):
        assert fault_of(await admin.get(path))["code"] == "invalid_request"


async def test_ids_travel_as_on_the_ocpi_side(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/admin/api/platforms", headers={"X-Correlation-ID": "c-1"})
    assert answer.headers["X-Correlation-ID"] == "c-1"
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-store"


async def test_what_may_change_something_is_logged_with_its_key(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    (key,) = (await admin.get("/admin/api/keys")).json()["items"]
    with structlog.testing.capture_logs() as lines:
        await admin.post("/admin/api/platforms/p-1/suspend")
    (line,) = [each for each in lines if each["event"] == "admin_call"]
    assert line["log_level"] == "info"
    assert line["key_id"] == key["key"]
    assert line["route"] == "/admin/api/platforms/{platform}/suspend"
    assert line["place"] == ["p-1"]
    assert line["http_status"] == 404


async def test_without_the_database_calls_say_so(hub: AdminHub) -> None:
    key = await hub.make_key(Scope.READ)
    async with hub.client(key) as client:
        hub.database.terminate()
        answer = await client.get("/admin/api/cdrs")
        assert fault_of(answer)["code"] == "unavailable"
        assert answer.headers["Retry-After"] == "2"
