"""Bringing a partner on board in the console, beside what the browser tests show."""

from __future__ import annotations

import html
import json
import re
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.registration.failures import Failure
from ocpi_hub.registration.steps import Attempt, Step, StepName
from ocpi_hub.store.check_runs import MOST, CheckRuns
from ocpi_hub.store.database import Database
from ocpi_hub.store.handshake_steps import MOST as MOST_STEPS
from ocpi_hub.store.handshake_steps import MOST_OF_NOBODY, PostgresSteps
from tests.support.console import ConsoleHub, console_hub
from tests.support.directory import insert_platform, insert_token
from tests.support.stores import eventually, execute, value

R = AccountRole
EVIL = "<script>alert(1)</script>\"'"
OWN = PlatformId("p-1")


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    await insert_platform(database, "p-3", roles=(("CPO", "FR*CPO"),))
    async with console_hub(database, default_relation="none") as running:
        yield running


async def test_a_token_is_shown_once_and_kept_nowhere(console: ConsoleHub) -> None:
    database = console.hub.database
    async with await console.logged_in(R.ADMIN) as admin:
        made = await admin.post(
            "/onboarding/invite", {"name": "New", "expected_parties": "BE*NEW cpo\n"}
        )
        token = re.findall(r'id="copy-token">([^<]+)<', made.text)[0]
        platform = await value(database, "select platform_id from platform where name = 'New'")
        again = await admin.get(f"/platforms/{platform}/onboarding")
        assert again.status_code == 200
        assert token not in again.text
        assert "BE*NEW" in (await admin.get(f"/platforms/{platform}")).text
        renewed = await admin.post(f"/platforms/{platform}/invitation")
        other = re.findall(r'id="copy-token">([^<]+)<', renewed.text)[0]
        assert other != token
    kept = await value(database, "select string_agg(audit_entry::text, ' ') from audit_entry")
    assert token not in kept
    assert other not in kept


async def test_the_tokens_of_a_suspended_platform_are_revoked(console: ConsoleHub) -> None:
    database = console.hub.database
    await insert_token(database, "a-leaked-token")
    async with await console.logged_in(R.ADMIN) as admin:
        await admin.post("/platforms/p-1/suspend")
        assert "/platforms/p-1/revoke" in (await admin.get("/platforms/p-1")).text
        assert (await admin.post("/platforms/p-1/revoke")).status_code == 303

        async def revoked() -> bool:
            return not await value(database, "select count(*) from credentials_token")

        await eventually(revoked)
    async with await console.logged_in(R.OPERATOR) as operator:
        assert "/platforms/p-1/revoke" not in (await operator.get("/platforms/p-1")).text


@pytest.mark.parametrize("parties", ["NL*NEW", "NL*NEW CPO more", "NEW CPO", "NL*NEW NOBODY"])
async def test_parties_that_are_none_are_refused(console: ConsoleHub, parties: str) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        answer = await admin.post(
            "/onboarding/invite", {"name": "New", "expected_parties": parties}
        )
        assert answer.status_code == 400
    assert await value(console.hub.database, "select count(*) from platform") == 3


async def test_a_party_that_was_expected_and_did_not_register_is_told(database: Database) -> None:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"), ("CPO", "NL*TWO")))
    await execute(database, "update party_role set active = false where party_id = 'TWO'")
    async with console_hub(database) as console, await console.logged_in(R.VIEWER) as viewer:
        page = (await viewer.get("/platforms/p-1/onboarding")).text
        assert re.search(r"<dt>Parties</dt><dd>NL\*CPO CPO</dd>", page)
        assert re.search(r"<dt>Suspended: not registered</dt><dd>NL\*TWO CPO</dd>", page)


