"""Starting a PostgreSQL program so that it cannot outlive us, as an account other than root.

A small Python program stands between the hub and PostgreSQL: it gives up root, asks the kernel for
a signal when the hub is gone, and becomes the program. It runs before anything else in the child,
which a function run after fork could not do safely in a process with threads.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

CANNOT_EXECUTE = 126  # exit status of the shim when the program could not be started

# PR_SET_PDEATHSIG is 1; SIGINT (2) makes PostgreSQL shut down at once and cleanly. It is set after
# setuid, which clears it. The umask belongs here: in the hub it would close parent directories.
_SHIM = """
import os, sys
uid, gid, parent = map(int, sys.argv[1:4])
command = sys.argv[4:]
os.umask(0o077)
libc = None
if sys.platform == "linux":
    import ctypes
    libc = ctypes.CDLL(None)
if uid >= 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if libc is not None and parent:
    libc.prctl(1, 2, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(125)
try:
    os.chdir(os.path.dirname(command[0]))
    os.execv(command[0], command)
except OSError as error:
    sys.stderr.write(str(error))
    sys.stderr.flush()
    os._exit(126)
"""

# Prints the first directory on the way to a path that the account cannot pass through.
_PASSAGE = """
import os, sys
uid, gid, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
walked = "/"
for part in path.strip("/").split("/"):
    if not os.access(walked, os.X_OK):
        print(walked)
        break
    walked = os.path.join(walked, part)
else:
    if not os.access(walked, os.X_OK):
        print(walked)
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An operating system account that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended; `output` is both of its streams."""

    status: int
    output: str


def shim_arguments(command: Sequence[str | Path], account: Account | None) -> list[str]:
    """The argument list that runs `command` tied to this process, as `account` if given."""
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    numbers = [str(uid), str(gid), str(os.getpid())]
    return [sys.executable, "-I", "-S", "-c", _SHIM, *numbers, *map(str, command)]


def clean_environment() -> dict[str, str]:
    """No PG* variable of the operator's shell may steer our own server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


async def run_to_end(
    command: Sequence[str | Path],
    account: Account | None,
    *,
    timeout_s: float,
    pass_fds: Sequence[int] = (),
) -> Outcome:
    """Run a program and wait for its end.

    Raises:
        TimeoutError: it was killed after `timeout_s`.
    """

    def run() -> Outcome:
        try:
            done = subprocess.run(  # noqa: S603  # our own binaries, no shell
                shim_arguments(command, account),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=clean_environment(),
                pass_fds=pass_fds,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{command[0]} did not end within {timeout_s:g} s") from None
        return Outcome(done.returncode, done.stdout.decode(errors="replace").strip())

    return await asyncio.to_thread(run)


async def closed_directory(path: Path, account: Account) -> str | None:
    """The first directory on the way to `path` (or `path` itself) closed to the account."""

    def run() -> str | None:
        done = subprocess.run(  # noqa: S603  # our own text, no shell
            [
                *(sys.executable, "-I", "-S", "-c", _PASSAGE),
                *(str(account.uid), str(account.gid), str(path)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
        return os.fsdecode(done.stdout).strip() or None

    return await asyncio.to_thread(run)


class TiedProcess:
    """A long-running program, started from a thread that lives exactly as long as the program.

    The kernel sends the parent-death signal when the starting *thread* ends, so the thread must
    not be one that belongs to an event loop or an executor.
    """

    def __init__(self, arguments: Sequence[str], *, log_fd: int, pass_fds: Sequence[int]) -> None:
        self._started: Future[subprocess.Popen[bytes]] = Future()
        self._ended: Future[int] = Future()
        for future in (self._started, self._ended):
            future.set_running_or_notify_cancel()  # nobody who waits for it can cancel it
        self._thread = threading.Thread(
            target=self._run,
            args=(list(arguments), log_fd, tuple(pass_fds)),
            name="embedded-postgresql",
            daemon=True,
        )
        self._thread.start()
        self._process = self._started.result()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._ended.done()

    def send_signal(self, number: int) -> None:
        """Signal the program; nothing happens if it has ended."""
        if not self.ended:
            self._process.send_signal(number)

    async def wait(self) -> int:
        """The exit status; minus the number of the signal that killed it."""
        return await asyncio.wrap_future(self._ended)

    def _run(self, arguments: list[str], log_fd: int, pass_fds: tuple[int, ...]) -> None:
        try:
            process = subprocess.Popen(  # noqa: S603  # our own binaries, no shell
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                env=clean_environment(),
                start_new_session=True,
                pass_fds=pass_fds,
            )
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(process)
        self._ended.set_result(process.wait())
