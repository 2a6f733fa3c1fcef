"""The acts of drivers with apps: remote start and stop, reservations, charging profiles.

The answers of the CPOs come at once, what became of it comes later, to a URL of the hub that stands
for the eMSP's own.
"""

from __future__ import annotations

import asyncio

from ocpi_hub.demo.asking import ask_act, ask_all
from ocpi_hub.demo.parties import FJORDLADE, ROULIBRE
from ocpi_hub.demo.plan import Driver
from ocpi_hub.demo.profiles import charge_by_profile
from ocpi_hub.demo.report import latency
from ocpi_hub.demo.sessions import DemoSession
from ocpi_hub.demo.sites import evses_of
from ocpi_hub.demo.story import Story
from ocpi_hub.demo.wishes import (
    ACCEPTED,
    CANCELED,
    OCCUPIED,
    command,
    reservation_id,
    reserve,
    start_body,
)
from ocpi_hub.ocpi.status_codes import StatusCode

REPORTS = 4
"""Charging periods of a Session before anything goes wrong."""


async def by_app(story: Story) -> None:
    """Everything that drivers do with their apps while everybody is there."""
    story.report.section("Drivers with apps: answered at once by the CPO, results come later")
    await _occupied(story)
    await _start(story)
    await asyncio.gather(charge_by_profile(story), _reservations(story), _strangers(story))
    story.charging.all_well_until_now()


async def _occupied(story: Story) -> None:
    """A charging point that turns out to be occupied."""
    driver = story.plan.drivers[0]
    party = story.world.parties[driver.cpo]
    await party.control("POST", "/reactions", {"action": "START_SESSION", "result": OCCUPIED})
    wish = command(driver, "START_SESSION", start_body(driver), results=(OCCUPIED,))
    await ask_act(story, "START_SESSION where another car stands", [wish])
    await party.control("POST", "/reactions", {"action": "START_SESSION", "result": ACCEPTED})


async def _start(story: Story) -> None:
    """Sessions begin, and the eMSPs see them as they happen."""
    drivers = story.plan.drivers
    wishes = [
        command(driver, "START_SESSION", start_body(driver), named=number % 2 == 0)
        for number, driver in enumerate(drivers)
    ]
    await ask_act(story, "START_SESSION", wishes)
    charging = story.charging
    sessions = story.ongoing = [charging.add(driver) for driver in drivers]
    times = await charging.report(sessions, DemoSession.begin)
    times += await charging.report(sessions, DemoSession.start)
    for _ in range(REPORTS):
        times += await charging.report(sessions, DemoSession.charge)
    text = f"{len(times)} about {len(sessions)}, each taken by its eMSP, {latency(times)}"
    story.report.line("PUT and PATCH of sessions", text)


async def _reservations(story: Story) -> None:
    """Reservations are made, and cancelled by their drivers; one is its CPO's to cancel."""
    drivers = list({(each.cpo, each.emsp): each for each in story.plan.drivers}.values())
    made = await ask_act(
        story,
        "RESERVE_NOW",
        [
            reserve(number, driver, ACCEPTED, *(() if number else (CANCELED,)))
            for number, driver in enumerate(drivers)
        ],
    )
    reserved = [story.charging.add(driver) for driver in drivers[1:]]
    await story.charging.report(reserved, DemoSession.reserve)
    bodies = [{"reservation_id": reservation_id(each.wish)} for each in made[1:]]
    wishes = [
        command(driver, "CANCEL_RESERVATION", body, named=number % 2 == 1)
        for number, (driver, body) in enumerate(zip(drivers[1:], bodies, strict=True))
    ]
    await ask_act(story, "CANCEL_RESERVATION", wishes)
    await story.charging.report(reserved, DemoSession.complete)


async def _strangers(story: Story) -> None:
    """An eMSP commands a CPO that it has no relation with."""
    evse = evses_of(FJORDLADE)[0]
    token = next(each.token for each in story.plan.drivers if each.emsp is ROULIBRE)
    driver = Driver(FJORDLADE, ROULIBRE, evse, token)
    wish = command(
        driver,
        "START_SESSION",
        start_body(driver),
        code=StatusCode.RECEIVER_NOT_CONNECTED.value,
        answer=None,
        results=(),
    )
    [asked] = await ask_all(story.world.parties, [wish])
    story.asked.append(asked)
    story.report.line("START_SESSION without a relation", f"refused with {asked.code}")