async def test_by_file_needs_no_handshake(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        made = await admin.post("/onboarding/by-file", {"name": "Files", "parties": "BE*FIL CPO"})
        assert made.status_code == 303
        page = await admin.get(made.headers["Location"].removeprefix("/console"))
        assert "by file: not needed" in page.text


async def test_steps_are_text_and_belong_to_one_platform(console: ConsoleHub) -> None:
    steps = PostgresSteps(console.hub.database)
    step = Step(StepName.VERSIONS, f"GET https://x.example/{EVIL}", EVIL, 200, EVIL,
                Failure.HTML, EVIL, 5)  # fmt: skip
    await steps.note(Attempt.new(OWN), step)
    nobody = Attempt.new()
    await steps.note(nobody, step)
    async with (
        await console.logged_in(R.VIEWER) as viewer,
        await console.logged_in(R.PARTNER, "p-1", "one") as one,
        await console.logged_in(R.PARTNER, "p-2", "two") as two,
    ):
        attempt = f"/onboarding/attempts/{nobody.attempt_id}"
        for browser, path in (
            (viewer, "/platforms/p-1/onboarding"),
            (viewer, attempt),
            (viewer, "/onboarding"),
            (one, "/platforms/p-1/onboarding"),
        ):
            shown = await browser.get(path)
            assert shown.status_code == 200
            assert html.escape(EVIL, quote=False)[:20] in shown.text
            assert "<script>alert" not in shown.text
        assert "web page and not OCPI" in (await one.get("/platforms/p-1/onboarding")).text
        for path in ("/platforms/p-1/onboarding", "/platforms/p-1/onboarding/live", attempt):
            assert (await two.get(path)).status_code == 404
        assert (await viewer.get("/onboarding/attempts/nonsense")).status_code == 404
        assert (await viewer.post("/onboarding/invite", {"name": "x"})).status_code == 403


async def test_steps_are_bounded(console: ConsoleHub) -> None:
    database, steps = console.hub.database, PostgresSteps(console.hub.database)
    insert = "insert into handshake_step (attempt, platform_id, step, request)"
    for platform, most in (("'p-1'", MOST_STEPS), ("null", MOST_OF_NOBODY)):
        await execute(
            database,
            f"{insert} select gen_random_uuid(), {platform}, 'versions', 'x'"  # noqa: S608
            f" from generate_series(1, {most + 50})",
        )
    for attempt in (Attempt.new(OWN), Attempt.new()):
        await steps.note(attempt, Step(StepName.VERSIONS, "the newest"))
    counts = "select count(*) as n from handshake_step group by platform_id"
    numbers = f"select array_agg(n order by n) from ({counts}) as counts"  # noqa: S608
    assert await value(database, numbers) == [MOST_STEPS, MOST_OF_NOBODY]
    assert (await steps.of_platform(OWN))[-1].step.request == "the newest"


async def test_a_step_of_a_platform_that_went_or_a_lost_database_harms_nothing(
    console: ConsoleHub,
) -> None:
    steps = PostgresSteps(console.hub.database)
    attempt = Attempt.new(PlatformId("p-gone"))
    await steps.note(attempt, Step(StepName.VERSIONS, "x"))
    assert await value(console.hub.database, "select count(*) from handshake_step") == 0
    await steps.note(Attempt.new(OWN), Step(StepName.VERSIONS, "x"))
    await steps.belongs(attempt, PlatformId("p-gone"))
    await execute(console.hub.database, "alter table handshake_step rename to away")
    await steps.note(Attempt.new(OWN), Step(StepName.VERSIONS, "x"))
    await steps.belongs(attempt, OWN)


async def test_relations_of_a_new_partner_are_set_in_one_form(console: ConsoleHub) -> None:
    path = "/platforms/p-2/onboarding/relations"
    async with (
        await console.logged_in(R.ADMIN) as admin,
        await console.logged_in(R.PARTNER, "p-2", "two") as two,
    ):
        assert "FR*CPO" in (await admin.get(path)).text
        assert "FR*CPO" not in (await two.get(path)).text
        form = {"NL*CPO/DE*MSP": "realtime", "FR*CPO/DE*MSP": "none"}
        assert (await admin.post(path, form)).status_code == 303
        modes = "select array_agg(mode order by mode) from relation"
        assert await value(console.hub.database, modes) == ["realtime"]
        await admin.post("/relations/FR*CPO/DE*MSP", {"mode": "none"})
        for page in (path, "/relations"):
            shown = await two.get(page)
            assert "NL*CPO" in shown.text, page
            assert "FR*CPO" not in shown.text, page
        for wrong in ({"NL*CPO/FR*CPO": "realtime"}, {"x": "y"}, {"NL*CPO/DE*MSP": "evil"}):
            assert (await admin.post(path, wrong)).status_code == 400
        assert (await two.post(path, form)).status_code == 404


async def test_one_self_test_at_a_time_and_a_dead_one_is_over(console: ConsoleHub) -> None:
    database = console.hub.database
    runs = CheckRuns(database)
    first = await runs.begin(OWN, "anna", writes=False, partners_pause=None)
    assert isinstance(first, uuid.UUID)
    async with (
        await console.logged_in(R.OPERATOR) as operator,
        await console.logged_in(R.PARTNER, "p-1", "one") as one,
        await console.logged_in(R.PARTNER, "p-2", "two") as two,
    ):
        path = f"/platforms/p-1/checks/{first}"
        assert "of 0 checks" in (await one.get(path)).text
        for wrong in (path.replace("p-1", "p-2"), "/platforms/p-1/checks", f"{path}/live"):
            assert (await two.get(wrong)).status_code == 404
        refused = await operator.post("/platforms/p-1/checks", {"x": "y"})
        assert refused.status_code == 409
        await execute(database, "update check_run set noted_at = now() - interval '1 hour'")
        second = await runs.begin(OWN, "anna", writes=False, partners_pause=None)
        assert isinstance(second, uuid.UUID)
        assert "its process ended" in (await one.get(path)).text
        await runs.end(second, report={"counts": {"passed": 1}, "conforms": True})
        assert json.loads(str(await runs.report(OWN, second)))["conforms"]
        assert await runs.report(PlatformId("p-2"), second) is None
    for _ in range(MOST + 3):
        run = await runs.begin(OWN, "anna", writes=False, partners_pause=None)
        assert isinstance(run, uuid.UUID)
        await runs.end(run, error="x")
    assert len(await runs.list(OWN)) == MOST
    assert await value(database, "select count(*) from check_run") <= MOST + 1


async def test_a_platform_is_removed_after_it_was_asked_for(console: ConsoleHub) -> None:
    await PostgresSteps(console.hub.database).note(Attempt.new(OWN), Step(StepName.VERSIONS, "x"))
    async with (
        await console.logged_in(R.OPERATOR) as operator,
        await console.logged_in(R.ADMIN) as admin,
    ):
        assert (await operator.post("/platforms/p-1/remove")).status_code == 403
        shown = (await admin.get("/platforms/p-1")).text
        assert "data-confirm" in shown
        assert (await admin.post("/platforms/p-1/remove")).status_code == 303
        assert (await admin.get("/platforms/p-1/onboarding")).status_code == 404
    assert await value(console.hub.database, "select count(*) from handshake_step") == 0


async def test_a_partners_login_is_made_on_its_platforms_page(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        made = await admin.post("/platforms/p-1/accounts", {"name": "engineer"})
        assert "shown this once" in made.text
        assert (await admin.post("/platforms/p-9/accounts", {"name": "x"})).status_code == 404
    account = await console.accounts.find("engineer")
    assert (account.role, account.platform_id) == (R.PARTNER, "p-1")
