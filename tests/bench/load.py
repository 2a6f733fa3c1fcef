"""Load: as much as a server takes (wrk), or a given rate (`open_loop`), and what it costs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cpu import busy_s, cpu_s
from tests.bench.programs import MissingTool, find_tool, output

_SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What a server did under load.

    Attributes:
        cpu_us: microseconds a request of each process tree that was watched, by name.
        busy_s: CPU seconds of everything on the machine.
    """

    completed: int
    seconds: float
    cpu_us: Mapping[str, float]
    busy_s: float

    @property
    def per_second(self) -> float:
        return self.completed / self.seconds


def require_wrk() -> str:
    """The path of wrk.

    Raises:
        MissingTool: it is not installed.
    """
    return find_tool("wrk", "on Debian, apt-get install wrk")


async def saturate(
    port: int,
    requests: Path,
    *,
    watched: Mapping[str, int],
    seconds: float,
    connections: int = 32,
    first_serial: int = 0,
) -> Load:
    """Send requests over kept connections, the next one as soon as the last is answered.

    Args:
        watched: process ids by name; their trees' CPU time is measured.
        first_serial: for requests that are different each time.

    Raises:
        AssertionError: a request failed, or was answered with another HTTP status than 2xx.
    """
    command = [require_wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s"]
    command += ["-s", str(_SCRIPT), f"http://127.0.0.1:{port}", "--", str(requests)]
    before, busy = {name: cpu_s(pid) for name, pid in watched.items()}, busy_s()
    printed = await output(*command, str(first_serial))
    used = {name: cpu_s(pid) - before[name] for name, pid in watched.items()}
    told = json.loads(printed.strip().rpartition("\n")[2])
    if told["failed"] or not told["completed"]:
        raise AssertionError(f"requests failed under load: {printed}")
    completed = int(told["completed"])
    return Load(
        completed,
        float(told["seconds"]),
        {name: seconds_used * 1e6 / completed for name, seconds_used in used.items()},
        busy_s() - busy,
    )


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from when a request was due until its answer was there.

    Attributes:
        sent: requests, with those of the warm-up, which do not count otherwise.
    """

    p50: float
    p99: float
    sent: int


async def open_loop(
    port: int, requests: Path, *, rate: float, seconds: float, seed: int
) -> Latency:
    """Send requests at a given rate, whether or not earlier ones have been answered."""
    printed = await output(
        sys.executable,
        "-m",
        "tests.bench.open_loop",
        str(port),
        str(requests),
        f"{rate:.3f}",
        f"{seconds:g}",
        str(seed),
    )
    told = json.loads(printed)
    return Latency(told["p50_ms"], told["p99_ms"], told["sent"])


__all__ = ["Latency", "Load", "MissingTool", "open_loop", "require_wrk", "saturate"]
