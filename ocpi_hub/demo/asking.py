"""Asking CPOs for what they do later, and waiting for their results."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence

from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.report import latency
from ocpi_hub.demo.story import Story
from ocpi_hub.demo.wishes import ACCEPTED, Asked, Wish
from ocpi_hub.domain.party import Module
from ocpi_hub.errors import OperatorError

RESULT_TIMEOUT_S = 20.0
POLL_S = 0.1


async def ask_all(parties: Mapping[Company, Party], wishes: Sequence[Wish]) -> list[Asked]:
    """Send all at once."""
    return await asyncio.gather(*(_ask(parties[wish.emsp], wish) for wish in wishes))


async def _ask(party: Party, wish: Wish) -> Asked:
    request = {
        "method": "POST" if wish.module is Module.COMMANDS else wish.action,
        "module": wish.module.value,
        "path": wish.path,
        **({"body": dict(wish.body)} if wish.body is not None else {}),
        **({"query": dict(wish.query)} if wish.query is not None else {}),
        **({"to": str(wish.cpo.party)} if wish.named else {}),
    }
    result = await party.control("POST", "/ask", request)
    data = json.loads(result["body"]).get("data") if result.get("ocpi") is not None else None
    answer = data.get("result") if isinstance(data, dict) else None
    return Asked(wish, result["id"], result.get("ocpi"), answer, result["ms"])


async def results_in(
    parties: Mapping[Company, Party], asked: Iterable[Asked], first: int | None = None
) -> tuple[int, float]:
    """Wait for results that have to come; how many there are, and seconds that it took.

    What does not come in time is found by the checks.

    Args:
        first: wait for so many of each at most.
    """
    began = time.monotonic()
    awaited: dict[Company, dict[str, int]] = {}
    for each in asked:
        wanted = awaited.setdefault(each.wish.emsp, {})
        wanted[each.question_id] = len(each.wish.results[:first])
    counts = await asyncio.gather(*(_arrived(parties[emsp], ids) for emsp, ids in awaited.items()))
    return sum(counts), time.monotonic() - began


async def _arrived(party: Party, awaited: Mapping[str, int]) -> int:
    began = time.monotonic()
    while True:
        items = (await party.control("GET", "/asked"))["asked"]
        found = {item["id"]: len(item["results"]) for item in items if item["id"] in awaited}
        complete = all(found.get(each, 0) >= wanted for each, wanted in awaited.items())
        if complete or time.monotonic() - began > RESULT_TIMEOUT_S:
            return sum(found.values())
        await asyncio.sleep(POLL_S)


async def request_number(party: Party, action: str, marked: str) -> int:
    """The number under which a CPO has noted a request with this in its body.

    Raises:
        OperatorError: there is none.
    """
    for request in (await party.control("GET", "/requests"))["items"]:
        if request["action"] == action and marked in request["body"]:
            return int(request["number"])
    raise OperatorError(f"{party.company.name}: there is no {action} with {marked}")


async def ask_act(story: Story, label: str, wishes: Sequence[Wish]) -> list[Asked]:
    """Send wishes, wait for their first results, and tell of both."""
    asked = await ask_all(story.world.parties, wishes)
    story.asked += asked
    accepted = sum(each.answer == ACCEPTED for each in asked)
    times = latency([each.ms for each in asked])
    count, seconds = await results_in(story.world.parties, asked, first=1)
    text = (
        f"{len(asked):2}, {accepted:2} accepted, {times}; {count:2} results after {seconds:.1f} s"
    )
    story.report.line(label, text)
    return asked
