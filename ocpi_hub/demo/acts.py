"""The story, act by act. Each act prints what happened in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from ocpi_hub.demo.authorizing import Answered, authorize, batches
from ocpi_hub.demo.billing import Billing
from ocpi_hub.demo.cdrs import CdrWriter, Charge, DemoCdr
from ocpi_hub.demo.parties import FAHRTWIND, HUB, ROULIBRE, Company
from ocpi_hub.demo.plan import WHITELIST_PAIR, Ask, Plan, chance
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.report import Report, latency
from ocpi_hub.demo.tokens import DemoToken
from ocpi_hub.demo.world import BUDGET_MS, World
from ocpi_hub.ocpi.v2_2_1.tokens import AllowedType

PACE = 4
"""Authorizations that a CPO has open at a time."""
SLOW_PACE = 8
SLOW_S = 0.4
TOO_SLOW_S = 2 * BUDGET_MS / 1000
PUSH_PACE = 8
PUSH_BATCH = 100

ANSWER_AFTER_S = 1.0
"""Delay of an eMSP's answers to CDRs it has taken, around the kill."""
CDR_SHARES = (0.27, 0.30, 0.23, 0.20)
"""Parts of the CDRs: with everybody there, with one eMSP away, around the kill, after it."""

SETTLE_TIMEOUT_S = 90.0
POLL_S = 0.1


@dataclass(slots=True)
class Story:
    """What the acts work on and leave behind for the checks."""

    world: World
    plan: Plan
    report: Report
    answers: dict[str, Sequence[Answered]] = field(default_factory=dict)
    cdrs: list[DemoCdr] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    billing: Billing = field(init=False)

    def __post_init__(self) -> None:
        self.billing = Billing(self.world.cpos)

    @property
    def all_answers(self) -> list[Answered]:
        return [answered for act in self.answers.values() for answered in act]


async def play(story: Story) -> None:
    """All acts."""
    await start(story)
    await onboard(story)
    await push_tokens(story)
    await authorizations(story)
    write_cdrs(story)
    parts = cut(story.cdrs)
    await first_cdrs(story, parts[0])
    away = time.monotonic()
    await one_away(story, parts[1])
    await killed(story, parts[2])
    await back_again(story, parts[3], away)


async def start(story: Story) -> None:
    story.report.section("Start: every company and the hub are processes of their own")
    seconds = await story.world.start()
    story.report.line("hub, with its own PostgreSQL", f"{story.world.hub.url}, in {seconds:.1f} s")
    for company, party in story.world.parties.items():
        who = f"{company.role.value} {company.name} {company.party}"
        story.report.line(who, f"control at {party.control_url}")


async def onboard(story: Story) -> None:
    """Invitations, handshakes, and one relation that works by whitelist."""
    story.report.section("Onboarding: invitation, credentials handshake, relations")
    hub, began = story.world.hub, time.monotonic()

    async def invite(company: Company, party: Party) -> None:
        invited = await hub.command("platform", "invite", "--name", company.name)
        body = {"versions_url": invited["versions_url"], "token": invited["token"]}
        held = await party.control("POST", "/register", body)
        story.secrets.update({invited["token"], held["our_token"], held["their_token"]})

    await asyncio.gather(*(invite(*each) for each in story.world.parties.items()))
    cpo, emsp = WHITELIST_PAIR
    await hub.command("relation", "set", str(cpo.party), str(emsp.party), "--mode", "whitelist")
    story.report.line("connected", f"4 platforms in {time.monotonic() - began:.1f} s")
    story.report.line(
        "relations", f"{cpo.name} - {emsp.name} by whitelist, the others in real time"
    )


async def push_tokens(story: Story) -> None:
    """Each eMSP puts its tokens into its own table and at the hub."""
    total, began = len(story.plan.all_tokens), time.monotonic()
    story.report.section(f"Tokens: {total:,} pushed to the hub, each by a PUT of its own")
    with story.report.progress("tokens", total) as progress:

        async def push(emsp: Company, tokens: Sequence[DemoToken]) -> None:
            party = story.world.parties[emsp]
            await party.control("POST", "/tokens", [token.as_ocpi() for token in tokens])
            for batch in batches(tokens, PUSH_BATCH):
                await party.send_many([_put(token) for token in batch], PUSH_PACE)
                progress.update(len(batch))

        await asyncio.gather(*(push(*each) for each in story.plan.tokens.items()))
    seconds = time.monotonic() - began
    story.report.line("stored by the hub", f"in {seconds:.1f} s, {total / seconds:,.0f} per second")


def _put(token: DemoToken) -> dict[str, object]:
    owner = token.owner
    uid = quote(token.uid, safe="")
    return {
        "method": "PUT",
        "module": "tokens",
        "role": "RECEIVER",
        "path": f"{owner.country_code}/{owner.party_id}/{uid}",
        "query": {"type": token.type.value},
        "body": token.as_ocpi(),
        "to": str(HUB),
    }


