"""What operators do over HTTP: the same as the commands do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ocpi_hub.delivery.custody import Start
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.ocpi.headers import authorization
from tests.support.admin import PUBLIC_URL, AdminHub
from tests.support.directory import insert_platform
from tests.support.stores import custody_store, execute, make_intake, state_of, taken


async def test_an_invitation_lets_the_partner_in(hub: AdminHub, admin: httpx.AsyncClient) -> None:
    answer = await admin.post("platforms", json={"name": "Charge Co"})
    assert answer.status_code == 201
    invited = answer.json()
    assert invited["versions_url"] == f"{PUBLIC_URL}/ocpi/versions"
    shown = (await admin.get(f"platforms/{invited['platform']}")).json()
    assert (shown["name"], shown["state"]) == ("Charge Co", "invited")
    assert invited["token"] not in str(shown)
    async with hub.client() as partner:
        partner.headers["Authorization"] = authorization(invited["token"])
        assert (await partner.get("/ocpi/versions")).status_code == 200

    again = await admin.post(
        f"platforms/{invited['platform']}/invitation", json={"name": "Charge & Co"}
    )
    assert again.status_code == 201
    assert again.json()["token"] != invited["token"]
    assert (await admin.post("platforms/p-0/invitation", json={})).status_code == 404


async def test_an_invitation_names_the_parties_that_are_planned(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    one, two = {"party": "AT*ONE", "role": "CPO"}, {"party": "AT*TWO", "role": "EMSP"}
    answer = await admin.post("platforms", json={"name": "New Co", "expected_parties": [one]})
    assert answer.status_code == 201
    platform = answer.json()["platform"]
    renewed = await admin.post(
        f"platforms/{platform}/invitation", json={"expected_parties": [one, two]}
    )
    assert renewed.status_code == 201
    shown = (await admin.get(f"platforms/{platform}")).json()
    assert shown["parties"] == [{**each, "status": "PLANNED"} for each in (one, two)]
    for taken_or_wrong in (
        {"party": "NL*CPO", "role": "CPO"},
        {"party": "EU*HUB", "role": "CPO"},
        {"party": "AT*ALL", "role": "HUB"},
        {"party": "AT*ALL", "role": "KING"},
        {"party": "AT", "role": "CPO"},
    ):
        body = {"name": "Other Co", "expected_parties": [taken_or_wrong]}
        assert (await admin.post("platforms", json=body)).status_code in (400, 409, 422)
    assert len((await admin.get("platforms")).json()["items"]) == 3


async def test_suspend_answers_when_nothing_passes_any_more(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    async with hub.client() as partner:
        partner.headers["Authorization"] = authorization("of-p-1")
        assert (await partner.get("/ocpi/versions")).status_code == 200
        assert (await admin.post("platforms/p-1/suspend")).json()["state"] == "suspended"
        assert (await partner.get("/ocpi/versions")).status_code == 403
        assert (await admin.post("platforms/p-1/resume")).json()["state"] == "connected"
        assert (await partner.get("/ocpi/versions")).status_code == 200
    answer = await admin.post("platforms/p-1/resume")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "conflict"


async def test_settings_of_a_platform_are_changed(admin: httpx.AsyncClient) -> None:
    body = {
        "name": "New",
        "quirks": {"no_patch": True, "raw_token": False},
        "page_limit": 5,
        "catch_up": "pull",
        "allow_parties": ["NL*NEW"],
        "custom_modules": {"NLtnm-tokens": True, "nltnm-other": False},
    }
    answer = await admin.patch("platforms/p-1", json=body)
    assert answer.status_code == 200
    assert answer.json()["quirks"] == ["no_patch"]
    shown = (await admin.get("platforms/p-1")).json()
    assert (shown["name"], shown["page_limit"], shown["catch_up"]) == ("New", 5, "pull")
    assert shown["allowed_parties"] == ["NL*NEW"]
    assert shown["custom_modules"] == ["nltnm-tokens"]
    assert (await admin.patch("platforms/p-0", json=body)).status_code == 404


async def test_a_platform_with_objects_in_custody_is_removed_by_force_only(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    async with custody_store(hub.database) as store:
        await taken(store, make_intake())
    assert (await admin.delete("platforms/p-1")).status_code == 409
    answer = await admin.delete("platforms/p-1", params={"force": "true"})
    assert answer.json() == {"platform": "p-1", "removed": True}
    assert (await admin.get("platforms/p-1")).status_code == 404


async def test_a_relation_is_made_and_changed(admin: httpx.AsyncClient) -> None:
    made = await admin.patch("relations/NL*CPO/DE*MSP", json={"mode": "whitelist"})
    assert made.json()["mode"] == "whitelist"
    body = {"mode": "realtime", "authorize_budget_ms": 700}
    await admin.patch("relations/NL*CPO/DE*MSP", json=body)
    (item,) = (await admin.get("relations")).json()["items"]
    assert (item["mode"], item["authorize_budget_ms"]) == ("realtime", 700)
    wrong = await admin.patch("relations/DE*MSP/NL*CPO", json={"mode": "none"})
    assert wrong.status_code == 409
    assert "write the CPO first" in wrong.json()["error"]["message"]


@pytest.mark.parametrize(
    ("word", "body", "before", "after"),
    [
        ("release", {"reason": "a truck"}, "held", DirectedState.PENDING),
        ("refuse", {"reason": "meter fault"}, "held", DirectedState.REFUSED),
        ("confirm", {"reason": "they have it"}, "dead", DirectedState.DELIVERED),
        ("redrive", {}, "dead", DirectedState.PENDING),
    ],
)
async def test_a_decision_about_a_cdr_is_carried_out(
    hub: AdminHub,
    admin: httpx.AsyncClient,
    word: str,
    body: dict[str, Any],
    before: str,
    after: DirectedState,
) -> None:
    async with custody_store(hub.database) as store:
        await store.take_in(make_intake(body='{"id":"CDR-1"}', start=Start.HOLD))
        await execute(hub.database, "update directed_object set state = $1", before)
        answer = await admin.post(f"cdrs/NL*CPO/CDR-1/{word}", json=body)
        assert answer.status_code == 200, answer.text
        assert await state_of(store) is after
    expected = {"redriven": 1} if word == "redrive" else {"owner": "NL*CPO", "id": "CDR-1",
                                                          "state": after.value}  # fmt: skip
    assert answer.json() == expected
    again = await admin.post(f"cdrs/NL*CPO/CDR-1/{word}", json=body)
    # What waits may be sent again at any time.
    assert again.status_code == (200 if word == "redrive" else 409)
    assert (await admin.post(f"cdrs/NL*CPO/CDR-0/{word}", json=body)).status_code == 404


async def test_all_that_waits_for_an_emsp_is_redriven(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    async with custody_store(hub.database) as store:
        for number in range(3):
            await store.take_in(make_intake(f"CDR-{number}", start=Start.HOLD))
    await execute(
        hub.database, "update directed_object set state = 'dead' where object_id <> 'CDR-0'"
    )
    assert (await admin.post("cdrs/redrive", json={"receiver": "DE*MSP"})).json() == {"redriven": 2}
    assert (await admin.post("cdrs/redrive", json={"receiver": "FR*MSP"})).json() == {"redriven": 0}


async def test_a_handshake_that_fails_says_why(admin: httpx.AsyncClient) -> None:
    body = {"versions_url": "http://127.0.0.1:1/ocpi/versions", "token": "their-token-a"}
    answer = await admin.post("connections", json=body)
    assert answer.status_code == 409
    assert "their-token-a" not in answer.text
    assert (await admin.post("platforms/p-0/rotate")).status_code == 404


async def test_a_relation_of_an_emsp_and_its_scsp_has_the_emsp_first(
    hub: AdminHub, admin: httpx.AsyncClient
) -> None:
    await insert_platform(hub.database, "p-3", roles=(("SCSP", "FR*SCS"),))
    made = await admin.patch("relations/DE*MSP/FR*SCS", json={"mode": "realtime"})
    assert made.json()["mode"] == "realtime"
    wrong = await admin.patch("relations/FR*SCS/DE*MSP", json={"mode": "realtime"})
    assert wrong.status_code == 409
