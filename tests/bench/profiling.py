"""Where a hub's CPU time goes while a row runs: samples by py-spy, counted by function."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.programs import find_tool

SAMPLES_PER_S = 200
TOP = 15
_LINE_NUMBER = re.compile(r":\d+\)$")


@asynccontextmanager
async def recording(pid: int, target: Path) -> AsyncIterator[None]:
    """Sample a process and its children; the stacks go to a file, their summary beside it.

    Raises:
        MissingTool: py-spy is not installed.
    """
    program = find_tool("py-spy", "pip install py-spy")
    raw = target.with_suffix(".stacks")
    process = await asyncio.create_subprocess_exec(
        program,
        "record",
        *("--subprocesses", "--format", "raw", "--rate", str(SAMPLES_PER_S)),
        *("--pid", str(pid), "--output", str(raw)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()
    text = await asyncio.to_thread(raw.read_text)
    await asyncio.to_thread(target.write_text, summary(text.splitlines()))


def summary(stacks: Iterable[str], top: int = TOP) -> str:
    """The functions that most samples were in, and those of the hub that most samples were below.

    Args:
        stacks: lines of `outermost;...;innermost count`.
    """
    inside: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for line in stacks:
        stack, _, number = line.rpartition(" ")
        frames = [_LINE_NUMBER.sub(")", frame) for frame in stack.split(";")]
        inside[frames[-1]] += int(number)
        for frame in {each for each in frames if "(ocpi_hub/" in each}:
            below[frame] += int(number)
    total = inside.total() or 1
    parts = [f"{total} samples", "", "in the function itself:"]
    parts += [f"{100 * n / total:5.1f} %  {name}" for name, n in inside.most_common(top)]
    parts += ["", "in a function of the hub, with all it calls:"]
    parts += [f"{100 * n / total:5.1f} %  {name}" for name, n in below.most_common(2 * top)]
    return "\n".join(parts) + "\n"
