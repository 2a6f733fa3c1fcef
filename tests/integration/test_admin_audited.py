"""Each route that changes something is called once: the entry tells what was before and after."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import Mock

import httpx
import pytest_asyncio

from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes import all_routes
from ocpi_hub.admin.routes.base import API
from ocpi_hub.store.database import Database
from tests.support.admin import AdminHub, admin_hub
from tests.support.console_cdrs import bring, seed
from tests.support.directory import insert_platform
from tests.support.factories import cdr, token
from tests.support.stores import execute
from tests.support.waiting import eventually

TOKENS = ("tokens", "SENDER", "https://partner.example/tokens")
NEW = {"party": "AT*NEW", "role": "EMSP"}
NOWHERE = {"versions_url": "https://partner.invalid/versions", "token": "their-secret"}
CPO, EMSP = "NL*CPO", "DE*MSP"
RELATION = {"cpo": CPO, "emsp": EMSP}
SECRETS = ("their-secret", "UID-77")
"""What must not stand in any entry."""


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a route.

    Attributes:
        before: whether there is an object that looks like something before.
        after: likewise; what is refused has none.
    """

    route: str
    place: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    before: bool = True
    after: bool = True


def cdr_of(cdr_id: str) -> Mapping[str, str]:
    return {"owner": CPO, "id": cdr_id}


MANY = False
"""What concerns many objects tells how many, not how each of them looked."""
NONE = False
"""What is made now was nothing before."""

FILES = {"format": "jsonl"}
CALLS: Sequence[Called] = (
    Called("POST platforms", body={"name": "New"}, before=NONE),
    Called("POST file-platforms", body={"name": "Files", "parties": [NEW]}, before=NONE),
    Called("POST connections", body=NOWHERE, before=NONE, after=NONE),
    Called("POST platforms/{platform}/invitation", {"platform": "p-3"}),
    Called("POST platforms/{platform}/by-file", {"platform": "p-3"}),
    Called("POST platforms/{platform}/rotate", {"platform": "p-1"}, after=NONE),
    Called("PATCH platforms/{platform}", {"platform": "p-1"}, {"name": "Other"}),
    Called("POST platforms/{platform}/suspend", {"platform": "p-1"}),
    Called("POST platforms/{platform}/resume", {"platform": "p-1"}),
    Called("POST platforms/{platform}/check", {"platform": "p-1"}, before=NONE),
    Called("POST platforms/{platform}/checks", {"platform": "p-1"}, before=NONE),
    Called("POST checks", body=NOWHERE, before=NONE),
    Called("PATCH relations/{cpo}/{emsp}", RELATION, {"mode": "realtime"}),
    Called("PATCH relations/{cpo}/{emsp}/rules", RELATION, {"weights": {"price_differs": "hold"}}),
    Called(
        "POST token-imports",
        body={**FILES, "emsp": EMSP, "content": json.dumps(token("UID-77"))},
        before=MANY,
    ),
    Called("POST tokens/erase", body={"uid": "UID-77"}, before=MANY),
    Called(
        "POST cdr-imports",
        body={**FILES, "cpo": CPO, "content": json.dumps(cdr("Filed-1"))},
        before=MANY,
    ),
    Called(
        "POST cdr-export/delivered",
        body={**RELATION, "last": 1, "began": "2026-10-01T00:00:00Z"},
        before=MANY,
    ),
    Called("POST cdrs/check", body={"owner": CPO}, before=MANY),
    Called("POST cdrs/{owner}/{id}/redrive", cdr_of("DEAD-1")),
    Called("POST cdrs/{owner}/{id}/release", cdr_of("HELD-1"), {"reason": "a truck"}),
    Called("POST cdrs/{owner}/{id}/refuse", cdr_of("DEAD-2"), {"reason": "a fault"}),
    Called("POST cdrs/{owner}/{id}/confirm", cdr_of("DEAD-3"), {"reason": "they have it"}),
    Called("POST cdrs/redrive", body={"owner": CPO}, before=MANY),
    Called(
        "POST cdrs/{owner}/{id}/dispute",
        cdr_of("GOOD-1"),
        {"raised_by": "EMSP", "reason": "too much"},
        before=NONE,
    ),
    Called("POST cdrs/{owner}/{id}/dispute/answer", cdr_of("GOOD-1"), {"answer": "no"}),
    Called(
        "POST cdrs/{owner}/{id}/dispute/close",
        cdr_of("GOOD-1"),
        {"outcome": "rejected", "note": "so it is"},
    ),
    Called("POST statements/{month}/{cpo}/{emsp}/close", {**RELATION, "month": "2026-10"}),
    Called(
        "POST lanes/{receiver}/{module}/hasten",
        {"receiver": EMSP, "module": "locations"},
        before=MANY,
    ),
    Called(
        "PUT platforms/{platform}/whitelist-schedule", {"platform": "p-2"}, {"pull": "0 3 * * *"}
    ),
    Called("POST platforms/{platform}/whitelist-runs", {"platform": "p-2"}, before=NONE),
    Called("POST whitelist-runs/{run}/confirm", {"run": "1001"}),
    Called("POST whitelist-runs/{run}/discard", {"run": "1002"}),
    Called("POST keys", body={"name": "x", "scopes": ["read"]}, before=NONE),
    Called("DELETE keys/{key}", {"key": "k-old"}),
    Called("POST accounts", body={"name": "otto", "role": "viewer"}, before=NONE),
    Called("POST accounts/{account}/disable", {"account": "otto"}),
    Called("POST accounts/{account}/enable", {"account": "otto"}),
    Called("POST accounts/{account}/reset", {"account": "otto"}),
    Called("DELETE platforms/{platform}", {"platform": "p-4"}),
)


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[AdminHub]:
    await insert_platform(database, "p-1", roles=(("CPO", CPO),))
    await insert_platform(database, "p-2", roles=(("EMSP", EMSP),), endpoints=(TOKENS,))
    await insert_platform(database, "p-3", state="disconnected", roles=(("EMSP", "FR*MSP"),))
    await insert_platform(database, "p-4", state="disconnected", roles=(("CPO", "FR*FOR"),))
    await seed(database)
    for cdr_id in ("Dead-2", "Dead-3"):
        await bring(database, cdr_id)
    await execute(
        database, "update directed_object set state = 'dead' where object_id like 'DEAD-_'"
    )
    async with admin_hub(database) as running:
        yield running


