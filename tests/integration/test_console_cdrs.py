"""Pages about money and evidence: what they show, to whom, and what can be done on them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.store.database import Database
from tests.support.console import Browser, ConsoleHub, console_hub
from tests.support.console_cdrs import bring, seed
from tests.support.directory import insert_platform
from tests.support.metering import Meter, signed_data
from tests.support.stores import execute, value

R = AccountRole
CDRS = "/cdrs/NL*CPO"
DECISION = "/authorizations/2026-10-01T07:58:00.123456Z/correlation-1"


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(database, "p-cpo", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-msp", roles=(("EMSP", "DE*MSP"),))
    await insert_platform(database, "p-rival", roles=(("EMSP", "FR*MSP"),))
    await insert_platform(database, "p-other", roles=(("CPO", "FR*CPO"),))
    await seed(database)
    async with console_hub(database) as running:
        yield running


async def links(browser: Browser, path: str) -> set[str]:
    answer = await browser.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return {each.removeprefix("/console") for each in re.findall(r'href="([^"]+)"', answer.text)}


async def state(console: ConsoleHub, cdr_id: str) -> str:
    sql = "select state from directed_object where module = 'cdrs' and object_id = $1"
    return str(await value(console.hub.database, sql, cdr_id.upper()))


async def test_every_story_leads_to_the_others(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        cdr, session = f"{CDRS}/Good-1", "/sessions/NL*CPO/Session-1"
        quoted = [each.replace("*", "%2A") for each in (cdr, session)]
        decision = DECISION.replace(":", "%3A")
        assert {quoted[0]} <= await links(viewer, "/cdrs")
        assert {quoted[1], decision, "/messages/correlation-1", "/platforms/p-cpo"} <= await links(
            viewer, cdr
        )
        assert {quoted[0], decision, "/messages/correlation-1"} <= await links(viewer, session)
        assert {*quoted, "/messages/correlation-1", "/platforms/p-msp"} <= await links(
            viewer, DECISION
        )
        assert {decision} <= await links(viewer, "/authorizations")
        assert {quoted[1]} <= await links(viewer, "/sessions")


async def test_what_the_overview_counts_is_a_click_away(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        shown = await links(viewer, "/")
        for counted, there in (("held", "Held-1"), ("dead", "Dead-1"), ("refused", "Refused-1")):
            assert f"/cdrs?state={counted}" in shown
            assert f"{CDRS}/{there}".replace("*", "%2A") in await links(
                viewer, f"/cdrs?state={counted}"
            )
        for path in ("/traffic", "/messages?failed=true", "/platforms?state=connected"):
            assert path in shown
            assert (await viewer.get(path)).status_code == 200


async def test_a_cdr_tells_its_figures_price_findings_and_life(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        good = (await viewer.get(f"{CDRS}/good-1")).text
        odd = (await viewer.get(f"{CDRS}/Odd-1")).text
    for text in ("22.500", "element 1", "as it was sent".capitalize(), "differ in: total_energy",
                 "hub, fallback", "Another content came"):  # fmt: skip
        assert text in good, text
    for text in ("total_cost is not the recomputed price", "disputed", "the driver left at 9",
                 "Dispute opened for the EMSP", "differs"):  # fmt: skip
        assert text in odd, text
    assert "Release" not in odd


async def test_signed_meter_data_is_verified_while_one_looks(console: ConsoleHub) -> None:
    meter = Meter()
    begin = datetime(2026, 10, 1, 8, tzinfo=UTC)
    record = meter.session(begin, begin + timedelta(minutes=90), 1000, 23_500)
    for name, text in (("Right-1", record), ("Wrong-1", record.replace("23.500", "24.500"))):
        signed = signed_data(text, key=meter.key).model_dump(mode="json", exclude_unset=True)
        await bring(console.hub.database, name, signed_data=signed)
    async with await console.logged_in(R.VIEWER) as viewer:
        right = (await viewer.get(f"{CDRS}/Right-1")).text
        wrong = (await viewer.get(f"{CDRS}/Wrong-1")).text
    assert '<span class="chip good">valid</span>' in right
    assert "1 / 1" in right
    assert '<span class="chip bad">invalid</span>' in wrong


async def test_a_decision_is_told_in_plain_words(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        text = (await viewer.get(DECISION)).text
    assert "The hub decided in the place of DE*MSP, by the stored token." in text
    assert "DE*MSP did not answer in time." in text
    assert "Answers that came too late" in text
    assert "FR*MSP" in text


async def test_the_ledger_is_filtered_and_is_a_file(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        for query, ids in {
            "stage=held": {"Held-1"},
            "state=dead": {"Dead-1"},
            "flag=price_differs": {"Odd-1"},
            "hold=total_energy_above_limit": {"Held-1"},
            "verdict=differs": {"Odd-1"},
            "disputed=true": {"Odd-1"},
            "owner=FR*CPO": {"Foreign-1"},
            "receiver=FR*MSP": {"Foreign-1"},
            "id=good-1": {"Good-1"},
            "until=2026-01-01T00:00": set(),
        }.items():
            text = (await viewer.get(f"/cdrs?format=csv&{query}")).text
            rows = [line.split(",") for line in text.splitlines()[1:]]
            assert {row[0] for row in rows} == ids, query
        text = (await viewer.get("/cdrs?format=csv&id=odd-1")).text
        assert "22.5,12.0,EUR,3.0,differs,price_differs" in text


async def test_what_waits_for_a_person_is_on_one_page(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        found = await links(viewer, "/cdrs/waiting")
        for cdr_id in ("Held-1", "Dead-1", "REFUSED-1", "Odd-1", "GOOD-1"):
            assert f"/cdrs/NL%2ACPO/{cdr_id}" in found, cdr_id
        assert "/cdrs/NL%2ACPO/REFUSED-1" in await links(viewer, "/gaps?kind=refused_after_ack")
        assert "/cdrs/NL%2ACPO/Odd-1" in await links(viewer, "/disputes?open=true")
        assert "/cdrs/NL%2ACPO/GOOD-1" in await links(viewer, "/conflicts")


async def test_an_operator_decides_about_cdrs_with_a_reason(console: ConsoleHub) -> None:
    async with await console.logged_in(R.OPERATOR, name="otto") as operator:
        page = (await operator.get(f"{CDRS}/Held-1")).text
        assert "Release" in page
        assert "Redrive" not in page
        for word in ("release", "refuse"):
            await operator.post(f"{CDRS}/Held-1/{word}", {"reason": "  "})
            assert await state(console, "Held-1") == "held"
        answer = await operator.post(f"{CDRS}/held-1/release", {"reason": "a truck"})
        assert answer.headers["Location"] == "/console/cdrs/NL%2ACPO/held-1"
        told = (await operator.get(f"{CDRS}/Held-1")).text
        assert "Released" in told
        assert "operator otto, a truck" in told
        await operator.post(f"{CDRS}/Dead-1/confirm", {"reason": "they have it"})
        assert await state(console, "Dead-1") == "delivered"
        await operator.post("/cdrs/redrive", {"receiver": "DE*MSP", "state": "refused"})
        assert await state(console, "Refused-1") in ("pending", "in_flight")
        everything = await operator.post("/cdrs/redrive", {})
        assert (everything.status_code, "say which CDRs" in everything.text) == (409, True)
        await operator.post("/cdrs/check", {"owner": "NL*CPO"})
        assert "examined again soon" in (await operator.get("/cdrs")).text


async def test_a_dispute_is_opened_answered_and_closed(console: ConsoleHub) -> None:
    async with await console.logged_in(R.OPERATOR) as operator:
        path = f"{CDRS}/Good-1/dispute"
        await operator.post(path, {"raised_by": "EMSP", "amount": "-1", "reason": "no"})
        assert "Open a dispute" in (await operator.get(f"{CDRS}/Good-1")).text
        await operator.post(path, {"raised_by": "EMSP", "amount": "1.50", "reason": "too much"})
        assert "Note the answer" in (await operator.get(f"{CDRS}/Good-1")).text
        await operator.post(f"{path}/answer", {"answer": "it is right"})
        await operator.post(f"{path}/close", {"outcome": "rejected", "note": "it stands"})
        told = (await operator.get(f"{CDRS}/Good-1")).text
    for text in ("too much", "it is right", "it stands", "Dispute closed: rejected"):
        assert text in told


async def test_rules_of_a_relation_are_set_where_it_is_edited(console: ConsoleHub) -> None:
    path = "/relations/NL*CPO/DE*MSP/rules"
    async with await console.logged_in(R.ADMIN) as admin:
        await admin.post("/relations/NL*CPO/DE*MSP", {"mode": "realtime"})
        await admin.post(f"{path}/weights", {"price_differs": "hold", "no_tariff": "off"})
        await admin.post(f"{path}/limits", {"energy_kwh": "100", "age_days": "30"})
        told = (await admin.get("/relations/NL*CPO/DE*MSP")).text
        assert "hold: price_differs; off: no_tariff; energy_kwh 100; age_days 30" in told
        await admin.post(f"{path}/limits", {"energy_kwh": "100"})
        await admin.post(f"{path}/weights", {"no_tariff": "hub"})
        told = (await admin.get("/relations/NL*CPO/DE*MSP")).text
        assert "hold: price_differs; energy_kwh 100 " in told
        for form in ({"price_differs": "heavy"}, {"nonsense": "hold"}):
            await admin.post(f"{path}/weights", form)
        await admin.post(f"{path}/limits", {"energy_kwh": "NaN"})
        await admin.post(f"{path}/limits", {"nonsense": "1"})
        assert (
            "hold: price_differs; energy_kwh 100 "
            in (await admin.get("/relations/NL*CPO/DE*MSP")).text
        )


@pytest.mark.parametrize(
    ("platform", "seen"),
    [
        ("p-cpo", {"Good-1", "Odd-1", "Refused-1", "Dead-1", "Held-1"}),
        ("p-msp", {"Good-1", "Odd-1", "Refused-1", "Dead-1"}),
        ("p-rival", {"Foreign-1"}),
        ("p-other", {"Foreign-1"}),
    ],
)
async def test_a_partner_sees_the_cdrs_of_its_own_parties(
    console: ConsoleHub, platform: str, seen: set[str]
) -> None:
    """What is held is kept from its receiver."""
    everything = {"Good-1", "Odd-1", "Refused-1", "Dead-1", "Held-1", "Foreign-1"}
    async with await console.logged_in(R.PARTNER, platform) as partner:
        for query in ("", "?owner=NL*CPO", "?receiver=DE*MSP", "?owner=FR*CPO", "?limit=2"):
            text = (await partner.get(f"/cdrs{query}")).text
            assert not [each for each in everything - seen if f"{each}<" in text], query
        text = (await partner.get("/cdrs?format=csv")).text
        assert {line.split(",")[0] for line in text.splitlines()[1:]} == seen
        for cdr_id in sorted(everything):
            owner = "FR*CPO" if cdr_id == "Foreign-1" else "NL*CPO"
            answer = await partner.get(f"/cdrs/{owner}/{cdr_id}")
            assert answer.status_code == (200 if cdr_id in seen else 404), cdr_id
            assert "Release" not in answer.text
        unknown = (await partner.get(f"{CDRS}/Nothing")).text
        hidden = (await partner.get(f"/cdrs/{'NL*CPO' if 'Held' in unknown else 'FR*CPO'}/x")).text
        strip = re.compile(r"<code>[^<]*</code>|name=\"csrf\" value=\"[^\"]*\"|[\w-]{20,}")
        assert strip.sub("", unknown) == strip.sub("", hidden)
        for path in ("/cdrs/waiting", "/relations/NL*CPO/DE*MSP/rules"):
            assert (await partner.get(path)).status_code == 404
        for word in ("release", "refuse", "redrive", "dispute"):
            assert (await partner.post(f"{CDRS}/Held-1/{word}", {"reason": "x"})).status_code == 404
    assert await state(console, "Held-1") == "held"


async def test_a_partner_sees_its_own_legs_sessions_and_affairs(console: ConsoleHub) -> None:
    async with await console.logged_in(R.PARTNER, "p-msp") as partner:
        told = (await partner.get(DECISION)).text
        assert "DE*MSP" in told
        assert "FR*MSP" not in told
        assert "FR*MSP" not in (await partner.get("/authorizations")).text
        assert "Session-1" in (await partner.get("/sessions")).text
        assert "Odd-1" in (await partner.get("/disputes")).text
        assert "GOOD-1" not in (await partner.get("/conflicts")).text
        # Findings and steps are told without what concerns others.
        odd = (await partner.get(f"{CDRS}/Odd-1")).text
        assert "total_cost is not the recomputed price" in odd
        assert "total_cost is 12, recomputed 9.00" not in odd
    async with await console.logged_in(R.PARTNER, "p-rival", name="rival") as rival:
        for path in (DECISION, "/sessions/NL*CPO/Session-1"):
            assert (await rival.get(path)).status_code == 404
        for path in ("/authorizations", "/authorizations?uid=04AABBCC", "/sessions", "/disputes",
                     "/conflicts", "/gaps", "/authorizations?cdr=NL*CPO/Good-1",
                     "/authorizations?cdr=NL*CPO/Nothing", "/gaps?format=csv"):  # fmt: skip
            answer = await rival.get(path)
            assert answer.status_code == 200, path
            for text in ("04AABBCC</code>", "Session-1", "Odd-1", "GOOD-1", "REFUSED-1"):
                assert text not in answer.text, (path, text)


async def test_an_emsp_that_was_not_asked_is_led_to_no_messages(console: ConsoleHub) -> None:
    legs = "/messages/correlation-1"
    async with await console.logged_in(R.PARTNER, "p-msp") as emsp:
        assert legs in await links(emsp, DECISION)
        await execute(console.hub.database, "update authorization_decision set legs = '[]'")
        assert legs not in await links(emsp, DECISION)
    async with await console.logged_in(R.PARTNER, "p-cpo", name="cpo") as cpo:
        assert legs in await links(cpo, DECISION)


@pytest.mark.parametrize(
    "path",
    [
        "/cdrs/x/y", "/cdrs/NL*CPO/%2e", "/sessions/x/y", "/authorizations/x/y", "/cdrs?owner=x",
        "/authorizations/0001-01-01T00:00:00+23:59/x", "/authorizations?session=x", "/gaps?next=x",
        "/authorizations/9999-12-31T23:59:59.999999Z/x", "/cdrs?next=x", "/relations/x/y/rules",
        "/gaps?expected_after_h=99999999", "/disputes?open=maybe", "/cdrs?since=x",
    ],
)  # fmt: skip
async def test_nonsense_is_the_askers_fault(console: ConsoleHub, path: str) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        assert (await admin.get(path)).status_code in (400, 404)
