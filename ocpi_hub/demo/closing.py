"""The end of the story: wait until the hub has settled everything, gather records, tell figures."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.demo.copies import Copies
from ocpi_hub.demo.evidence import Evidence
from ocpi_hub.demo.lists import read_tokens
from ocpi_hub.demo.notes import take_notes
from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.report import latency
from ocpi_hub.demo.settling import settle, tell_settlement
from ocpi_hub.demo.story import SETTLE_TIMEOUT_S, Story
from ocpi_hub.demo.world import BUDGET_MS

LEDGER_POLL_S = 0.5


async def collect(story: Story, copies: Copies) -> Evidence:
    """Everything that the checks look at."""
    world = story.world
    ledger = await _settled_ledger(story)
    received = {emsp: await party.received_cdrs() for emsp, party in world.emsps.items()}
    pulled = await read_tokens(story)
    decisions = await world.admin.items("/authorizations")
    return Evidence(
        answers=story.all_answers,
        decisions=decisions,
        cdrs=story.cdrs,
        acknowledged=story.billing.acknowledged,
        received=received,
        ledger=ledger,
        attempts=await _attempts(story, received),
        asked={emsp: await _asked(party) for emsp, party in world.emsps.items()},
        pulled=pulled,
        tokens=story.plan.all_tokens,
        copies=copies,
        secrets=story.secrets | {each.question_id for each in story.asked},
        hub_log=world.hub.child.log.read_text(errors="replace"),
        hub_url=world.hub.url,
        notes=await take_notes(world.parties),
        wanted=story.asked,
        live=story.charging.live,
        crawls=story.crawls,
        returned=(copies.returned.company, copies.returned.at),
        settlement=await settle(story),
    )


async def _settled_ledger(story: Story) -> Sequence[Mapping[str, Any]]:
    """The hub's list of CDRs, once nothing waits any more; else what it is after a long time."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        ledger = await story.world.admin.items("/cdrs")
        waits = any(row["state"] in ("pending", "in_flight") for row in ledger)
        if not waits or time.monotonic() > deadline:
            return ledger
        await asyncio.sleep(LEDGER_POLL_S)


async def _attempts(
    story: Story, received: Mapping[Company, Sequence[Mapping[str, Any]]]
) -> dict[str, Sequence[str]]:
    """Outcomes of the attempts for CDRs that came more than once."""
    twice = [item for items in received.values() for item in items if item["count"] > 1]
    shown = await asyncio.gather(
        *(
            story.world.admin.call("GET", f"/cdrs/{item['owner']}/{quote(item['id'], safe='')}")
            for item in twice
        )
    )
    return {
        item["id"]: [attempt["outcome"] for attempt in each["attempt_history"]]
        for item, each in zip(twice, shown, strict=True)
    }


async def _asked(party: Party) -> set[str]:
    """The uids that an eMSP was asked about."""
    record = await party.control("GET", "/record", module="tokens", direction="in")
    paths = [item["path"].split("/") for item in record["items"]]
    return {path[-2] for path in paths if path[-1] == "authorize"}


def figures(story: Story, evidence: Evidence) -> None:
    """What it came to."""
    report = story.report
    report.section("Figures")
    by = Counter(decision["decided_by"] for decision in evidence.decisions)
    told = ", ".join(f"{count} by {who.replace('_', ' ')}" for who, count in by.most_common())
    report.line("authorizations", f"{len(evidence.answers)}: {told}")
    why = Counter(
        decision["reason"]
        for decision in evidence.decisions
        if decision["decided_by"] == DecidedBy.HUB_FALLBACK
    )
    told = ", ".join(f"{count} {reason}" for reason, count in why.most_common())
    report.line("fallback, because the eMSP was", told)
    longest = max(each.ms for each in evidence.answers)
    report.line("longest authorization", f"{longest:,.0f} ms, with a budget of {BUDGET_MS:,} ms")
    legs = {(row["cpo"], row["uid"]): row["legs_ms"] for row in evidence.decisions}
    for name, answers in story.answers.items():
        own = [
            each.ms - max(legs.get((str(each.ask.cpo.party), each.ask.uid), {}).values(), default=0)
            for each in answers
        ]
        report.line(f"  {name}", f"{latency(own)} without the eMSP's part")
    twice = sum(item["count"] > 1 for items in evidence.received.values() for item in items)
    report.line(
        "CDRs",
        f"{len(evidence.acknowledged)} acknowledged in {story.billing.posts} POSTs,"
        f" {twice} delivered twice",
    )
    pulled = ", ".join(f"{len(tokens):,}" for tokens in evidence.pulled.values())
    report.line("tokens read back by the CPOs", pulled)
    tell_settlement(story, evidence.settlement)
