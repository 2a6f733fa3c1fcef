"""The CDRs, and what goes wrong meanwhile: an eMSP away, the hub killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ocpi_hub.demo.availability import Absence, catch_up, end_absence, pushes_since
from ocpi_hub.demo.cdrs import CdrWriter, Charge, DemoCdr
from ocpi_hub.demo.chance import chance
from ocpi_hub.demo.copies import with_news
from ocpi_hub.demo.late_results import after_the_kill, before_the_kill
from ocpi_hub.demo.parties import FAHRTWIND, LAADOEVER, ROULIBRE, Company
from ocpi_hub.demo.story import SETTLE_TIMEOUT_S, Story, authorize_act, send_cdrs
from ocpi_hub.demo.tariffs import change_meanwhile, in_step
from ocpi_hub.demo.world import DOUBT_S
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.headers import FROM_PARTY
from ocpi_hub.ocpi.v2_2_1.tokens import AllowedType

PACE = 4
"""Authorizations that a CPO has open at a time."""
ANSWER_AFTER_S = 1.0
"""Delay of an eMSP's answers to CDRs of one CPO that it has taken, around the kill."""
CDR_SHARES = (0.27, 0.30, 0.23, 0.20)
"""Parts of the CDRs: with everybody there, with one eMSP away, around the kill, after it."""
POLL_S = 0.1
SURELY_S = 1.5
"""Until every process has looked at its lanes again."""


@dataclass(frozen=True, slots=True)
class Away:
    """Since when an eMSP is away, and how many changes of charging points there were before."""

    since: float
    changes_before: int


def write_cdrs(story: Story) -> None:
    """Who was allowed to charge has charged: hours of it, which the demo does not wait for."""
    source = chance()
    charges = [
        Charge(answered.ask.evse, answered.ask.token, answered.reference)
        for answered in story.all_answers
        if answered.allowed == AllowedType.ALLOWED and answered.ask.token is not None
    ]
    source.shuffle(charges)
    writer = CdrWriter(source)
    story.cdrs += [writer.write(charge) for charge in charges[: story.plan.cdrs]]


def cut(cdrs: Sequence[DemoCdr]) -> list[Sequence[DemoCdr]]:
    """The CDRs in four parts."""
    parts, at = [], 0.0
    for share in CDR_SHARES:
        first, at = round(at * len(cdrs)), at + share
        parts.append(cdrs[first : round(at * len(cdrs))])
    return parts


async def first_cdrs(story: Story, cdrs: Sequence[DemoCdr]) -> None:
    story.report.section(f"CDRs: {len(story.cdrs)} in all, by two CPOs")
    began = time.monotonic()
    await send_cdrs(story, cdrs)
    seconds = time.monotonic() - began
    story.report.line("everybody there", f"{len(cdrs)} acknowledged in {seconds:.1f} s")


async def one_away(story: Story, cdrs: Sequence[DemoCdr]) -> None:
    """One eMSP cannot be reached: authorizations by stored tokens, its CDRs wait in the hub."""
    story.report.section(f"{ROULIBRE.name} is away")
    await story.world.parties[ROULIBRE].fault(refuse=True)
    half = len(story.plan.down) // 2
    await authorize_act(
        story, "authorizations, it refuses to connect", story.plan.down[:half], PACE
    )
    await send_cdrs(story, cdrs)
    held = sum(cdr.receiver == ROULIBRE.party for cdr in cdrs)
    story.report.line("CDRs", f"{len(cdrs)} acknowledged, {held} of them wait in the hub")
    seconds = await _until_offline(story, ROULIBRE)
    story.report.line("the hub lists it as OFFLINE", f"after another {seconds:.1f} s")
    await authorize_act(story, "authorizations, it is not even tried", story.plan.down[half:], PACE)
    await change_meanwhile(story)


async def _until_offline(story: Story, company: Company) -> float:
    """Seconds until the hub's list of platforms says OFFLINE.

    Raises:
        OperatorError: it does not come to that.
    """
    began = time.monotonic()
    while time.monotonic() - began < SETTLE_TIMEOUT_S:
        for platform in await story.world.admin.items("/platforms"):
            for party in platform["parties"]:
                if party["party"] == str(company.party) and party["status"] == PartyStatus.OFFLINE:
                    return time.monotonic() - began
        await asyncio.sleep(POLL_S)
    raise OperatorError(f"the hub does not find out that {company.name} is away")


