"""Requests at a given rate, and how long each took from the moment it was due.

An open loop: requests are due at random moments (a Poisson process), whatever happens to those
before. Time that a request waits because a server is busy with others counts, also when it waits
in here for a free connection; a generator that only sends after an answer would leave it out.

It has a loop of its own: one of asyncio takes as long for a request as half a hub, on a core that
shares its caches with the hub's. It waits for its poller with `select`, whose timeouts are as fine
as the kernel's: those of `epoll` in Python are whole milliseconds, more than what is measured.
"""

from __future__ import annotations

import gc
import json
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import percentile
from tests.bench.messages import read_requests

CONNECTIONS = 128
ANSWER_TIMEOUT_S = 30.0
WARM_UP_S = 0.5
"""Requests due before that are sent, but not counted."""


class _Connection:
    """One request at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._received = b""
        self.due = 0.0

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        if self._socket.send(request) != len(request):
            raise AssertionError("a request does not fit into the buffer of an idle connection")

    def is_answered(self) -> bool:
        """Read what is there."""
        data = self._socket.recv(65536)
        if not data:
            raise AssertionError(f"closed after {self._received[:200]!r}")
        received = self._received = self._received + data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return False
        at = received.lower().find(b"content-length: ", 0, end)
        length = int(received[at + 16 : received.find(b"\r", at)])
        if len(received) < end + 4 + length:
            return False
        if received[9:10] != b"2":
            raise AssertionError(f"answered {received[:200]!r}")
        self._received = b""
        return True


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
        self.latencies_ms: list[float] = []

    def run(self, port: int) -> None:
        """Raises: AssertionError: a request failed, or was not answered in time."""
        connections = {
            each.fileno(): each for each in (_Connection(port) for _ in range(CONNECTIONS))
        }
        self._idle.extend(connections.values())
        poller = select.epoll()
        for descriptor in connections:
            poller.register(descriptor, select.EPOLLIN)
        gc.collect()
        gc.disable()
        self._began = time.monotonic()
        while self._open:
            now = time.monotonic() - self._began
            while self._due and self._due[0] <= now:
                self._send(self._due.popleft())
            wait_s = self._due[0] - now if self._due else ANSWER_TIMEOUT_S
            if select.select([poller], [], [], max(wait_s, 0.0))[0]:
                for descriptor, _ in poller.poll(0):
                    connection = connections[descriptor]
                    if connection.is_answered():
                        self._answered(connection, connection.due)
            elif not self._due:
                raise AssertionError(f"{self._open} requests have no answer")

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


def main(port: str, requests: str, rate: str, seconds: str, seed: str) -> None:
    generator = Generator(read_requests(Path(requests)), float(rate), float(seconds), int(seed))
    generator.run(int(port))
    latencies = generator.latencies_ms
    told = {
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "sent": generator.sent,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
