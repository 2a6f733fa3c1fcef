"""Requests at a given rate, and how long each took from the moment it was due.

An open loop: requests are due at random moments (a Poisson process), whatever happens to those
before. Time that a request waits because a server is busy with others counts, also when it waits
in here for a free connection; a generator that only sends after an answer would leave it out.

The loop selects with `select`, whose timeouts are as fine as the kernel's: those of `epoll` in
Python are whole milliseconds, more than what is measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.figures import percentile
from tests.bench.messages import read_requests

CONNECTIONS = 128
ANSWER_TIMEOUT_S = 30.0
WARM_UP_S = 0.5
"""Requests due before that are sent, but not counted."""


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, answered: Callable[[_Connection, float], None]) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        at = received.lower().find(b"content-length: ", 0, end)
        length = int(received[at + 16 : received.find(b"\r", at)])
        if len(received) < end + 4 + length:
            return
        if received[9:10] != b"2":
            raise AssertionError(f"answered {received[:200]!r}")
        self._received = b""
        self._answered(self, self._due)


class Generator:
    """Sends requests when they are due.

    Args:
        rate: requests per second, on average.
    """

    def __init__(self, requests: Sequence[bytes], rate: float, seconds: float, seed: int) -> None:
        self._requests = requests
        chance = random.Random(seed)  # noqa: S311 - the same arrivals each time, no secret
        self._due: deque[float] = deque()
        at = 0.0
        while at < WARM_UP_S + seconds:
            at += chance.expovariate(rate)
            self._due.append(at)
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[float] = deque()
        self._turn = 0
        self.sent = self._open = len(self._due)
        self._began = 0.0
        self._done = asyncio.Event()
        self.latencies_ms: list[float] = []

    async def run(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(
                lambda: _Connection(self._answered), "127.0.0.1", port
            )
            self._idle.append(connection)
        gc.collect()
        gc.disable()
        self._began = time.monotonic()
        self._send_due()
        async with asyncio.timeout(WARM_UP_S + self._due[-1] + ANSWER_TIMEOUT_S):
            await self._done.wait()

    def _send_due(self) -> None:
        now = time.monotonic() - self._began
        while self._due and self._due[0] <= now:
            self._send(self._due.popleft())
        if self._due:
            asyncio.get_running_loop().call_at(self._began + self._due[0], self._send_due)

    def _send(self, due: float) -> None:
        if not self._idle:
            self._waiting.append(due)
            return
        self._turn = (self._turn + 1) % len(self._requests)
        # The connection used longest ago: so all stay in use.
        self._idle.popleft().send(self._requests[self._turn], due)

    def _answered(self, connection: _Connection, due: float) -> None:
        if due >= WARM_UP_S:
            took_s = time.monotonic() - self._began - due
            self.latencies_ms.append(took_s * 1000)
        self._idle.append(connection)
        self._open -= 1
        if self._waiting:
            self._send(self._waiting.popleft())
        elif not self._open:
            self._done.set()


async def _main(port: str, requests: str, rate: str, seconds: str, seed: str) -> None:
    generator = Generator(read_requests(Path(requests)), float(rate), float(seconds), int(seed))
    await generator.run(int(port))
    latencies = generator.latencies_ms
    told = {
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "sent": generator.sent,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        runner.run(_main(*sys.argv[1:]))