async def prepare(hub: AdminHub) -> None:
    """What is not made by the calls themselves."""
    await execute(
        hub.database,
        "insert into whitelist_run (run_id, platform_id, extent, state, step, began_at, absent)"
        " overriding system value values (1001, 'p-1', 'full', 'held', 'withdraw', now(), 3),"
        " (1002, 'p-4', 'full', 'held', 'withdraw', now(), 3)",
    )
    await execute(
        hub.database,
        "insert into admin_key (key_id, name, key_sha256, scopes)"
        " values ('k-old', 'old', sha256('x'), '{read}')",
    )
    await execute(
        hub.database,
        "insert into lane (country_code, party_id, module) values ('DE', 'MSP', 'locations')",
    )
    await execute(
        hub.database,
        "insert into lane_gap (receiver_country_code, receiver_party_id, module, country_code,"
        " party_id, object_id, object_type, audience, position, next_attempt_at)"
        " values ('DE', 'MSP', 'locations', 'NL', 'CPO', 'L1', '', '*', 1, null)",
    )


def changing() -> set[str]:
    return {
        f"{route.method} {route.template.removeprefix(f'{API}/')}"
        for route in all_routes(cast(AdminParts, Mock()))
        if route.changes
    }


def test_each_route_that_changes_something_is_called() -> None:
    assert {call.route for call in CALLS} == changing()
    assert len(CALLS) == len(changing())


async def test_what_changes_is_noted_with_what_was_before_and_after(hub: AdminHub) -> None:
    await prepare(hub)
    key = await hub.make_key(Scope.ADMIN)
    faults: list[str] = []
    async with hub.client(key) as admin:
        admin.timeout = httpx.Timeout(60)
        for number, call in enumerate(CALLS):
            method, _, template = call.route.partition(" ")
            answer = await admin.request(
                method,
                f"{API}/{template.format(**call.place)}",
                json=dict(call.body),
                headers={"X-Correlation-ID": f"call-{number}"},
            )
            if answer.is_success != call.after:
                faults.append(f"{call.route}: {answer.status_code} {answer.text[:200]}")
                continue
            faults += [f"{call.route}: {each}" for each in await wrong(hub, number, call)]
    assert faults == []


async def wrong(hub: AdminHub, number: int, call: Called) -> list[str]:
    """What the entry of a call lacks, or should not have."""

    async def ended() -> Any:
        async with hub.database.connection() as connection:
            rows = await connection.fetch(
                "select * from audit_entry where correlation_id = $1", f"call-{number}"
            )
        return rows if rows and all(row["ended_at"] for row in rows) else None

    await eventually(ended, f"{call.route} has an entry that has ended")
    (entry,) = await ended()
    found = []
    for name in ("before", "after"):
        known = entry[name] is not None and json.loads(entry[name]) is not None
        if known != getattr(call, name):
            found.append(f"{name} is {entry[name]}")
    if entry["outcome"] != ("done" if call.after else "refused"):
        found.append(f"outcome is {entry['outcome']}")
    if entry["actor_kind"] != "key":
        found.append(f"by {entry['actor_kind']}")
    found += [f"tells {secret}" for secret in SECRETS if secret in str(dict(entry))]
    return found
