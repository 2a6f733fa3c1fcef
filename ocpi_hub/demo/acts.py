"""The story, act by act. Each act prints what happened in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote

from ocpi_hub.demo.apps import by_app
from ocpi_hub.demo.authorizing import batches
from ocpi_hub.demo.availability import Absence, everybody_in_step, push_locations
from ocpi_hub.demo.copies import Copies
from ocpi_hub.demo.lists import read_lists
from ocpi_hub.demo.outages import (
    Away,
    back_again,
    cut,
    first_cdrs,
    killed,
    one_away,
    write_cdrs,
)
from ocpi_hub.demo.parties import FAHRTWIND, FJORDLADE, HUB, ROULIBRE, Company
from ocpi_hub.demo.plan import WHITELIST_PAIR
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.stopping import stop_by_app
from ocpi_hub.demo.story import Story, authorize_act
from ocpi_hub.demo.tariffs import change_prices, push_tariffs
from ocpi_hub.demo.tokens import DemoToken
from ocpi_hub.demo.world import BUDGET_MS
from ocpi_hub.domain.party import RelationMode

PACE = 4
"""Authorizations that a CPO has open at a time."""
SLOW_PACE = 8
SLOW_S = 0.4
TOO_SLOW_S = 2 * BUDGET_MS / 1000
PUSH_PACE = 8
PUSH_BATCH = 100


async def play(story: Story) -> Copies:
    """All acts; who has which Locations at the end."""
    await start(story)
    await onboard(story)
    await push_tariffs(story)
    await push_locations(story)
    async with story.traffic.flowing():
        await push_tokens(story)
        await authorizations(story)
        await by_app(story)
        async with story.charging.flowing(story.ongoing):
            absence = await _while_cars_charge(story)
    await stop_by_app(story)
    return await everybody_in_step(story, absence)


async def _while_cars_charge(story: Story) -> Absence:
    """What changes, and what goes wrong, while drivers with apps charge."""
    await change_prices(story)
    await read_lists(story)
    write_cdrs(story)
    parts = cut(story.cdrs)
    await first_cdrs(story, parts[0])
    away = Away(time.monotonic(), len(story.traffic.changes))
    await one_away(story, parts[1])
    await killed(story, parts[2])
    return await back_again(story, parts[3], away)


async def start(story: Story) -> None:
    story.report.section("Start: every company and the hub are processes of their own")
    seconds = await story.world.start()
    story.report.line("hub, with its own PostgreSQL", f"{story.world.hub.url}, in {seconds:.1f} s")
    for company, party in story.world.parties.items():
        who = f"{company.role.value} {company.name} {company.party}"
        story.report.line(who, f"control at {party.control_url}")


async def onboard(story: Story) -> None:
    """Invitations, handshakes, one relation that works by whitelist, and a pair that has none."""
    story.report.section("Onboarding: invitation, credentials handshake, relations")
    admin, began = story.world.admin, time.monotonic()
    await admin.make_key()
    story.secrets.add(admin.secret)

    async def invite(company: Company, party: Party) -> None:
        invited = await admin.call("POST", "/platforms", {"name": company.name})
        body = {"versions_url": invited["versions_url"], "token": invited["token"]}
        held = await party.control("POST", "/register", body)
        story.secrets.update({invited["token"], held["our_token"], held["their_token"]})

    await asyncio.gather(*(invite(*each) for each in story.world.parties.items()))
    cpo, emsp = WHITELIST_PAIR
    path = f"/relations/{cpo.party}/{emsp.party}"
    await admin.call("PATCH", path, {"mode": RelationMode.WHITELIST.value})
    path = f"/relations/{FJORDLADE.party}/{ROULIBRE.party}"
    await admin.call("PATCH", path, {"mode": RelationMode.NONE.value})
    count, seconds = len(story.world.parties), time.monotonic() - began
    story.report.line("connected", f"{count} platforms in {seconds:.1f} s")
    text = f"{cpo.name} - {emsp.name} by whitelist, the others in real time"
    story.report.line("relations", f"{text},")
    story.report.line("", f"{FJORDLADE.name} - {ROULIBRE.name} none")


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
    await authorize_act(story, "allowed and blocked, real time", plan.realtime, PACE)
    await authorize_act(story, "unknown to everybody", plan.unknown, PACE)
    async with _delayed(fahrtwind, SLOW_S):
        await authorize_act(story, f"{FAHRTWIND.name} takes {SLOW_S:g} s", plan.slow, SLOW_PACE)
    async with _delayed(fahrtwind, TOO_SLOW_S):
        await authorize_act(
            story, f"{FAHRTWIND.name} takes {TOO_SLOW_S:g} s", plan.too_slow, SLOW_PACE
        )
    story.report.line("", f"over the budget of {BUDGET_MS} ms: the hub decides by the stored token")
    await authorize_act(story, "by whitelist", plan.whitelist, PACE)


@asynccontextmanager
async def _delayed(party: Party, delay_s: float) -> AsyncIterator[None]:
    await party.fault(match={"module": "tokens"}, delay_s=delay_s)
    yield
    await party.clear_faults()
