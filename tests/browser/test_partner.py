"""A partner's engineer at the console: its own side of everything, and nothing of others."""

from __future__ import annotations

import html
import json
import re

import pytest
from playwright.async_api import Page, expect

from ocpi_hub.console.pages import all_pages
from tests.support.browser import LOOKS, Desk
from tests.support.console import PASSWORD
from tests.support.party import PartyProcess, make_cdr, make_location, make_token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

LONG_MS = 90_000


async def make_login(desk: Desk, page: Page, platform: str, name: str) -> str:
    """An admin makes it on the platform's page; the password that is shown once."""
    await page.goto(f"/console/platforms/{platform}")
    await page.get_by_label("Name of the login").fill(name)
    await page.get_by_role("button", name="Make a login for the partner").click()
    return await page.locator("dd code").inner_text()


async def first_login(desk: Desk, page: Page, name: str, password: str) -> None:
    """With a password of its own from now on."""
    await desk.log_in(page, name, password)
    await (
        page.get_by_label("Old password").or_(page.locator("input[name=old]")).first.fill(password)
    )
    await page.locator("input[name=new]").fill(PASSWORD)
    await page.locator("input[name=again]").fill(PASSWORD)
    await page.locator("main button").first.click()
    await page.wait_for_url(lambda url: "/password" not in url)


async def test_a_partner_sees_its_own_side_and_no_other(desk: Desk) -> None:
    async with (
        PartyProcess.of([("CPO", "NL*CPO")]) as cpo,
        PartyProcess.of([("EMSP", "DE*MSP")]) as emsp,
        PartyProcess.of([("CPO", "FR*SEC")]) as secret,
        desk.page() as admin,
        desk.page() as page,
    ):
        await cpo.load_locations(make_location())
        await emsp.load_tokens(make_token())
        own = await desk.hub.onboard(cpo, "Charge Co")
        others = [
            await desk.hub.onboard(emsp, "Mobility Co"),
            await desk.hub.onboard(secret, "Secret Co"),
        ]
        pushed = await cpo.push_cdr(make_cdr(), to="DE*MSP", from_="NL*CPO")
        hidden = make_cdr("HIDDEN-CDR", owner="FR*SEC")
        kept = await secret.push_cdr(hidden, to="DE*MSP", from_="FR*SEC")
        assert (pushed["ocpi"], kept["ocpi"]) == (1000, 1000)
        await desk.log_in(admin, "anna")
        password = await make_login(desk, admin, own, "charge engineer")
        await first_login(desk, page, "charge engineer", password)
        await page.goto("/console/")
        await expect(page.get_by_role("heading", name="Onboarding of Charge Co")).to_be_visible()
        await expect(page.get_by_role("heading", name="What is missing")).to_be_visible()
        await expect(page.get_by_text("The hub answered the partner")).to_be_visible()
        for look, (_, size) in LOOKS.items():
            await page.set_viewport_size({"width": size["width"], "height": size["height"]})
            await desk.shoot(page, f"partner-{look}")
        await every_page_of_the_menu(page, [*others, "FR*SEC", "Secret Co", "HIDDEN-CDR"])
        await guessed_pages(page, own, others)
        await the_self_test_is_rate_limited(page, own)


async def every_page_of_the_menu(page: Page, secrets: list[str]) -> None:
    """Whatever is reached by clicking within three clicks of the menu tells nothing of others."""
    waiting = ["/console/"]
    seen: set[str] = set()
    for _ in range(3):
        found: set[str] = set()
        for path in waiting:
            seen.add(path)
            answer = await page.request.get(path)
            text = await answer.text()
            assert answer.status == 200, path
            for secret in secrets:
                assert secret not in text, (path, secret)
            found |= {
                html.unescape(href).partition("#")[0]
                for href in re.findall(r'href="(/console/[^"]+)"', text)
                if "/static/" not in href
            }
        waiting = sorted(found - seen)[:30]
    assert len(seen) > 8


async def guessed_pages(page: Page, own: str, others: list[str]) -> None:
    """URLs of others, and pages that are for operators, do not exist for a partner."""
    paths = {
        row.path.replace("{platform}", other)
        for row in all_pages()
        for other in others
        if row.method == "GET" and "{platform}" in row.path
    }
    paths |= {
        row.path
        for row in all_pages()
        if row.method == "GET" and not row.partner and "{" not in row.path
    } - {"/login"}
    some_run = "00000000-0000-4000-8000-000000000000"
    for path in sorted(paths):
        guess = path.replace("{run}", some_run).replace("{attempt}", some_run)
        answer = await page.request.get(f"/console{guess}", max_redirects=0)
        assert answer.status == 404, (guess, answer.status)
    for guess in ("/relations/FR*SEC/DE*MSP", "/cdrs/FR*SEC/HIDDEN-CDR", "/statements/FR*SEC"):
        answer = await page.request.get(f"/console{guess}", max_redirects=0)
        assert answer.status == 404, guess
        assert "Secret" not in await answer.text()
    token = json.loads(await page.locator("body").get_attribute("hx-headers") or "{}")
    for other in (*others, own):
        for deed in ("suspend", "remove", "invitation", "rotate", "accounts", "set"):
            answer = await page.request.post(
                f"/console/platforms/{other}/{deed}", form={"name": "x"}, headers=token,
                max_redirects=0,
            )  # fmt: skip
            assert answer.status == 404, (other, deed)
    for other in others:
        answer = await page.request.post(
            f"/console/platforms/{other}/checks", form={"x": "y"}, headers=token, max_redirects=0
        )
        assert answer.status == 404


async def the_self_test_is_rate_limited(page: Page, own: str) -> None:
    await page.goto(f"/console/platforms/{own}/checks")
    await page.get_by_role("button", name="Start the self-test").click()
    await expect(page.get_by_text("All checks, by area")).to_be_visible(timeout=LONG_MS)
    await page.goto(f"/console/platforms/{own}/checks")
    await page.get_by_role("button", name="Start the self-test").click()
    await expect(page.get_by_text("one may be started again in")).to_be_visible()
