"""Where a hub's CPU time goes while a row runs: samples by py-spy, counted by function."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
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
    """Three lists: functions by their own time, files of the hub that were at work themselves or by
    what they called outside the hub, and functions of the hub with all they call.

    Args:
        stacks: lines of `outermost;...;innermost count`.
    """
    own: Counter[str] = Counter()
    at_work: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for line in stacks:
        stack, _, number = line.rpartition(" ")
        frames = [_LINE_NUMBER.sub(")", frame) for frame in stack.split(";")]
        ours = [frame for frame in frames if "(ocpi_hub/" in frame]
        own[frames[-1]] += int(number)
        at_work[_file(ours[-1]) if _is_work(ours) else "the HTTP server and the loop"] += int(
            number
        )
        for frame in set(ours):
            below[frame] += int(number)
    total = own.total() or 1
    parts = [f"{total} samples"]
    for title, counts in (
        ("functions, without what they call", own),
        ("files of the hub, with what they call outside it", at_work),
        ("functions of the hub, with all they call", below),
    ):
        parts += ["", f"{title}:"]
        # What is in every sample only started the rest.
        telling = [(name, n) for name, n in counts.most_common() if n < total]
        parts += [f"{100 * n / total:5.1f} %  {name}" for name, n in telling[:top]]
    return "\n".join(parts) + "\n"


def _is_work(ours: Sequence[str]) -> bool:
    """Whether the hub called what was sampled, rather than only having started the loop."""
    return bool(ours) and not ours[-1].endswith("(ocpi_hub/cli/serve.py)")


def _file(frame: str) -> str:
    return frame.rpartition("(")[2].rstrip(")")
