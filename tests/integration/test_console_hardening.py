"""What somebody hostile tries against the console's pipeline and its logins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from ocpi_hub.admin.accounts import AccountRole, Secret
from ocpi_hub.admin.errands import MOST_OF_PARTNERS, Errands
from ocpi_hub.admin.keys import Scope
from ocpi_hub.console import pipeline
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import Overloaded
from ocpi_hub.store.accounts import (
    FREE_ACCOUNT,
    FoundSession,
    PostgresAccounts,
    address_subject,
    subject_of,
)
from ocpi_hub.store.check_runs import CheckRuns, Refused
from ocpi_hub.store.database import Database
from tests.support.console import ConsoleHub, console_hub
from tests.support.directory import insert_platform
from tests.support.stores import value

R = AccountRole


@pytest_asyncio.fixture
async def console(database: Database) -> AsyncIterator[ConsoleHub]:
    await insert_platform(database, "p-1", roles=(("CPO", "NL*CPO"),))
    async with console_hub(database) as running:
        yield running


async def test_a_refused_deed_says_why_on_the_page_where_it_was_done(console: ConsoleHub) -> None:
    async with await console.logged_in(R.ADMIN) as admin:
        referer = {"Referer": f"{console.hub.url}/console/platforms/p-1"}
        refused = await admin.post("/platforms/p-1/resume", headers=referer)
        assert refused.headers["Location"] == "/console/platforms/p-1"
        assert "flash bad" in (await admin.get("/platforms/p-1")).text
        assert "flash bad" not in (await admin.get("/platforms/p-1")).text


@pytest.mark.parametrize("name", ["admin", "ADMIN", "adm\u0130n", "\u212aay"])
async def test_other_spellings_of_a_name_have_no_attempts_of_their_own(
    console: ConsoleHub, name: str
) -> None:
    own = "kay" if name.endswith("ay") else "admin"
    await console.account(own, R.ADMIN)
    spelled = name if await console.accounts.password_of(name) else own
    async with console.browser() as guess:
        for _ in range(FREE_ACCOUNT):
            assert (await guess.log_in(own, "wrong")).status_code == 401
        assert (await guess.log_in(spelled, "wrong")).status_code == 429


def test_addresses_of_one_network_count_together() -> None:
    same = {address_subject(f"2001:db8:1:2::{number:x}") for number in range(5)}
    assert len(same) == 1
    assert address_subject("2001:db8:1:3::1") not in same
    assert address_subject("::ffff:192.0.2.1") == address_subject("192.0.2.1")
    assert address_subject("192.0.2.1") != address_subject("192.0.2.2")
    assert address_subject("") == address_subject("")


async def test_an_attempt_that_may_not_be_made_counts_for_nobody(console: ConsoleHub) -> None:
    accounts, address = console.accounts, subject_of("address", "192.0.2.1")
    for _ in range(2):
        await accounts.attempt([(address, 1)])
    for number in range(20):
        own = subject_of("account", f"nobody {number}")
        assert await accounts.attempt([(own, FREE_ACCOUNT), (address, 1)]) is not None
    assert await value(console.hub.database, "select count(*) from login_failure") == 1


async def test_a_form_that_does_not_arrive_keeps_nobody_out(
    console: ConsoleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "READ_S", 0.1)
    url = httpx.URL(console.hub.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        b"POST /console/login HTTP/1.1\r\nHost: hub.example\r\nContent-Length: 100\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
    )
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n")
    assert b" 503 " in head
    writer.close()


async def test_a_form_without_a_length_is_no_larger_than_others(console: ConsoleHub) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"name=" + b"x" * 1000 + b"&"

    async with console.browser() as stranger:
        answer = await stranger.client.post(
            "/console/login",
            content=parts(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 413


async def test_strangers_leave_room_for_those_who_are_logged_in(
    console: ConsoleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = httpx.URL(console.hub.url)
    async with await console.logged_in(R.VIEWER) as viewer:
        slow = []
        for _ in range(pipeline.MAX_IN_FLIGHT):
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(
                b"POST /console/login HTTP/1.1\r\nHost: hub.example\r\nContent-Length: 100\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
            )
            slow.append((reader, writer))
        # Those who find no place are told so at once; then the others have one.
        async with asyncio.timeout(20):
            refused = [
                await reader.readuntil(b"\r\n")
                for reader, _ in slow[pipeline.STRANGERS_IN_FLIGHT :]
            ]
        assert all(b" 503 " in head for head in refused)
        assert (await viewer.get("/platforms")).status_code == 200
        for _, writer in slow:
            writer.close()


async def test_made_up_sessions_leave_the_database_to_others(
    console: ConsoleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, now = 0, 0
    look_up = PostgresAccounts.session

    async def counted(self: PostgresAccounts, session: Secret) -> FoundSession | None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        try:
            return await look_up(self, session)
        finally:
            now -= 1

    monkeypatch.setattr(PostgresAccounts, "session", counted)
    async with console.browser() as stranger:
        answers = await asyncio.gather(
            *(
                stranger.get("/platforms", headers={"Cookie": f"ocpi-hub-session={number}"})
                for number in range(30)
            )
        )
    assert {answer.status_code for answer in answers} == {303}
    assert 1 <= most <= pipeline.SESSIONS_AT_ONCE


@pytest.mark.parametrize("name", ["Cookie", "X-CSRF-Token", "Origin", "Referer", "Accept"])
async def test_headers_that_are_no_text_are_no_fault_of_the_hub(
    console: ConsoleHub, name: str
) -> None:
    text = b"ocpi-hub-session=\xff\xfe; ocpi-hub-browser=\xff"
    async with console.browser() as stranger:
        for method in ("GET", "POST"):
            answer = await stranger.client.request(
                method, "/console/login", headers=[(name.encode(), text)],
                data={"name": "x", "password": "x"} if method == "POST" else None,
            )  # fmt: skip
            assert answer.status_code < 500, answer.text
    async with await console.logged_in(R.ADMIN) as admin:
        if name != "Cookie":
            answer = await admin.client.post(
                "/console/platforms/p-1/resume",
                headers=[(name.encode(), text)],
                data={"csrf": await admin.token()},
            )
            assert answer.status_code < 500, answer.text


async def test_cookies_over_tls_are_of_this_host_alone(database: Database) -> None:
    async with (
        console_hub(database, public_url="https://hub.example") as console,
        console.browser() as browser,
    ):
        answer = await browser.get("/login", headers={"Host": "hub.example"})
        (cookie,) = answer.headers.get_list("Set-Cookie")
        assert cookie.startswith("__Host-")
        assert {"Secure", "Path=/", "HttpOnly"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


async def test_a_partner_by_file_is_in_the_audit_log(console: ConsoleHub) -> None:
    key = await console.hub.make_key(Scope.ADMIN)
    party = {"party": "FR*MSP", "role": "EMSP"}
    async with console.hub.client(key) as api:
        made = await api.post(
            "/admin/api/file-platforms", json={"name": "Filed Co", "parties": [party]}
        )
        assert made.status_code == 201, made.text
        other = await api.post("/admin/api/platforms/p-1/by-file", json={"parties": []})
    assert other.status_code == 409
    noted = (
        "select array_agg(object || ' ' || outcome order by id) from audit_entry where what = $1"
    )
    assert await value(console.hub.database, noted, "platform.by_file") == [
        f"{made.json()['platform']} done",
        "p-1 refused",
    ]


async def test_partners_read_no_names_of_operators_at_self_tests(console: ConsoleHub) -> None:
    platform = PlatformId("p-1")
    runs = CheckRuns(console.hub.database)
    run = await runs.begin(platform, "olga", writes=False, partners_pause=None)
    assert not isinstance(run, Refused)
    await runs.end(run, report=None, error="stopped")
    pages = (f"/platforms/p-1/checks/{run}", "/platforms/p-1/checks")
    async with await console.logged_in(R.PARTNER, "p-1") as partner:
        for page in pages:
            assert "olga" not in (await partner.get(page)).text
    async with await console.logged_in(R.VIEWER) as viewer:
        for page in pages:
            assert "olga" in (await viewer.get(page)).text


async def test_errands_of_partners_leave_room_for_operators() -> None:
    errands, begun, over = Errands(), asyncio.Semaphore(0), asyncio.Event()

    async def wait() -> None:
        begun.release()
        await over.wait()

    for _ in range(MOST_OF_PARTNERS):
        errands.require_room(of_partner=True)
        errands.start(wait())
        await begun.acquire()
    with pytest.raises(Overloaded):
        errands.require_room(of_partner=True)
    errands.require_room()
    over.set()
    await errands.close(web.Application())


async def test_an_errands_end_is_told_to_who_waits_and_stopping_keeps_nobody() -> None:
    errands, begun = Errands(), asyncio.Event()

    async def fail() -> None:
        raise Overloaded("too much")

    async def go_on() -> None:
        begun.set()
        await asyncio.Event().wait()

    assert await errands.done_within(60, asyncio.sleep(0))
    with pytest.raises(Overloaded):
        await errands.done_within(60, fail())
    waiting = asyncio.create_task(errands.done_within(60, go_on()))
    await begun.wait()
    await errands.close(web.Application())
    assert not await waiting
