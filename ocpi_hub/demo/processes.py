"""Everything that runs: the hub with its PostgreSQL, and a platform per company.

Each is a process of its own with a log of its own, in its own session, so that Ctrl-C reaches the
demo alone and the demo ends the others in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.process_tree import descendants, parents
from ocpi_hub.errors import OperatorError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 60.0
CONTROL_TIMEOUT_S = 120.0
POLL_S = 0.05
PORTS = range(20_000, 32_000)
PORT_ATTEMPTS = 50

PROGRAM = (sys.executable, "-m", "ocpi_hub")


def clean_environment() -> dict[str, str]:
    """Ours without any setting of the hub: the demo must not depend on how a hub is set up here."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OCPI_HUB_")}


def free_port() -> int:
    """A port that is free, for a hub that has to come back under the same address.

    It lies below those that systems give to outgoing connections: one of those might take the
    place of the hub while it is away.
    """
    for port in random.sample(PORTS, PORT_ATTEMPTS):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OperatorError(f"no free port found from {PORTS.start} to {PORTS.stop}")


class Child:
    """A process that prints one line of JSON when it is ready."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        self._arguments = arguments
        self._environment = environment
        # Not asyncio's: that kills its processes at the end, and the demo may leave them running.
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._running().pid

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise OperatorError(f"{self.name} does not run")
        return self._process

    async def start(self) -> dict[str, Any]:
        """Start, and return what it says once it is ready.

        Raises:
            OperatorError: it ended, or said nothing in time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program; no waiting
                [*PROGRAM, *self._arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        if self._process.stdout is None:
            raise AssertionError("stdout is a pipe")
        line = b""
        with contextlib.suppress(TimeoutError):
            reading = asyncio.to_thread(self._process.stdout.readline)
            line = await asyncio.wait_for(reading, START_TIMEOUT_S)
        if not line:
            raise OperatorError(f"{self.name} did not start")
        ready: dict[str, Any] = json.loads(line)
        return ready

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.poll() is None:
            process.terminate()
        if not await _within(STOP_TIMEOUT_S, lambda: process.poll() is not None):
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    async def kill_with_descendants(self) -> int:
        """`kill -9` of the process and of everything it started; how many that were.

        Raises:
            OperatorError: some of it survives.
        """
        process, self._process = self._running(), None
        pids = [process.pid, *descendants(process.pid, parents())]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if not await _within(STOP_TIMEOUT_S, lambda: parents().keys().isdisjoint(pids)):
            raise OperatorError(f"{self.name} survives kill -9")
        return len(pids)


async def _within(limit_s: float, happened: Callable[[], bool]) -> bool:
    """Wait until something happened; whether it did in time."""
    deadline = time.monotonic() + limit_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True


class Hub:
    """The hub on its own PostgreSQL, and its commands."""

    def __init__(self, folder: Path, logs: Path, settings: Mapping[str, str]) -> None:
        self.data_dir = folder / "hub"
        values = {**settings, "data_dir": str(self.data_dir), "port": str(free_port())}
        self._environment = clean_environment() | {
            f"OCPI_HUB_{key.upper()}": value for key, value in values.items()
        }
        self.child = Child("the hub", ("serve", "--json"), self._environment, logs / "hub.log")
        self.url = ""

    async def start(self) -> float:
        """Start; returns the seconds until it was ready."""
        began = time.monotonic()
        self.url = str((await self.child.start())["url"])
        return time.monotonic() - began

    async def command(self, *arguments: str) -> Any:
        """The JSON that a command prints.

        Raises:
            OperatorError: it failed.
        """
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *arguments,
            "--json",
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        text = f"`ocpi-hub {' '.join(arguments)}`"
        try:
            out, err = await asyncio.wait_for(process.communicate(), COMMAND_TIMEOUT_S)
        except TimeoutError:
            raise OperatorError(f"{text} does not end") from None
        finally:
            # A command that outlives the hub would start the database itself.
            if process.returncode is None:
                process.terminate()
                await process.wait()
        if process.returncode:
            raise OperatorError(f"{text} failed: {err.decode(errors='replace').strip()}")
        return json.loads(out)


class Party:
    """The platform of one company, and its control side."""

    def __init__(self, company: Company, logs: Path) -> None:
        self.company = company
        arguments = ("party", "run", "--role", company.role.value, "--party", str(company.party))
        self.child = Child(
            company.name,
            (*arguments, "--name", company.name),
            clean_environment(),
            logs / f"{company.slug}.log",
        )
        self.control_url = ""
        self._http = httpx.AsyncClient(trust_env=False, timeout=CONTROL_TIMEOUT_S)

    async def start(self) -> None:
        self.control_url = str((await self.child.start())["control_url"])

    async def stop(self) -> None:
        await self.disconnect()
        await self.child.stop()

    async def disconnect(self) -> None:
        """Leave it running."""
        await self._http.aclose()

    async def control(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """One call of the control side: what it answers.

        Raises:
            OperatorError: it answered with an error, or not at all.
        """
        return json.loads(await self.control_text(method, path, body, **query))

    async def control_text(self, method: str, path: str, body: object = None, **query: str) -> str:
        """Like `control`, as it was written.

        Raises:
            OperatorError: as `control`.
        """
        try:
            response = await self._http.request(
                method,
                f"{self.control_url}{path}",
                params=query,
                content=None if body is None else json.dumps(body),
            )
        except httpx.HTTPError as error:
            name = type(error).__name__
            raise OperatorError(f"{self.company.name}: {method} {path}: {name}") from error
        if not response.is_success:
            raise OperatorError(f"{self.company.name}: {method} {path}: {response.text}")
        return response.text

    async def send_many(
        self, requests: Sequence[Mapping[str, object]], concurrency: int
    ) -> list[dict[str, Any]]:
        """Send OCPI requests to the hub; their answers in the same order."""
        body = {"requests": list(requests), "concurrency": concurrency}
        return list((await self.control("POST", "/send_many", body))["results"])

    async def fault(self, **fault: object) -> None:
        await self.control("POST", "/fault", fault)

    async def clear_faults(self) -> None:
        await self.control("DELETE", "/fault")

    async def received_cdrs(self) -> list[dict[str, Any]]:
        return list((await self.control("GET", "/cdrs"))["received"])
