"""The act of charging profiles: set, asked for, changed by the CPO, cleared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ocpi_hub.demo.asking import ask_act
from ocpi_hub.demo.sessions import DemoSession
from ocpi_hub.demo.story import Story
from ocpi_hub.demo.wishes import (
    Wish,
    profile,
    profile_wish,
)
from ocpi_hub.domain.party import InterfaceRole, Module
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.status_codes import StatusCode


async def charge_by_profile(story: Story) -> None:
    """One driver of each eMSP at each CPO charges by a profile for a while."""
    chosen = list({(each.driver.cpo, each.driver.emsp): each for each in story.ongoing}.values())
    profiles = {each.session_id: profile(each) for each in chosen}

    def wishes(method: str, **fields: Any) -> list[Wish]:
        return [profile_wish(each.driver, method, each.session_id, **fields) for each in chosen]

    put = [
        replace(wish, body={"charging_profile": profiles[each.session_id]})
        for wish, each in zip(wishes("PUT"), chosen, strict=True)
    ]
    await ask_act(story, "charging profile set", put)
    get = [
        replace(wish, profile=profiles[each.session_id])
        for wish, each in zip(
            wishes("GET", query={"duration": "900"}, named=False), chosen, strict=True
        )
    ]
    await ask_act(story, "active profile asked for", get)
    for each in chosen:
        await _told_of_profile(story, each)
    story.report.line("active profile changed at the CPO", f"{len(chosen)}, told to the eMSPs")
    await ask_act(story, "charging profile cleared", wishes("DELETE"))


async def _told_of_profile(story: Story, session: DemoSession) -> None:
    """The CPO tells of an active profile by itself.

    Raises:
        OperatorError: it was not taken.
    """
    request = {
        "method": "PUT",
        "module": Module.CHARGING_PROFILES.value,
        "role": InterfaceRole.SENDER.value,
        "path": quote(session.session_id, safe=""),
        "body": {"start_date_time": timestamp(), "charging_profile": profile(session, 2)},
        "to": str(session.driver.emsp.party),
    }
    result = await story.world.parties[session.driver.cpo].control("POST", "/send", request)
    if result.get("ocpi") != StatusCode.SUCCESS:
        raise OperatorError(f"an active profile was not taken: {result}")
