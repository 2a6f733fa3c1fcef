"""Relayed authorizations of one worker process and of two.

Receiver, database and load generator share the two cores with the hub, so two workers cannot take
twice what one takes. What counts is the rate by CPU that was there for the hub: two cores less what
everything else used, and at most one core for each worker. Time in which a core was idle counts
against the hub: a hub that waits instead of working gets no better rating for it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tests.bench import targets
from tests.bench.figures import Figure
from tests.bench.load import Load, require_wrk, saturate
from tests.bench.rows.relay import stage
from tests.bench.world import Bench

CORES = 2
CONNECTIONS = 64


async def run(bench: Bench) -> Sequence[Figure]:
    """Raises MissingTool: wrk is not installed."""
    require_wrk()
    async with (
        stage(bench, "one_worker") as one,
        stage(bench, "two_workers", workers=2) as two,
    ):
        loads: dict[int, list[Load]] = {1: [], 2: []}
        for turn in range(bench.repeats + 1):
            for workers, on in ((1, one), (2, two)):
                load = await saturate(
                    on.world.port,
                    on.through_hub,
                    watched=on.world.watched,
                    seconds=bench.seconds if turn else 1.0,
                    connections=CONNECTIONS,
                )
                if turn:
                    loads[workers].append(load)
    raw = [statistics.median(load.per_second for load in loads[n]) for n in (1, 2)]
    return [
        Figure(
            targets.WORKERS,
            [
                2 * rate_by_core(b, 2) / rate_by_core(a, 1)
                for a, b in zip(loads[1], loads[2], strict=True)
            ],
            {
                "one: requests/s": raw[0],
                "two: requests/s": raw[1],
                "one: hub us": statistics.median(load.cpu_us["hub"] for load in loads[1]),
                "two: hub us": statistics.median(load.cpu_us["hub"] for load in loads[2]),
                "one: cores there": statistics.median(cores_there(load, 1) for load in loads[1]),
                "two: cores there": statistics.median(cores_there(load, 2) for load in loads[2]),
            },
            note="by CPU that the other processes left",
        )
    ]


def cores_there(load: Load, workers: int) -> float:
    """Cores that so many workers could use."""
    others_s = load.busy_s - load.cpu_us["hub"] * load.completed / 1e6
    return min(float(workers), CORES - others_s / load.seconds)


def rate_by_core(load: Load, workers: int) -> float:
    """Requests per second and core that was there for the hub."""
    return load.per_second / cores_there(load, workers)
