"""The hub reads an eMSP's token list for the first time, as pages of 1,000.

Set against the database's own work: it copies the rows that came of it into an empty table of the
same shape, as many in a transaction as the hub writes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocpi_hub.domain.party import PartyId
from tests.bench import programs, targets
from tests.bench.cpu import cpu_s, tree
from tests.bench.figures import Figure
from tests.bench.seeding import Partner
from tests.bench.world import Bench, World
from tests.support.waiting import eventually

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
TOKENS = 50_000
TOKENS_FULL = 1_000_000
WITHIN_S = 3000.0
_COPIED = 1000
_UNREACHED = "http://127.0.0.1:9"
_COLUMNS = (
    "module, country_code, party_id, object_id, object_type, audience, position, body,"
    " last_updated, origin, correlation_id"
)
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Pull:
    """CPU seconds by process, seconds in all, and the most resident memory of a process of the hub
    in bytes."""

    hub_s: float
    postgres_s: float
    insert_s: float
    seconds: float
    memory: int


async def run(bench: Bench) -> Sequence[Figure]:
    number = TOKENS_FULL if bench.full else TOKENS
    repeats = 1 if bench.full else bench.repeats
    pulls = [await _measure(bench, number) for _ in range(repeats)]
    last = pulls[-1]
    return [
        Figure(
            targets.PULL,
            [pull.hub_s * 1e6 / number for pull in pulls],
            {
                "tokens": number,
                "tokens/s": number / last.seconds,
                "postgres us": last.postgres_s * 1e6 / number,
                "hub MiB": last.memory / _MIB,
            },
        ),
        Figure(
            targets.PULL_TO_INSERT,
            [(pull.hub_s + pull.postgres_s) / pull.insert_s for pull in pulls],
            {"insert us": last.insert_s * 1e6 / number},
        ),
    ]


async def _measure(bench: Bench, number: int) -> _Pull:
    async with programs.python("tests.bench.token_list", "--tokens", str(number)) as partner:
        offered = [("tokens", "SENDER", f"{partner.url}/DE/MSP/tokens")]
        emsp = Partner(EMSP, "EMSP", partner.url, offered, catch_up="none")
        async with bench.world(
            "pull",
            [Partner(CPO, "CPO", _UNREACHED), emsp],
            relations=[(CPO, EMSP, "whitelist")],
            settings={"whitelist_pages_per_s": "0", "log_level": "warning"},
        ) as world:
            return await _pull(world, emsp.platform_id, number)


async def _pull(world: World, platform_id: str, number: int) -> _Pull:
    hub, postgres = (cpu_s(pid) for pid in world.watched.values())
    began = time.monotonic()
    await world.hub.run("whitelist", "pull", platform_id, "--full")
    await eventually(lambda: _is_over(world), "the list is read", within_s=WITHIN_S)
    seconds = time.monotonic() - began
    hub_s, postgres_s = (cpu_s(pid) for pid in world.watched.values())
    known = await world.connection.fetchval("select count(*) from shared_object")
    if known != number:
        raise AssertionError(f"{known} of {number} tokens are known")
    return _Pull(
        hub_s - hub,
        postgres_s - postgres,
        await _insert_s(world),
        seconds,
        max(map(largest_memory, tree(world.hub.process.pid))),
    )


async def _is_over(world: World) -> bool:
    state = await world.connection.fetchval("select state from whitelist_run")
    if state not in ("running", "done"):
        raise AssertionError(f"the run is {state}")
    return bool(state == "done")


async def _insert_s(world: World) -> float:
    """CPU seconds of PostgreSQL for storing the same rows."""
    connection = world.connection
    await connection.execute("create table copied (like shared_object including all)")
    first = await connection.fetchval("select min(serial) from shared_object")
    last = await connection.fetchval("select max(serial) from shared_object")
    before = cpu_s(world.bench.postgres_pid)
    for serial in range(first, last + 1, _COPIED):
        await connection.execute(
            f"insert into copied ({_COLUMNS}) select {_COLUMNS} from shared_object"  # noqa: S608
            " where serial >= $1 and serial < $2",
            serial,
            serial + _COPIED,
        )
    return cpu_s(world.bench.postgres_pid) - before


def largest_memory(pid: int) -> int:
    """Bytes that a process had in memory at once, at most (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
