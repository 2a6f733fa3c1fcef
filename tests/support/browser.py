"""A real browser at a real hub's console, for people's view of it.

Screenshots go to `build/screenshots`, for whoever wants to look.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from ocpi_hub.admin.accounts import AccountRole, Passwords, Secret
from ocpi_hub.store.accounts import PostgresAccounts
from tests.support.console import LIFE, PASSWORD, QUICK
from tests.support.hub import HubProcess

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = {"light": ("light", WIDE), "dark": ("dark", WIDE), "phone": ("light", PHONE)}
"""Ways to look at a page: scheme and size."""
SIZES = ("light", "phone")
"""Those that differ in size; `Desk.shoot_in` sees to the other scheme."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE_MS = 30_000


def chromium() -> str:
    """The browser of this machine. Without one a test is skipped; it fails where
    REQUIRE_BROWSER or CI says that there has to be one."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is not None:
        return found
    text = "there is no Chromium here: on Debian, apt-get install chromium"
    if os.environ.get("CI") == "1" or os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(text)
    pytest.skip(text)


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody's desk: a browser, and the console of a hub."""

    hub: HubProcess
    browser: Browser

    @asynccontextmanager
    async def page(self, look: str = "light") -> AsyncIterator[Page]:
        """A window in which nobody is logged in. What goes wrong in the page fails the test."""
        scheme, size = LOOKS[look]
        context: BrowserContext = await self.browser.new_context(
            base_url=self.hub.url,
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": size["width"], "height": size["height"]},
            timezone_id="Europe/Amsterdam",
        )
        context.set_default_timeout(_PATIENCE_MS)
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        try:
            yield page
        finally:
            await context.close()
        assert not faults

    async def log_in(self, page: Page, name: str, password: str = PASSWORD) -> None:
        """Through the form; ends on the first page."""
        await page.goto("/console/login")
        await page.get_by_label("Name").fill(name)
        await page.get_by_label("Password").fill(password)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url(lambda url: "/login" not in url)

    async def shoot(self, page: Page, name: str) -> Path:
        """A screenshot of the whole page. A page must not be wider than its window."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        target = SCREENSHOTS / f"{name}.png"
        await page.screenshot(path=target, full_page=True)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        return target

    async def shoot_in(self, page: Page, look: str, name: str) -> None:
        """The page in this look, one of `SIZES`; a wide one in the dark as well."""
        await self.shoot(page, f"{name}-{look}")
        if look == "light":
            await page.emulate_media(color_scheme="dark")
            await self.shoot(page, f"{name}-dark")
            await page.emulate_media(color_scheme="light")


async def create_admin(hub: HubProcess, name: str) -> None:
    """An admin with `PASSWORD`; its hash costs a login next to nothing."""
    database = await hub.open_database()
    try:
        await PostgresAccounts(database, LIFE).create(
            name,
            AccountRole.ADMIN,
            None,
            await Passwords(QUICK).hash(Secret(PASSWORD)),
            must_change=False,
        )
    finally:
        await database.close()


@asynccontextmanager
async def desk(hub: HubProcess) -> AsyncIterator[Desk]:
    """A browser at a hub that runs, whose admin is `anna`."""
    path = chromium()
    await create_admin(hub, "anna")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            # A container cannot confine it further; it sees the hub's pages only.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        try:
            yield Desk(hub, browser)
        finally:
            await browser.close()
