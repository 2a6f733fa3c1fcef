"""Who sees which page of the console; tried as an attacker would."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages import all_pages
from ocpi_hub.store.accounts import FREE_ACCOUNT, FREE_ADDRESS
from ocpi_hub.store.database import Database
from tests.support.console import PASSWORD, Browser, ConsoleHub, console_hub
from tests.support.directory import insert_platform
from tests.support.stores import execute, value

EVIL = "<script>alert(1)</script>\"'&amp;"
SESSION = "ocpi-hub-session"

R = AccountRole


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    await insert_platform(database, "p-3", roles=(("CPO", "FR*CPO"),))
    async with console_hub(database) as running:
        yield running


def filled(page: Page) -> str:
    """A path of this page; what it names belongs to p-2, or does not exist."""
    path = page.path.replace("{platform}", "p-2").replace("{cpo}", "FR*CPO")
    path = path.replace("{emsp}", "DE*MSP").replace("{entry}", "1")
    return re.sub(r"\{\w+\}", "nothing", path)


async def ask(browser: Browser, page: Page) -> httpx.Response:
    if page.method == "POST":
        return await browser.post(filled(page))
    headers = {"Accept": "text/event-stream"} if page.path.endswith("live") else {}
    async with browser.client.stream("GET", f"/console{filled(page)}", headers=headers) as answer:
        if "text/event-stream" not in answer.headers.get("Content-Type", ""):
            await answer.aread()
        return answer


@pytest.mark.parametrize("role", [None, *R])
async def test_every_page_is_open_to_whom_it_says_and_to_nobody_else(
    console: ConsoleHub, role: AccountRole | None
) -> None:
    pages = [page for page in all_pages() if page.path != "/logout"]
    assert len(pages) > 15
    platform = "p-1" if role is R.PARTNER else None
    browser = await console.logged_in(role, platform) if role else console.browser()
    async with browser:
        for page in pages:
            answer = await ask(browser, page)
            name = f"{page.method} {page.path} as {role}: {answer.status_code}"
            assert answer.status_code < 500, name
            assert "ocpi_hub" not in answer.headers.get("Location", "")
            if page.public:
                assert answer.status_code in (200, 303, 401), name
            elif role is None:
                away = answer.headers.get("Location", "").startswith("/console/login")
                assert away or answer.status_code == 204, name
            elif role is R.PARTNER:
                assert page.partner or answer.status_code == 404, name
            elif page.needs is None or (role.scope and _includes(role, page)):
                assert answer.status_code not in (401, 403), name
            else:
                assert answer.status_code == 403, name


def _includes(role: AccountRole, page: Page) -> bool:
    order = ["read", "operate", "admin"]
    scope = role.scope
    return (
        scope is not None
        and page.needs is not None
        and (order.index(scope) >= order.index(page.needs))
    )


async def test_partner_sees_its_platform_and_no_other(console: ConsoleHub) -> None:
    async with await console.logged_in(R.PARTNER, "p-1") as partner:
        start = await partner.get("/")
        assert start.headers["Location"] == "/console/platforms/p-1/onboarding"
        own = await partner.get("/platforms/p-1")
        assert own.status_code == 200
        assert "Suspend" not in own.text
        for path in ("/platforms/p-2", "/platforms/p-9", "/relations/FR*CPO/DE*MSP"):
            answer = await partner.get(path)
            assert answer.status_code == 404
            assert "p-2" not in answer.text
        for path in ("/platforms", "/platforms?q=p-2", "/platforms?format=csv", "/relations"):
            answer = await partner.get(path)
            assert answer.status_code == 200
            assert "EMSP DE*MSP" not in answer.text
            assert "/platforms/p-2" not in answer.text
            assert "FR*CPO" not in answer.text
        for path in (
            "/platforms/p-1/suspend",
            "/platforms/p-2/suspend",
            "/relations/NL*CPO/DE*MSP",
        ):
            assert (await partner.post(path, {"mode": "realtime"})).status_code == 404
    assert await value(console.hub.database, "select count(*) from relation") == 0


async def test_viewer_cannot_post(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        shown = await viewer.get("/platforms/p-1")
        assert "Suspend" not in shown.text
        assert (await viewer.post("/platforms/p-1/suspend")).status_code == 403
    state = await value(
        console.hub.database, "select state from platform where platform_id = 'p-1'"
    )
    assert state == "connected"


async def test_form_without_token_or_from_elsewhere_is_refused(console: ConsoleHub) -> None:
    async with (
        await console.logged_in(R.ADMIN) as admin,
        await console.logged_in(R.ADMIN, name="another") as other,
    ):
        path = "/platforms/p-1/suspend"
        for token in ("", "wrong", await other.token()):
            assert (await admin.post(path, {"csrf": token})).status_code == 403
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert (await admin.post(path, headers=headers)).status_code == 403
        plain = await admin.client.post(f"/console{path}", json={"csrf": await admin.token()})
        assert plain.status_code == 400
        assert (await admin.post(path)).status_code == 303
        header = {"X-CSRF-Token": await admin.token()}
        answer = await admin.client.post("/console/platforms/p-1/resume", data={}, headers=header)
        assert answer.status_code == 400  # no form at all
        answer = await admin.client.post(
            "/console/platforms/p-1/resume", data={"x": "y"}, headers=header
        )
        assert answer.status_code == 303


async def test_login_makes_a_new_session_whatever_was_planted(console: ConsoleHub) -> None:
    await console.account("anna", R.ADMIN)
    async with console.browser() as browser:
        planted = "planted"
        browser.client.cookies.set(SESSION, planted, path="/console")
        assert (await browser.log_in("anna")).status_code == 303
        values = [cookie.value for cookie in browser.client.cookies.jar if cookie.name == SESSION]
        assert values
        async with console.browser() as attacker:
            attacker.client.cookies.set(SESSION, planted, path="/console")
            assert (await attacker.get("/platforms")).status_code == 303
    digests = await value(console.hub.database, "select count(*) from login_session")
    assert digests == 1


async def test_cookie_and_headers_protect_the_session(console: ConsoleHub) -> None:
    await console.account("anna", R.ADMIN)
    async with console.browser() as browser:
        answer = await browser.log_in("anna", to="/platforms?q=x")
        assert answer.headers["Location"] == "/console/platforms?q=x"
        session = next(each for each in answer.headers.get_list("Set-Cookie") if SESSION in each)
        assert "HttpOnly" in session
        assert "SameSite=Lax" in session
        page = await browser.get("/platforms")
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Frame-Options"] == "DENY"
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]* src=)| on\w+=|<style| style=", page.text)
        for url in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert html.unescape(url).startswith(("/console/", "?", "#"))


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "x"])
async def test_login_leads_nowhere_else(console: ConsoleHub, to: str) -> None:
    await console.account("anna", R.ADMIN)
    async with console.browser() as browser:
        answer = await browser.log_in("anna", to=to)
        assert answer.headers["Location"] == "/console/"


async def test_disabled_account_is_out_at_once(console: ConsoleHub) -> None:
    async with (
        await console.logged_in(R.ADMIN) as admin,
        await console.logged_in(R.VIEWER, name="otto") as otto,
    ):
        account = (await console.accounts.find("otto")).account_id
        assert (await admin.post(f"/accounts/{account}/disable")).status_code == 303
        assert (await otto.get("/platforms")).status_code == 303
        assert (await otto.log_in("otto")).status_code == 401
        assert (await admin.post(f"/accounts/{account}/enable")).status_code == 303
        assert (await otto.log_in("otto")).status_code == 303
        # The last admin stays.
        own = (await console.accounts.find("a admin")).account_id
        await admin.post(f"/accounts/{own}/disable")
        assert (await admin.get("/platforms")).status_code == 200


async def test_sessions_end_unused_and_in_any_case(console: ConsoleHub) -> None:
    for column, age in (("used_at", "61 minutes"), ("created_at", "13 hours")):
        async with await console.logged_in(R.VIEWER, name=column) as viewer:
            assert (await viewer.get("/platforms")).status_code == 200
            sql = f"update login_session set {column} = now() - interval '{age}'"  # noqa: S608
            await execute(console.hub.database, sql)
            assert (await viewer.get("/platforms")).status_code == 303


async def test_many_failed_logins_have_to_wait_but_not_in_a_known_browser(
    console: ConsoleHub,
) -> None:
    async with await console.logged_in(R.ADMIN, name="anna") as known, console.browser() as guess:
        for _ in range(FREE_ACCOUNT):
            assert (await guess.log_in("anna", "wrong")).status_code == 401
        assert (await guess.log_in("ANNA")).status_code == 429
        assert (await known.log_in("anna")).status_code == 303
        longest = "select max(blocked_until) <= now() + interval '1 minute' from login_failure"
        assert await value(console.hub.database, longest)
        await execute(console.hub.database, "update login_failure set blocked_until = now()")
        assert (await guess.log_in("anna")).status_code == 303


async def test_an_address_cannot_try_one_account_after_the_other(console: ConsoleHub) -> None:
    async with console.browser() as guess:
        answers = [
            (await guess.log_in(f"nobody {number}", "wrong")).status_code
            for number in range(FREE_ADDRESS + 1)
        ]
    assert answers[:-1] == [401] * FREE_ADDRESS
    assert answers[-1] == 429


async def test_failed_logins_survive_a_restart(database: Database) -> None:
    async with console_hub(database) as console:
        await console.account("anna", R.ADMIN)
        async with console.browser() as guess:
            for _ in range(FREE_ACCOUNT):
                await guess.log_in("anna", "wrong")
    async with console_hub(database) as console, console.browser() as guess:
        await execute(database, "update login_failure set blocked_until = now()")
        assert (await guess.log_in("anna", "wrong")).status_code == 401
        assert (await guess.log_in("anna")).status_code == 429


async def test_a_password_of_somebody_else_has_to_be_changed_first(console: ConsoleHub) -> None:
    await console.account("otto", R.OPERATOR, must_change=True)
    async with console.browser() as otto, console.browser() as elsewhere:
        assert (await otto.log_in("otto")).headers["Location"] == "/console/password"
        await elsewhere.log_in("otto")
        assert (await otto.get("/platforms")).headers["Location"] == "/console/password"
        new = "a better password"
        form = {"old": PASSWORD, "new": new, "again": new}
        for wrong in ({"again": "x"}, {"old": "x"}, {"new": PASSWORD, "again": PASSWORD}):
            await otto.post("/password", {**form, **wrong})
            assert (await otto.get("/platforms")).status_code == 303
        await otto.post("/password", {**form, "new": "short", "again": "short"})
        await otto.post("/password", form)
        assert (await otto.get("/platforms")).status_code == 200
        assert (await elsewhere.get("/password")).status_code == 303


async def test_logout_ends_the_session_for_good(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        cookies = dict(viewer.client.cookies)
        assert (await viewer.post("/logout")).status_code == 303
        viewer.client.cookies.set(SESSION, cookies[SESSION], path="/console")
        assert (await viewer.get("/platforms")).status_code == 303


async def test_names_are_text_wherever_they_stand(console: ConsoleHub) -> None:
    sql = "update platform set name = $1 where platform_id = 'p-1'"
    await execute(console.hub.database, sql, EVIL)
    await console.account(EVIL, R.VIEWER)
    async with await console.logged_in(R.ADMIN, name=f"admin {EVIL}"[:100]) as admin:
        await admin.post("/platforms/p-1/set", {"name": EVIL, "page_limit": "5"})
        account = (await console.accounts.find(EVIL)).account_id
        for path in (
            "/platforms", "/platforms/p-1", "/relations", "/accounts", f"/accounts/{account}",
            "/audit", "/audit/1", f"/platforms?q={EVIL}", f"/relations?q={EVIL}",
            f"/audit?object={EVIL}", f"/platforms?state={EVIL}", f"/{EVIL}", "/",
        ):  # fmt: skip
            answer = await admin.get(path)
            assert "<script>alert" not in answer.text
            assert answer.status_code in (200, 400, 404)


async def test_a_file_of_a_list_holds_no_formulas(console: ConsoleHub) -> None:
    sql = "update platform set name = $1 where platform_id = 'p-1'"
    await execute(console.hub.database, sql, '=HYPERLINK("http://evil.example")')
    async with await console.logged_in(R.VIEWER) as viewer:
        answer = await viewer.get("/platforms?format=csv")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert "'=HYPERLINK" in answer.text
        assert len(answer.text.splitlines()) == 4


async def test_every_deed_is_in_the_audit_log_without_secrets(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN, name="anna") as admin:
        await admin.post("/platforms/p-1/suspend")
        await admin.post("/platforms/p-1/suspend", headers={"X-Correlation-ID": "my-correlation"})
        await admin.post("/platforms/p-1/resume")
        await admin.post("/platforms/p-1/resume")
        made = await admin.post("/accounts", {"name": "otto", "role": "viewer"})
        password = re.findall(r"<code>([^<]+)</code>", made.text)[-1]
        await admin.post("/relations/NL*CPO/DE*MSP", {"mode": "whitelist"})
        entries = await admin.get("/audit?format=csv")
    whats = [line.split(",")[2] for line in entries.text.splitlines()[1:]]
    assert whats == [
        "relation.set", "account.create", "platform.resume", "platform.resume",
        "platform.suspend", "platform.suspend", "account.login",
    ]  # fmt: skip
    rows = "select string_agg(audit_entry::text, ' ') from audit_entry"
    kept = await value(console.hub.database, rows)
    assert password not in kept
    assert "argon2" not in kept
    assert "my-correlation" in kept
    outcomes = "select array_agg(outcome order by id) from audit_entry where what like 'platform%'"
    assert await value(console.hub.database, outcomes) == ["done", "done", "done", "refused"]
    before = "select concat(before ->> 'state', after ->> 'state') from audit_entry where what = $1"
    assert await value(console.hub.database, before, "platform.suspend") == "connectedsuspended"


async def test_overview_is_alive_until_logout(console: ConsoleHub) -> None:
    async with await console.logged_in(R.VIEWER) as viewer:
        stream = viewer.client.stream(
            "GET", "/console/live", headers={"Accept": "text/event-stream"}, timeout=30
        )
        async with stream as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            async for line in lines:
                if line.startswith("data:"):
                    break
            await viewer.post("/logout")
            async for _ in lines:
                pass
        assert (
            await viewer.get("/live", headers={"Accept": "text/event-stream"})
        ).status_code == 204


@pytest.mark.parametrize(
    "path",
    [
        "/audit?object=%00", "/audit?object=%ed%a0%80", "/audit?next=x", "/audit?limit=0",
        "/audit?since=x", "/audit/%00", "/platforms?sort=x", "/platforms?nonsense=1",
        "/platforms/%00", "/relations/x/y", f"/audit/{'9' * 5000}", "/accounts/%2e%2e%2f",
        "/static/x/y", "/static/x/..%2f..%2ftexts.py", "/platforms?format=pdf",
    ],
)  # fmt: skip
async def test_nonsense_is_answered_without_a_fault_of_the_hub(
    console: ConsoleHub, path: str
) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        assert (await admin.get(path)).status_code in (200, 400, 404)
        form = {"name": "\0", "page_limit": "9" * 5000}
        assert (await admin.post("/platforms/p-1/set", form)).status_code in (303, 400)
