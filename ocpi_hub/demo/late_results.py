"""Results that come only after the hub was killed: of an unlocking, and of a reservation."""

from __future__ import annotations

from ocpi_hub.demo.asking import ask_all, request_number, results_in
from ocpi_hub.demo.story import Story
from ocpi_hub.demo.wishes import (
    CANCELED,
    command,
    place,
    reservation_id,
)

UNLOCK = "UNLOCK_CONNECTOR"


async def before_the_kill(story: Story) -> None:
    """Ask for something that the CPO will have done only after the hub was killed."""
    driver = story.plan.drivers[0]
    party = story.world.parties[driver.cpo]
    await party.control("POST", "/reactions", {"action": UNLOCK, "result": None})
    body = {"connector_id": "1", **place(driver)}
    story.asked += await ask_all(story.world.parties, [command(driver, UNLOCK, body)])


async def after_the_kill(story: Story) -> None:
    """The results that are due since before the hub was killed."""
    driver, parties = story.plan.drivers[0], story.world.parties
    late = [each for each in story.asked if CANCELED in each.wish.results]
    for each in late:
        cpo = parties[each.wish.cpo]
        number = await request_number(cpo, each.wish.action, reservation_id(each.wish))
        await cpo.control("POST", "/results", {"number": number, "result": CANCELED})
    cpo = parties[driver.cpo]
    number = await request_number(cpo, UNLOCK, driver.evse.uid)
    await cpo.control("POST", "/results", {"number": number})
    late += [each for each in story.asked if each.wish.action == UNLOCK]
    _, seconds = await results_in(parties, late)
    text = f"{len(late)} at their eMSPs after {seconds:.1f} s"
    story.report.line("results of commands from before", text)
