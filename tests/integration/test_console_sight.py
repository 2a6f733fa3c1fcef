"""What a partner's pages keep from it: texts about others, and CDRs that the hub keeps back."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

import pytest
import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.admin.actions import cdrs
from ocpi_hub.admin.keys import Scope
from ocpi_hub.clearing.ledger import CdrFinding, Examination, ledger_facts
from ocpi_hub.console.pages import all_pages
from ocpi_hub.delivery.custody import Intake, Start
from ocpi_hub.delivery.verdict import Delivered
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Database
from tests.support.console import ConsoleHub, console_hub
from tests.support.console_cdrs import seed
from tests.support.directory import insert_platform
from tests.support.factories import CPO, cdr, text, token
from tests.support.stores import OK, custody_store, ended, make_intake, taken

R = AccountRole
FOUND = CdrFinding("credit_receiver", "the CDR X that it takes back went to FR*MSP", hold=True)


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(database, "p-cpo", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-msp", roles=(("EMSP", "DE*MSP"),))
    async with custody_store(database) as store:
        for cdr_id in ("Freed-1", "Held-1"):
            await store.take_in(replace(_intake(cdr_id, Start.HOLD), reason=FOUND.text))
        session = make_intake("S-1", body=json.dumps(_session()))
        key = ObjectKey(Module.SESSIONS.value, CPO, "S-1")
        await store.record(ended(await taken(store, replace(session, key=key)), Delivered(OK)))
    admin = CustodyAdmin(database, Module.CDRS.value)
    await cdrs.release(admin, CPO, "Freed-1", reason="FR*MSP agrees")
    async with console_hub(database) as running:
        yield running


def _intake(cdr_id: str, start: Start) -> Intake:
    body = json.dumps(cdr(cdr_id, session_id="S-1"))
    facts = ledger_facts(CDR.model_validate_json(body))
    intake = make_intake(cdr_id, body=body, start=start)
    return replace(intake, examined=Examination(facts, (FOUND,), complete=True))


def _session() -> dict[str, object]:
    return {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "S-1",
        "start_date_time": "2026-10-01T08:00:00Z",
        "kwh": 1,
        "cdr_token": cdr()["cdr_token"],
        "auth_method": "AUTH_REQUEST",
        "location_id": "LOC1",
        "evse_uid": "EVSE1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "COMPLETED",
        "last_updated": "2026-10-01T09:31:00Z",
    }


PAGES = (
    "/cdrs", "/cdrs?format=csv", "/cdrs/NL*CPO/Freed-1", "/sessions/NL*CPO/S-1",
    "/sessions", "/gaps", "/gaps?format=csv", "/disputes", "/authorizations",
)  # fmt: skip


@pytest.mark.parametrize("platform", ["p-msp", "p-cpo"])
async def test_only_the_owner_reads_what_may_name_others(
    console: ConsoleHub, platform: str
) -> None:
    async with await console.logged_in(R.PARTNER, platform) as partner:
        pages = {path: await partner.get(path) for path in PAGES}
        held = await partner.get("/cdrs/NL*CPO/Held-1")
    assert {answer.status_code for answer in pages.values()} == {200}
    together = " ".join(answer.text for answer in pages.values())
    assert ("FR*MSP" in together) is (platform == "p-cpo")
    assert ("Held-1" in together) is (platform == "p-cpo")
    assert held.status_code == (200 if platform == "p-cpo" else 404)


OF_OTHERS = {
    "platform": "p-cpo", "cpo": "NL*CPO", "emsp": "DE*MSP", "owner": "NL*CPO", "receiver": "DE*MSP",
    "location": "LOC1", "month": "2026-10", "module": "cdrs", "run": "1", "id": "Good-1",
    "at": "2026-10-01T07:58:00.123456Z", "correlation_id": "correlation-1",
}  # fmt: skip


async def test_a_rival_finds_nothing_of_others_on_any_page(database: Database) -> None:
    await insert_platform(database, "p-cpo", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-msp", roles=(("EMSP", "DE*MSP"),))
    await insert_platform(database, "p-rival", roles=(("EMSP", "FR*MSP"), ("CPO", "BE*CPO")))
    await seed(database)
    pages = [page for page in all_pages() if page.method == "GET" and page.partner]
    async with (
        console_hub(database) as console,
        await console.logged_in(R.PARTNER, "p-rival") as rival,
    ):
        for page in pages:
            if page.path.endswith("live"):
                continue
            path = re.sub(r"\{(\w+)\}", lambda found: OF_OTHERS[found[1]], page.path)
            for query in ("", "?format=csv", "?owner=NL*CPO", "?platform=p-cpo"):
                answer = await rival.get(path + query)
                assert answer.status_code in (200, 303, 304, 400, 404), (path, answer.status_code)
                told = answer.text.replace(path, "").replace(quote(path), "")
                for name in ("NL*CPO", "DE*MSP", "p-cpo", "p-msp", "04AABBCC", "Good-1"):
                    if name not in query:
                        assert name not in told, (path + query, name)


async def test_what_is_masked_leads_to_nothing_that_is_not(database: Database) -> None:
    await insert_platform(database, "p-cpo", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-msp", roles=(("EMSP", "DE*MSP"),))
    await seed(database)
    file = {"format": "jsonl", "content": text(token()), "emsp": "DE*MSP"}
    async with console_hub(database) as console:
        key = await console.hub.make_key(Scope.OPERATE)
        async with console.hub.client(key) as api:
            done = await api.post("/admin/api/token-imports", json=file)
            assert done.status_code == 200, done.text
        seen = {}
        for role in (R.VIEWER, R.OPERATOR):
            async with await console.logged_in(role) as browser:
                listed = await browser.get("/tokens?uid=04AABBCC&format=csv")
                shown = await browser.get("/tokens?uid=04AABBCC")
                (path,) = set(re.findall(r'href="/console(/tokens/\d+)"', shown.text))
                seen[role] = listed.text + (await browser.get(path)).text
    for mark in ("04AABBCC", "/console/authorizations/", "/console/messages/"):
        assert mark not in seen[R.VIEWER], mark
        assert mark in seen[R.OPERATOR], mark
