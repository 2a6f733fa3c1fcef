"""The acts about Locations: everybody gets them, and everybody has them right in the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ocpi_hub.demo.authorizing import batches
from ocpi_hub.demo.copies import (
    Copies,
    Locations,
    Push,
    Return,
    behind,
    by_key,
    evse_times,
    open_to,
)
from ocpi_hub.demo.lists import read_locations
from ocpi_hub.demo.locations import put_location, sites_of
from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.sites import EVSES, SITES, Site
from ocpi_hub.demo.story import SETTLE_TIMEOUT_S, Story
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.ocpi.status_codes import StatusCode

PUSH_PACE = 8
PUSH_BATCH = 20
POLL_S = 0.25
"""Between two looks at everybody's Locations."""


async def push_locations(story: Story) -> None:
    """Each CPO puts its Locations at the hub, which pushes them to both eMSPs."""
    story.report.section(
        f"Locations: {len(SITES)} sites with {len(EVSES)} charging points, each site by a PUT"
    )
    began, moment = time.monotonic(), timestamp()
    with story.report.progress("locations", len(SITES)) as progress:

        async def push(party: Party, sites: Sequence[Site]) -> None:
            for batch in batches(sites, PUSH_BATCH):
                requests = [put_location(site, moment) for site in batch]
                _refuse_failures(party, await party.send_many(requests, PUSH_PACE))
                progress.update(len(batch))

        cpos = story.world.all_cpos.items()
        await asyncio.gather(*(push(party, sites_of(cpo)) for cpo, party in cpos))
    story.report.line("stored by the hub", f"in {time.monotonic() - began:.1f} s")
    await _in_step(story)
    story.report.line("at both eMSPs", f"after {time.monotonic() - began:.1f} s")
    story.report.line("from now on", "cars come and go; their CPOs tell the hub of each change")


def _refuse_failures(party: Party, results: Sequence[dict[str, Any]]) -> None:
    """Raises: OperatorError: a Location was not taken."""
    for result in results:
        if result.get("ocpi") != StatusCode.SUCCESS:
            raise OperatorError(f"{party.company.name}: a Location was not taken: {result}")


@dataclass(frozen=True, slots=True)
class Absence:
    """An eMSP at the moment when it comes back.

    Attributes:
        changes: changes of charging points while it was away.
        evses: charging points that changed then.
        made: changes up to that moment in all.
        behind: what it does not know yet, as `copies.behind` has it.
        position: in its record.
        at: the time, an OCPI DateTime.
    """

    company: Company
    changes: int
    evses: int
    made: int
    behind: dict[str, str]
    position: int
    at: str


async def end_absence(story: Story, company: Company, made_before: int) -> Absence:
    """Let an eMSP be reached again, and note what it has to learn.

    Args:
        made_before: changes that had been made when it went away.
    """
    party = story.world.parties[company]
    async with story.traffic.paused():
        changes = story.traffic.changes
        absence = Absence(
            company=company,
            changes=len(changes) - made_before,
            evses=len({change.evse.uid for change in changes[made_before:]}),
            made=len(changes),
            behind=behind(await _held(party), open_to(company, await _own(story))),
            position=int((await party.control("GET", "/status"))["record_next"]),
            at=timestamp(),
        )
        await party.clear_faults()
    return absence


async def catch_up(story: Story, absence: Absence) -> float | None:
    """Seconds until an eMSP that is back knew what it had missed; None if that does not happen."""
    began = time.monotonic()
    while time.monotonic() - began < SETTLE_TIMEOUT_S:
        known = evse_times(await _held(story.world.parties[absence.company]))
        if all(known[uid] >= moment for uid, moment in absence.behind.items()):
            return time.monotonic() - began
        await asyncio.sleep(POLL_S)
    return None


async def everybody_in_step(story: Story, absence: Absence) -> Copies:
    """The cars have stopped: wait until everybody has the same, and gather who has what."""
    story.report.section("The cars stop: who has which Locations?")
    changes = story.traffic.changes
    untold = sum(not change.told for change in changes)
    story.report.line("changes of charging points", f"{len(changes):,} by two CPOs")
    story.report.line("  told to a hub that was gone", f"{untold}, and not told again")
    began = time.monotonic()
    if await _in_step(story):
        seconds = time.monotonic() - began
        story.report.line("both eMSPs have the CPOs' Locations", f"after another {seconds:.1f} s")
    held = {emsp: await _held(party) for emsp, party in story.world.emsps.items()}
    return Copies(
        own=await _own(story),
        held=held,
        served={emsp: by_key(await read_locations(story, emsp)) for emsp in story.world.emsps},
        returned=Return(
            company=absence.company,
            at=absence.at,
            behind=absence.behind,
            since=Counter(change.evse.uid for change in changes[absence.made :]),
            pushes=await pushes_since(story, absence),
        ),
    )


async def _in_step(story: Story) -> bool:
    """Wait until both eMSPs have what the CPOs have; false if it does not come to that."""
    own = await _own(story)
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    for emsp, party in story.world.emsps.items():
        while await _held(party) != open_to(emsp, own):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
    return True


async def _own(story: Story) -> Locations:
    """The Locations of all CPOs as they are."""
    lists = [await party.control("GET", "/locations") for party in story.world.all_cpos.values()]
    return by_key(each for one in lists for each in one["own"])


async def _held(party: Party) -> Locations:
    """The Locations that an eMSP was given."""
    return by_key((await party.control("GET", "/locations"))["cached"])


async def pushes_since(story: Story, absence: Absence) -> list[Push]:
    """What an eMSP took since it is back."""
    party, position = story.world.parties[absence.company], absence.position
    record = await party.control(
        "GET", "/record", module="locations", direction="in", since=str(position)
    )
    return [read_push(item["path"], item["body"]) for item in record["items"] if item["acked"]]


def read_push(path: str, body: str) -> Push:
    """A push as the record has it."""
    _, _, place = path.partition("/locations/")
    _, _, location_id, *children = place.split("/")
    value = json.loads(body)
    if children:
        return Push(location_id, children[0], {children[0]: value["last_updated"]})
    return Push(location_id, None, evse_times({location_id: value}))
