"""CDRs taken into custody: validated, committed, answered.

The receiver announces no endpoint, so CDRs wait to be pulled: intake alone is measured. Set against
the same hub whose custody forgets what it is given at once.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ocpi_hub.domain.party import PartyId
from tests.bench import messages, targets
from tests.bench.figures import Figure, per_core
from tests.bench.load import Load, require_wrk, saturate
from tests.bench.seeding import Partner
from tests.bench.world import Bench, World

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
CONNECTIONS = 64
_UNREACHED = "http://127.0.0.1:9"


async def run(bench: Bench) -> Sequence[Figure]:
    """Raises MissingTool: wrk is not installed."""
    require_wrk()
    partners = [Partner(CPO, "CPO", _UNREACHED), Partner(EMSP, "EMSP", _UNREACHED)]
    request = messages.cdr(token=partners[0].token, payer=EMSP, sender=CPO)
    requests = messages.write_requests(bench.directory / "intake.requests", [request])
    forgetful = "tests.bench.forgetful_hub"
    async with (
        bench.world("intake", partners) as durable,
        bench.world("intake_without", partners, program=forgetful) as without,
    ):

        async def measured(world: World, turn: int, seconds: float) -> Load:
            return await saturate(
                world.port,
                requests,
                watched=world.watched,
                seconds=seconds,
                connections=CONNECTIONS,
                first_serial=turn * 10_000_000,
            )

        await measured(without, 0, 1.0)
        await measured(durable, 0, 1.0)
        ours, theirs = [], []
        for turn in range(1, bench.repeats + 1):
            theirs.append(await measured(without, turn, bench.seconds))
            before = await _kept(durable)
            ours.append(await measured(durable, turn, bench.seconds))
            kept = await _kept(durable) - before
            if kept < ours[-1].completed:
                raise AssertionError(f"{ours[-1].completed} were acknowledged, {kept} are kept")
        if await _kept(without):
            raise AssertionError("the baseline keeps CDRs")
    return [
        Figure(
            targets.INTAKE,
            [
                per_core(with_it.cpu_us["hub"]) / per_core(without_it.cpu_us["hub"])
                for with_it, without_it in zip(ours, theirs, strict=True)
            ],
            {
                "hub us": statistics.median(load.cpu_us["hub"] for load in ours),
                "postgres us": statistics.median(load.cpu_us["postgres"] for load in ours),
                "without us": statistics.median(load.cpu_us["hub"] for load in theirs),
                "CDRs/s": statistics.median(load.per_second for load in ours),
                "bytes": len(request),
            },
        )
    ]


async def _kept(world: World) -> int:
    return int(await world.connection.fetchval("select count(*) from directed_object"))
