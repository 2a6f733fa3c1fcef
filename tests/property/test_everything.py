"""Everything at once, against a model: each party ends with what it should hold.

The hub is a process on a real database. Two CPO and two eMSP platforms of one or two parties each
push over HTTP what changes: Locations, EVSEs and connectors, Tariffs (deleted, too) and Tokens for
everybody or for one party, Sessions with their charging periods, CDRs. Meanwhile platforms go away
and come back, lose answers, answer too late, break and refuse; relations are withdrawn and set
again; the hub is stopped, or killed while requests are under way. Owners do what owners do: what
they got no answer to they send again, or leave to their lists.

In the end nothing goes wrong any more, and once everything has settled each party has been given,
and sees in the hub's lists, what the model says, and nothing else. Commands and charging profiles
leave nothing behind that could differ.

A run is repeatable by its seed as far as what is done and in which order; what happens at the same
time is up to the machine.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from ocpi_hub.store.address import DatabaseAddress
from tests.support.copies import Fields
from tests.support.hub import HubProcess
from tests.support.keeping_partner import KeepingPartner
from tests.support.roaming_end import End
from tests.support.roaming_run import HUB, PLATFORMS, Run
from tests.support.thorough import rounds
from tests.support.wire import Wire

STEPS = rounds(240, 3000)
"""Requests of owners."""
RUNS = rounds(1, 3)
SEED = os.environ.get("SEED")
"""Another one than usual."""


@asynccontextmanager
async def started(seed: int, address: DatabaseAddress, log: Path) -> AsyncIterator[Run]:
    """A hub with all platforms on board."""
    async with AsyncExitStack() as stack:
        partners = [
            await stack.enter_async_context(
                KeepingPartner(role, parties, nothing, seed=seed + number, late_s=0.8)
            )
            for role in PLATFORMS
            for number, parties in enumerate(PLATFORMS[role])
        ]
        hub = await stack.enter_async_context(HubProcess(address, log, settings=HUB))
        database = await hub.open_database()
        stack.push_async_callback(database.close)
        run = Run(seed, hub, database, partners)
        for partner in partners:
            invited = await hub.invite(database, partner.parties[0])
            async with Wire(hub, invited.token) as before:
                answer = await before.send("POST", "/2.2.1/credentials", partner.credentials())
            assert answer.codes == (200, 1000), answer
            token = answer.data["token"]
            run.wires[partner.token] = await stack.enter_async_context(Wire(hub, token))
        yield run


def nothing(_party: str, _module: str) -> Iterable[Fields]:
    return ()


@pytest.mark.timeout(rounds(120, 1800))
@pytest.mark.parametrize("number", range(RUNS))
async def test_every_party_ends_with_what_it_should_hold(
    number: int, address: DatabaseAddress, tmp_path: Path
) -> None:
    seed = int(SEED) if SEED else 4100 + number
    async with started(seed, address, tmp_path / "hub.log") as run:
        end = End(run)
        try:
            steps = rounds_made = 0
            while steps < STEPS:
                rounds_made += 1
                steps += await run.round(rounds_made)
            await end.settle()
            await end.check_lists()
            await end.check_client_info()
        except AssertionError as error:
            raise AssertionError(f"SEED={seed}: {end.told(error)}") from error
