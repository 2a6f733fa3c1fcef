"""The map of locations with 20,000 of them, as people see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.support.browser import SIZES, Desk
from tests.support.directory import insert_platform
from tests.support.locations import store_locations

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = 20_000
_FRAMES = """async () => {
  const canvas = document.querySelector("[data-map] canvas"), times = [];
  canvas.focus();
  let last = performance.now();
  for (let n = 0; n < 40; n++) {
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: n % 2 ? "ArrowLeft" : "ArrowUp" }));
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  times.sort((a, b) => a - b);
  return { median: times[20], worst: times[39] };
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def places(desk: Desk) -> AsyncIterator[Desk]:
    database = await desk.hub.open_database()
    try:
        await insert_platform(database, "p-cpo", roles=(("CPO", "NL*CPO"),))
        await store_locations(database, "NL*CPO", NUMBER)
    finally:
        await database.close()
    yield desk


async def figures(page: Page) -> dict[str, Any]:
    """What the map says of itself, once it has drawn everything."""
    drawn = page.locator(f'[data-map][data-drawn="{NUMBER}"]')
    await expect(drawn).to_be_visible(timeout=30_000)
    found: dict[str, Any] = await page.evaluate(
        "({...document.querySelector('[data-map]').dataset, now: performance.now()})"
    )
    return found


@pytest.mark.parametrize("look", SIZES)
async def test_all_locations_are_drawn_in_few_circles(places: Desk, look: str) -> None:
    async with places.page(look) as page:
        await places.log_in(page, "anna")
        await page.goto("/console/locations")
        found = await figures(page)
        assert int(found["places"]) == NUMBER
        assert 1 < int(found["circles"]) < 500
        await expect(page.get_by_text("20,000 Locations in view")).to_be_visible()
        await places.shoot_in(page, look, "locations-map")
        frames = await page.evaluate(_FRAMES)
        print(f"map, {look}: all drawn after {found['now']:.0f} ms, frames {frames}")  # noqa: T201


async def test_map_is_used_with_keys_and_leads_to_a_story(places: Desk) -> None:
    async with places.page() as page:
        await places.log_in(page, "anna")
        await page.goto("/console/locations")
        await figures(page)
        canvas = page.locator("[data-map] canvas")
        await canvas.focus()
        for _ in range(14):
            await page.keyboard.press("+")
        for _ in range(6):
            if await page.locator("[data-map-near] a").count():
                break
            await page.keyboard.press("+")
            await page.wait_for_timeout(300)
        await places.shoot(page, "locations-map-near")
        first = page.locator("[data-map-near] a").first
        name = await first.inner_text()
        await first.click()
        await expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        await places.shoot(page, "location")


async def test_groups_can_be_left_out_and_circles_opened(places: Desk) -> None:
    async with places.page() as page:
        await places.log_in(page, "anna")
        await page.goto("/console/locations")
        await figures(page)
        for name in ("in use", "out of order", "unknown or planned"):
            await page.get_by_role("checkbox", name=name).uncheck()
        await expect(page.get_by_text("5,000 Locations in view")).to_be_visible()
        box = await page.locator("[data-map] canvas").bounding_box()
        assert box is not None
        before = await page.locator("[data-map]").get_attribute("data-drawn")
        await page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await expect(page.locator("[data-map]")).not_to_have_attribute("data-drawn", before or "")
        await page.get_by_role("button", name="Show all").click()
        await expect(page.locator("[data-map]")).to_have_attribute("data-drawn", "5000")


@pytest.mark.parametrize("look", SIZES)
async def test_list_is_the_map_for_who_cannot_see_it(places: Desk, look: str) -> None:
    async with places.page(look) as page:
        await places.log_in(page, "anna")
        await page.goto("/console/locations")
        await page.get_by_role("link", name="As a list").click()
        await expect(page.get_by_role("heading", name="Locations", exact=True)).to_be_visible()
        await places.shoot_in(page, look, "locations-list")
        await page.get_by_role("link", name="loc1", exact=True).click()
        await expect(page.get_by_text("EVSEs and connectors")).to_be_visible()
        await places.shoot_in(page, look, "location")
