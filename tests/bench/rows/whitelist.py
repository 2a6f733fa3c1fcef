"""An authorization that the hub answers itself, from the whitelist, with evidence committed.

Set against a handler on the same HTTP library that reads the body and answers fixed bytes.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ocpi_hub.domain.party import PartyId
from tests.bench import messages, programs, targets
from tests.bench.figures import Figure, per_core
from tests.bench.load import require_wrk, saturate
from tests.bench.seeding import Partner
from tests.bench.world import Bench

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
UIDS = [f"04{number:08X}" for number in range(256)]


async def run(bench: Bench) -> Sequence[Figure]:
    """Raises MissingTool: wrk is not installed."""
    require_wrk()
    async with programs.python("tests.bench.sink") as sink:
        offered = [("tokens", "SENDER", f"{sink.url}/DE/MSP/tokens")]
        cpo = Partner(CPO, "CPO", sink.url)
        requests = messages.write_requests(
            bench.directory / "whitelist.requests",
            [
                messages.authorize(
                    "/ocpi/2.2.1/sender/tokens", uid, token=cpo.token, to=EMSP, sender=CPO
                )
                for uid in UIDS
            ],
        )
        async with (
            bench.world(
                "whitelist",
                [cpo, Partner(EMSP, "EMSP", sink.url, offered)],
                tokens=[(EMSP, UIDS)],
                relations=[(CPO, EMSP, "whitelist")],
            ) as world,
            programs.python("tests.bench.trivial") as trivial,
        ):
            await saturate(world.port, requests, watched={}, seconds=1.0)
            hub, baseline = [], []
            for _ in range(bench.repeats):
                watched = {"trivial": trivial.pid}
                baseline.append(
                    await saturate(trivial.port, requests, watched=watched, seconds=bench.seconds)
                )
                hub.append(
                    await saturate(
                        world.port, requests, watched=world.watched, seconds=bench.seconds
                    )
                )
            decided = await world.connection.fetchval(
                "select count(*) filter (where decided_by = 'hub_whitelist')::float8 / count(*)"
                " from authorization_decision"
            )
            if decided < 1:
                raise AssertionError(f"only {decided:.0%} of the answers came from the whitelist")
    return [
        Figure(
            targets.WHITELIST,
            [
                per_core(ours.cpu_us["hub"]) / per_core(theirs.cpu_us["trivial"])
                for ours, theirs in zip(hub, baseline, strict=True)
            ],
            {
                "hub us": statistics.median(load.cpu_us["hub"] for load in hub),
                "postgres us": statistics.median(load.cpu_us["postgres"] for load in hub),
                "trivial us": statistics.median(load.cpu_us["trivial"] for load in baseline),
                "requests/s": statistics.median(load.per_second for load in hub),
            },
        )
    ]