async def killed(story: Story, cdrs: Sequence[DemoCdr]) -> None:
    """kill -9 while CDRs are on their way, and a start on what is left on the disk."""
    story.report.section("kill -9 of the hub and its PostgreSQL, in the middle of the CDRs")
    hub, fahrtwind = story.world.hub, story.world.parties[FAHRTWIND]
    # Fahrtwind takes a CDR at once and says so late: the kill finds answers that are still due.
    await before_the_kill(story)
    match = {"module": "cdrs", "headers": {FROM_PARTY: LAADOEVER.party.party_id}}
    await fahrtwind.fault(match=match, delay_s=ANSWER_AFTER_S, after=True)
    acknowledged = len(story.billing.acknowledged)
    before = len(await fahrtwind.received_cdrs())
    theirs = sum(cdr.receiver == FAHRTWIND.party for cdr in cdrs)
    sending = asyncio.ensure_future(send_cdrs(story, cdrs))
    try:
        while not sending.done():
            if len(await fahrtwind.received_cdrs()) - before > theirs // 3:
                break
            await asyncio.sleep(POLL_S)
        processes = await hub.child.kill_with_descendants()
        await sending
    finally:
        sending.cancel()
    died = time.monotonic()
    unanswered = len(story.billing.again)
    acknowledged = len(story.billing.acknowledged) - acknowledged
    story.report.line("killed", f"{processes} processes")
    story.report.line("CDRs", f"{acknowledged} acknowledged, {unanswered} without an answer")
    await fahrtwind.clear_faults()
    await hub.start()
    back = time.monotonic()
    story.report.line("hub is back", f"after {back - died:.1f} s, on the same data")
    with story.report.progress("CDRs again", unanswered) as progress:
        await story.billing.send_again(progress)
    # Who returns before that gets what changed twice: a push of before might still arrive.
    await asyncio.sleep(max(0.0, back + DOUBT_S + SURELY_S - time.monotonic()))
    text = f"{unanswered - len(story.billing.again)} of {unanswered} acknowledged now"
    story.report.line("sent again by their CPOs", text)
    await after_the_kill(story)


async def back_again(story: Story, cdrs: Sequence[DemoCdr], away: Away) -> Absence:
    """The rest of the CDRs, and the eMSP that was away catches up."""
    await send_cdrs(story, cdrs)
    story.report.section(f"{ROULIBRE.name} is back after {time.monotonic() - away.since:.0f} s")
    waiting = _at(story, ROULIBRE) - len(await story.world.parties[ROULIBRE].received_cdrs())
    absence = await end_absence(story, ROULIBRE, away.changes_before)
    done_s, learned_s, priced_s = await asyncio.gather(
        _waiting_cdrs(story, waiting), catch_up(story, absence), in_step(story, ROULIBRE)
    )
    story.report.line("its CDRs", f"{waiting} in {done_s:.1f} s")
    story.report.line(
        "changes of charging points meanwhile", f"{absence.changes}, at {absence.evses} of them"
    )
    pushes = len(with_news(await pushes_since(story, absence), absence.behind))
    seconds = "which was not enough" if learned_s is None else f"in {learned_s:.1f} s"
    story.report.line("  it was told of them by", f"{pushes} pushes, {seconds}")
    seconds = "which it does not get" if priced_s is None else f"in {priced_s:.1f} s"
    story.report.line("prices of its CPOs", seconds)
    return absence


async def _waiting_cdrs(story: Story, waiting: int) -> float:
    """Seconds until an eMSP that is back has the CDRs that waited for it."""
    began, done = time.monotonic(), 0
    roulibre = story.world.parties[ROULIBRE]
    with story.report.progress("waiting CDRs", waiting) as progress:
        while done < waiting and time.monotonic() - began < SETTLE_TIMEOUT_S:
            await asyncio.sleep(POLL_S)
            left = _at(story, ROULIBRE) - len(await roulibre.received_cdrs())
            progress.update(waiting - left - done)
            done = waiting - left
    return time.monotonic() - began


def _at(story: Story, emsp: Company) -> int:
    """How many acknowledged CDRs an eMSP should have."""
    return sum(
        cdr.receiver == emsp.party and cdr.cdr_id in story.billing.acknowledged
        for cdr in story.cdrs
    )