async def authorizations(story: Story) -> None:
    """All authorizations but those while an eMSP is away."""
    plan, fahrtwind = story.plan, story.world.parties[FAHRTWIND]
    count = sum(map(len, (plan.realtime, plan.unknown, plan.slow, plan.too_slow, plan.whitelist)))
    story.report.section(f"Authorizations: {count:,} cards held to a reader (latency at the CPO)")
    await _act(story, "allowed and blocked, real time", plan.realtime, PACE)
    await _act(story, "unknown to everybody", plan.unknown, PACE)
    async with _delayed(fahrtwind, SLOW_S):
        await _act(story, f"{FAHRTWIND.name} takes {SLOW_S:g} s", plan.slow, SLOW_PACE)
    async with _delayed(fahrtwind, TOO_SLOW_S):
        await _act(story, f"{FAHRTWIND.name} takes {TOO_SLOW_S:g} s", plan.too_slow, SLOW_PACE)
    story.report.line("", f"over the budget of {BUDGET_MS} ms: the hub decides by the stored token")
    await _act(story, "by whitelist", plan.whitelist, PACE)


@asynccontextmanager
async def _delayed(party: Party, delay_s: float) -> AsyncIterator[None]:
    await party.fault(match={"module": "tokens"}, delay_s=delay_s)
    yield
    await party.clear_faults()


async def _act(story: Story, name: str, asks: Sequence[Ask], pace: int) -> None:
    with story.report.progress(name, len(asks)) as progress:
        answers = await authorize(story.world.parties, asks, pace, progress)
    story.answers[name] = answers
    yes = sum(answered.allowed == AllowedType.ALLOWED for answered in answers)
    text = f"{len(answers):4}, {yes:3} allowed, {latency([each.ms for each in answers])}"
    story.report.line(name, text)


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
    await _send(story, cdrs)
    seconds = time.monotonic() - began
    story.report.line("everybody there", f"{len(cdrs)} acknowledged in {seconds:.1f} s")


async def one_away(story: Story, cdrs: Sequence[DemoCdr]) -> None:
    """One eMSP cannot be reached: authorizations by stored tokens, its CDRs wait in the hub."""
    story.report.section(f"{ROULIBRE.name} is away")
    await story.world.parties[ROULIBRE].fault(refuse=True)
    await _act(story, f"authorizations for {ROULIBRE.name}", story.plan.down, PACE)
    await _send(story, cdrs)
    held = sum(cdr.receiver == ROULIBRE.party for cdr in cdrs)
    story.report.line("CDRs", f"{len(cdrs)} acknowledged, {held} of them wait in the hub")


async def killed(story: Story, cdrs: Sequence[DemoCdr]) -> None:
    """kill -9 while CDRs are on their way, and a start on what is left on the disk."""
    story.report.section("kill -9 of the hub and its PostgreSQL, in the middle of the CDRs")
    hub, fahrtwind = story.world.hub, story.world.parties[FAHRTWIND]
    # Fahrtwind takes a CDR at once and says so late: the kill finds answers that are still due.
    await fahrtwind.fault(match={"module": "cdrs"}, delay_s=ANSWER_AFTER_S, after=True)
    acknowledged = len(story.billing.acknowledged)
    before = len(await fahrtwind.received_cdrs())
    theirs = sum(cdr.receiver == FAHRTWIND.party for cdr in cdrs)
    sending = asyncio.ensure_future(_send(story, cdrs))
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
    story.report.line("hub is back", f"after {time.monotonic() - died:.1f} s, on the same data")
    with story.report.progress("CDRs again", unanswered) as progress:
        await story.billing.send_again(progress)
    text = f"{unanswered - len(story.billing.again)} of {unanswered} acknowledged now"
    story.report.line("sent again by their CPOs", text)


async def back_again(story: Story, cdrs: Sequence[DemoCdr], away: float) -> None:
    """The rest of the CDRs, and the eMSP that was away catches up."""
    roulibre = story.world.parties[ROULIBRE]
    await _send(story, cdrs)
    gone_s = time.monotonic() - away
    story.report.section(f"{ROULIBRE.name} is back after {gone_s:.0f} s")
    waiting = _at(story, ROULIBRE) - len(await roulibre.received_cdrs())
    began = time.monotonic()
    await roulibre.clear_faults()
    with story.report.progress("waiting CDRs", waiting) as progress:
        done = 0
        while done < waiting and time.monotonic() - began < SETTLE_TIMEOUT_S:
            await asyncio.sleep(POLL_S)
            left = _at(story, ROULIBRE) - len(await roulibre.received_cdrs())
            progress.update(waiting - left - done)
            done = waiting - left
    story.report.line("caught up", f"{done} CDRs in {time.monotonic() - began:.1f} s")


def _at(story: Story, emsp: Company) -> int:
    """How many acknowledged CDRs an eMSP should have."""
    return sum(
        cdr.receiver == emsp.party and cdr.cdr_id in story.billing.acknowledged
        for cdr in story.cdrs
    )


async def _send(story: Story, cdrs: Sequence[DemoCdr]) -> None:
    with story.report.progress("CDRs", len(cdrs)) as progress:
        await story.billing.send(cdrs, progress)
