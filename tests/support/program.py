"""Programs that tests start, each `python -m MODULE ARGUMENTS`.

`forked` takes one from the starter of this pytest process, `executed` runs a new interpreter. Both
give a `Process`.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Protocol

from tests.support.starter import Request

REPOSITORY = Path(__file__).parents[2]
PIPE = subprocess.PIPE
STREAM_LIMIT_BYTES = 1 << 20
_PACKET_BYTES = 64

Output = int | IO[bytes] | None
"""`PIPE`, a file, or None for this process's own."""


class Process(Protocol):
    """What tests need of `asyncio.subprocess.Process`."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    async def wait(self) -> int: ...

    async def communicate(self) -> tuple[bytes, bytes]: ...

    def send_signal(self, number: int, /) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Start(Protocol):
    """`forked` or `executed`."""

    async def __call__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        stdout: Output = None,
        stderr: Output = None,
    ) -> Process: ...


async def executed(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    stdout: Output = None,
    stderr: Output = None,
) -> Process:
    """Start a program in a new interpreter."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        limit=STREAM_LIMIT_BYTES,
    )


async def forked(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    stdout: Output = None,
    stderr: Output = None,
) -> Process:
    """Start a program in a process where the hub is imported already."""
    if not hasattr(os, "pidfd_open"):  # which Linux alone has
        return await executed(*arguments, environment=environment, stdout=stdout, stderr=stderr)
    request = Request(
        arguments=arguments,
        environment=dict(os.environ if environment is None else environment),
        directory=str(Path.cwd()),
    )
    mine, theirs = _pair()
    with theirs, _output(stdout, 1) as (out, write_out), _output(stderr, 2) as (err, write_err):
        files = [theirs.fileno(), write_out, write_err]
        socket.send_fds(_starter(), [json.dumps(request).encode()], files)
    return await _Forked.started(mine, out, err)


class _Forked:
    """A program of the starter; `connection` tells of it."""

    def __init__(
        self, connection: socket.socket, pid: int, out: _Input | None, err: _Input | None
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = out.reader if out else None
        self.stderr = err.reader if err else None
        self._inputs = [each for each in (out, err) if each]
        self._connection = connection
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(connection, self._has_ended)

    @classmethod
    async def started(cls, connection: socket.socket, out: int | None, err: int | None) -> _Forked:
        """Once it is known under which process id; `out` and `err` are pipes to read from."""
        connection.setblocking(False)
        try:
            pid = await asyncio.get_running_loop().sock_recv(connection, _PACKET_BYTES)
        except BaseException:
            connection.close()  # which kills what may have been started
            raise
        if not pid:
            raise AssertionError("the starter has ended: its stderr says why")
        return cls(connection, int(pid), await _Input.of(out), await _Input.of(err))

    async def wait(self) -> int:
        """The status. Output that was not read before is lost."""
        await self._ended.wait()
        for each in self._inputs:
            each.transport.close()
        await asyncio.sleep(0)  # in which the pipes are closed
        if self.returncode is None:
            raise AssertionError("it has ended")
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """All that is left of its output."""
        out, err = await asyncio.gather(_all(self.stdout), _all(self.stderr))
        await self.wait()
        return out, err

    def send_signal(self, number: int, /) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _has_ended(self) -> None:
        status = self._connection.recv(_PACKET_BYTES)
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        self.returncode = int(status or -signal.SIGKILL)  # by the starter, when it ended itself
        self._ended.set()


@dataclass(frozen=True, slots=True)
class _Input:
    """A pipe being read."""

    reader: asyncio.StreamReader
    transport: asyncio.BaseTransport

    @classmethod
    async def of(cls, pipe: int | None) -> _Input | None:
        if pipe is None:
            return None
        reader = asyncio.StreamReader(STREAM_LIMIT_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
        )
        return cls(reader, transport)


async def _all(reader: asyncio.StreamReader | None) -> bytes:
    return await reader.read() if reader else b""


@contextmanager
def _output(output: Output, inherited: int) -> Iterator[tuple[int | None, int]]:
    """Where to read from, if anywhere, and the file to write to, which is open in the block."""
    if output is None:
        yield None, inherited
    elif isinstance(output, int):
        read, write = os.pipe()
        try:
            yield read, write
        finally:
            os.close(write)
    else:
        yield None, output.fileno()


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@cache
def _starter() -> socket.socket:
    """Of this pytest process: it takes its requests from here, and ends when this is closed."""
    mine, theirs = _pair()
    with theirs:
        number = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.starter", str(number)],
            cwd=REPOSITORY,
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        mine.close()
        process.wait()

    atexit.register(end)
    return mine
