"""What the admin API tells of handshakes, self-tests and traffic: what the console shows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import httpx
import pytest

from ocpi_hub.admin.keys import Scope
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.registration.failures import Failure
from ocpi_hub.registration.steps import Attempt, Step, StepName
from ocpi_hub.store.handshake_steps import PostgresSteps
from tests.support.admin import AdminHub, fault_of
from tests.support.stores import execute, value
from tests.support.waiting import eventually

NOWHERE = "https://partner.invalid/ocpi/versions"


async def test_steps_of_a_handshake_are_told_in_order(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    steps, attempt = PostgresSteps(hub.database), Attempt.new(PlatformId("p-1"))
    await steps.note(attempt, Step(StepName.VERSIONS, f"GET {NOWHERE}", http_status=200, ms=7))
    failed = Step(
        StepName.DETAILS, f"GET {NOWHERE}/2.2.1", failure=Failure.NO_JSON, said="it is HTML"
    )
    await steps.note(attempt, failed)
    first, second = (await admin.get("platforms/p-1/handshake")).json()["items"]
    assert (first["step"], first["http"], first["ms"]) == ("versions", 200, 7)
    assert (second["step"], second["failure"]) == ("details", "no_json")
    assert second["said"] == "it is HTML"
    assert first["attempt"] == second["attempt"] == str(attempt.attempt_id)
    of_attempt = (await admin.get(f"handshakes/{attempt.attempt_id}")).json()["items"]
    assert of_attempt == [first, second]
    assert (await admin.get("platforms/p-2/handshake")).json()["items"] == []
    assert (await admin.get("platforms/p-9/handshake")).status_code == 404


async def test_attempts_that_led_nowhere_are_listed(admin: httpx.AsyncClient) -> None:
    body = {"versions_url": NOWHERE, "token": "secret-of-theirs"}
    assert (await admin.post("connections", json=body)).status_code in (409, 502)
    answer = await admin.get("handshakes")
    (last,) = answer.json()["items"]
    assert last["platform"] is None
    assert last["failure"] is not None
    assert "secret-of-theirs" not in answer.text
    steps = (await admin.get(f"handshakes/{last['attempt']}")).json()["items"]
    assert steps[-1] == last
    assert (await admin.get(f"handshakes/{uuid.uuid4()}")).status_code == 404
    assert fault_of(await admin.get("handshakes/nonsense"))["field"] == "attempt"


async def test_a_self_test_goes_on_and_its_report_is_kept(admin: httpx.AsyncClient) -> None:
    begun = await admin.post("platforms/p-1/checks", json={})
    assert begun.status_code == 202, begun.text
    run = begun.json()
    assert run["started_by"] == "key a test"
    assert run["writes"] is False

    async def ended() -> bool:
        shown = (await admin.get(f"platforms/p-1/checks/{run['run']}")).json()
        return shown["ended_at"] is not None

    await eventually(ended, "the self-test is over")
    shown = (await admin.get(f"platforms/p-1/checks/{run['run']}")).json()
    assert shown["conforms"] is False
    assert shown["report"]["versions_url"] == "https://partner.example/v"
    assert shown["counts"] == shown["report"]["counts"]
    (item,) = (await admin.get("platforms/p-1/checks")).json()["items"]
    assert item == {name: told for name, told in shown.items() if name != "report"}
    (entry,) = (await admin.get("audit", params={"what": "platform.check"})).json()["items"]
    assert (entry["object"], entry["outcome"]) == ("p-1", "done")
    assert entry["after"]["conforms"] is False
    assert (await admin.get(f"platforms/p-2/checks/{run['run']}")).status_code == 404
    assert (await admin.get("platforms/p-9/checks")).status_code == 404


async def test_a_self_test_of_who_has_not_registered_is_not_begun(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    invited = (await admin.post("platforms", json={"name": "New Co"})).json()["platform"]
    answer = await admin.post(f"platforms/{invited}/checks", json={})
    assert fault_of(answer)["code"] == "conflict"
    assert await value(hub.database, "select count(*) from check_run") == 0


async def test_a_stranger_is_checked_and_nothing_of_its_token_is_kept(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    body = {"versions_url": f"{NOWHERE}?key=hidden-in-the-url", "token": "token-of-a-stranger"}
    answer = await admin.post("checks", json=body, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["conforms"] is False
    assert "token-of-a-stranger" not in answer.text
    (entry,) = (await admin.get("audit", params={"what": "stranger.check"})).json()["items"]
    assert entry["object"] == "partner.invalid"
    assert "hidden-in-the-url" not in str(entry)
    async with hub.client(await hub.make_key(Scope.OPERATE)) as operator:
        assert (await operator.post("/admin/api/checks", json=body)).status_code == 403


async def test_the_overview_tells_what_waits(hub: AdminHub, admin: httpx.AsyncClient) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    await execute(
        hub.database,
        "insert into traffic_minute (minute, received, sent, failed, decided)"
        " values ($1, 5, 3, 1, '{\"emsp\": 2}')",
        now,
    )
    shown = (await admin.get("overview")).json()
    assert [(each["received"], each["sent"]) for each in shown["minutes"]] == [(5, 3)]
    assert shown["minutes"][0]["decided"] == {"emsp": 2}
    assert shown["processes"] is not None
    assert shown["custody"] == []


@pytest.mark.parametrize(("back", "step_s"), [("1h", 60), ("24h", 900), ("7d", 7200)])
async def test_traffic_is_told_in_steps(
    hub: AdminHub, admin: httpx.AsyncClient, back: str, step_s: int
) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    await execute(
        hub.database,
        "insert into traffic_minute (minute, received, sent, failed, decided)"
        " values ($1, 5, 3, 1, '{}')",
        now,
    )
    shown = (await admin.get("traffic", params={"back": back})).json()
    assert shown["step_s"] == step_s
    assert sum(each["received"] for each in shown["steps"]) == 5
    days = (await admin.get("traffic/energy")).json()["items"]
    assert len(days) == 30
    assert {day["cdrs"] for day in days} == {0}
