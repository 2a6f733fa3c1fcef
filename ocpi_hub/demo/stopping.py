"""The act in which drivers stop, and who then has which Sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ocpi_hub.demo.asking import POLL_S, ask_act
from ocpi_hub.demo.crawls import key_of
from ocpi_hub.demo.lists import read_sessions
from ocpi_hub.demo.notes import held
from ocpi_hub.demo.parties import ALL_CPOS, EMSPS, Company
from ocpi_hub.demo.sessions import DemoSession
from ocpi_hub.demo.story import SETTLE_TIMEOUT_S, Story
from ocpi_hub.demo.wishes import (
    command,
)


async def stop_by_app(story: Story) -> None:
    """All Sessions are stopped, as their drivers want it."""
    ongoing, charging = story.ongoing, story.charging
    story.report.section("Drivers stop by app: who has which sessions?")
    wishes = [
        command(each.driver, "STOP_SESSION", {"session_id": each.session_id}, named=bool(n % 2))
        for n, each in enumerate(ongoing)
    ]
    await ask_act(story, "STOP_SESSION", wishes)
    await charging.report(ongoing, DemoSession.complete)
    await charging.report([each for each in ongoing if each.owed], DemoSession.whole)
    began = time.monotonic()
    agreed = await _same_sessions(story)
    changes = sum(each.reports for each in charging.sessions)
    story.report.line("changes of sessions", f"{changes} of {len(charging.sessions)}")
    if agreed:
        seconds = time.monotonic() - began
        story.report.line("the eMSPs have them as their CPOs", f"after another {seconds:.1f} s")
    await read_sessions(story)


async def _same_sessions(story: Story) -> bool:
    """Wait until the eMSPs have all Sessions; false if it does not come to that."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while time.monotonic() < deadline:
        if await _sessions(story, ALL_CPOS) == await _sessions(story, EMSPS):
            return True
        await asyncio.sleep(POLL_S)
    return False


async def _sessions(story: Story, companies: Sequence[Company]) -> dict[str, Mapping[str, Any]]:
    tables = [await held(story.world.parties[each], "sessions") for each in companies]
    return {key_of(session): session for table in tables for session in table}
