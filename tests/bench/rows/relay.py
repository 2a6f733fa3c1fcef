"""A relayed authorize: CPO, hub, eMSP and back, in real time.

What the hub's CPU time allows on one core is set against nginx, which passes the same requests to
the same receiver. Latency is measured at half of what the hub took at most, against calling the
receiver directly at the same rate with the same arrivals.
"""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ocpi_hub.domain.party import PartyId
from tests.bench import messages, programs, targets
from tests.bench.cpu import cpu_s
from tests.bench.figures import Figure, per_core
from tests.bench.load import Latency, Load, open_loop, require_wrk, saturate
from tests.bench.programs import Running
from tests.bench.seeding import Partner, parties
from tests.bench.world import Bench, World

CPO = PartyId("NL", "CPO")
EMSPS = 4
UIDS = 64
"""Tokens of each eMSP."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Hub and receiver, and the requests for either."""

    world: World
    sink: Running
    through_hub: Path
    direct: Path


@asynccontextmanager
async def stage(bench: Bench, name: str, *, workers: int = 1) -> AsyncIterator[Stage]:
    """A CPO and `EMSPS` eMSPs, each on a platform of its own, that answer at once."""
    emsps = parties("DE", EMSPS)
    async with programs.python("tests.bench.sink", "--ports", str(EMSPS)) as sink:
        partners = [
            Partner(
                emsp,
                "EMSP",
                f"http://127.0.0.1:{port}",
                [("tokens", "SENDER", f"http://127.0.0.1:{port}{_base(emsp)}")],
            )
            for emsp, port in zip(emsps, sink.ports, strict=True)
        ]
        cpo = Partner(CPO, "CPO", sink.url)
        uids = {emsp: [f"04{n:02X}{k:08X}" for k in range(UIDS)] for n, emsp in enumerate(emsps)}
        pairs = [
            (emsps[n % EMSPS], uids[emsps[n % EMSPS]][n // EMSPS]) for n in range(EMSPS * UIDS)
        ]
        through_hub, direct = (
            messages.write_requests(
                bench.directory / f"{name}-{kind}.requests",
                [
                    messages.authorize(
                        base or _base(emsp), uid, token=cpo.token, to=emsp, sender=CPO
                    )
                    for emsp, uid in pairs
                ],
            )
            for kind, base in (("hub", "/ocpi/2.2.1/sender/tokens"), ("direct", ""))
        )
        async with bench.world(
            name,
            [cpo, *partners],
            settings={"workers": str(workers)},
            tokens=list(uids.items()),
        ) as world:
            yield Stage(world, sink, through_hub, direct)


def _base(emsp: PartyId) -> str:
    return f"/{emsp.country_code}/{emsp.party_id}/tokens"


async def run(bench: Bench) -> Sequence[Figure]:
    """Raises MissingTool: nginx or wrk is not installed."""
    require_wrk()
    async with (
        stage(bench, "relay") as on,
        programs.nginx(bench.directory, on.sink.port) as proxy,
    ):
        await _saturate_hub(on, 1.0)
        hub, nginx = [], []
        for _ in range(bench.repeats):
            nginx.append(
                await saturate(
                    proxy.port, on.direct, watched={"nginx": proxy.pid}, seconds=bench.seconds
                )
            )
            hub.append(await _saturate_hub(on, bench.seconds))
        rate = statistics.median(load.per_second for load in hub) / 2
        return [_ratio(hub, nginx), *await _latency(bench, on, rate)]


async def _saturate_hub(on: Stage, seconds: float) -> Load:
    return await saturate(on.world.port, on.through_hub, watched=on.world.watched, seconds=seconds)


def _ratio(hub: Sequence[Load], nginx: Sequence[Load]) -> Figure:
    ratios = [
        per_core(ours.cpu_us["hub"]) / per_core(theirs.cpu_us["nginx"])
        for ours, theirs in zip(hub, nginx, strict=True)
    ]
    return Figure(
        targets.RELAY,
        ratios,
        {
            "hub us": statistics.median(load.cpu_us["hub"] for load in hub),
            "postgres us": statistics.median(load.cpu_us["postgres"] for load in hub),
            "nginx us": statistics.median(load.cpu_us["nginx"] for load in nginx),
            "requests/s": statistics.median(load.per_second for load in hub),
        },
    )


async def _latency(bench: Bench, on: Stage, rate: float) -> Sequence[Figure]:
    ours: list[Latency] = []
    theirs: list[Latency] = []
    cpu_us: list[float] = []
    for seed in range(bench.repeats):
        theirs.append(
            await open_loop(on.sink.port, on.direct, rate=rate, seconds=bench.seconds, seed=seed)
        )
        before = cpu_s(on.world.watched["hub"])
        ours.append(
            await open_loop(
                on.world.port, on.through_hub, rate=rate, seconds=bench.seconds, seed=seed
            )
        )
        used_s = cpu_s(on.world.watched["hub"]) - before
        cpu_us.append(used_s * 1e6 / ours[-1].sent)
    added = [hub.p50 - direct.p50 for hub, direct in zip(ours, theirs, strict=True)]
    return [
        Figure(
            targets.ADDED_P50,
            added,
            {
                "p50 ms": statistics.median(each.p50 for each in ours),
                "direct p50 ms": statistics.median(each.p50 for each in theirs),
                "requests/s": rate,
                "hub us": statistics.median(cpu_us),
            },
        ),
        Figure(
            targets.P99,
            [each.p99 for each in ours],
            {"direct p99 ms": statistics.median(each.p99 for each in theirs), "requests/s": rate},
        ),
    ]
