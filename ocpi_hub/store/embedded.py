"""Our own PostgreSQL, for installations without a database server.

One process supervises the server of a directory; others are given its address. The server is tied
to that process: if it is killed, PostgreSQL shuts down cleanly by itself, and the next start waits
until its last process is gone. See docs/decisions/0002-embedded-postgresql.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store import embedded_cluster as cluster
from ocpi_hub.store.address import EMBEDDED_USER, DatabaseAddress
from ocpi_hub.store.embedded_account import check_passage, choose_account, prepare_base
from ocpi_hub.store.embedded_binaries import Binaries, find_binaries
from ocpi_hub.store.embedded_connect import NOT_READY, create_database, ping, running_address
from ocpi_hub.store.embedded_lock import EmbeddedServerInUse, FileLock
from ocpi_hub.store.embedded_shim import Account, TiedProcess, shim_arguments

__all__ = ["EmbeddedServer", "EmbeddedServerInUse", "running_address"]

log = structlog.get_logger(__name__)

_READY_LIMIT_S = 600.0  # recovery after a crash can take minutes
_READY_POLL_S = 0.02
_SHUTDOWN_LIMIT_S = 120.0  # for the last processes of a server whose supervisor was killed
_LOG_LIMIT_BYTES = 10 * 1024 * 1024
_BACKOFF_S = (0.1, 30.0)
_STEADY_S = 60.0  # a server that ran this long starts again at once when it dies

# The log must not hold personal data: no parameters, no statements, no DETAIL with key values.
_OPTIONS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "max_connections": "200",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "GMT",
    "logging_collector": "off",
    "log_timezone": "GMT",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}


class EmbeddedServer:
    """Supervises one PostgreSQL server.

    Args:
        base: directory of the server, for instance `<data_dir>/postgres`.
        account: account that runs it when we are root; empty: chosen.
        options: further PostgreSQL settings; they win over ours.
        lock_wait_s: seconds to wait for another supervisor of the same directory to go away.
    """

    def __init__(
        self,
        base: Path,
        *,
        account: str = "",
        options: Mapping[str, str] | None = None,
        lock_wait_s: float = 5.0,
    ) -> None:
        self._base = base.absolute()
        self._configured_account = account
        self._options = dict(options or {})
        self._lock_wait_s = lock_wait_s
        self._service_lock: FileLock | None = None
        self._binaries: Binaries | None = None
        self._account: Account | None = None
        self._process: TiedProcess | None = None
        self._socket: Path | None = None
        self._started_at = 0.0

    @property
    def pid(self) -> int | None:
        """Process id of PostgreSQL, if it runs."""
        return self._process.pid if self._process and not self._process.ended else None

    async def start(self) -> DatabaseAddress:
        """Start the server, making its data and the hub's database first where missing.

        Raises:
            EmbeddedServerInUse: another process supervises it.
            EmbeddedServerError: it cannot be started; the text says why and what to do.
        """
        try:
            await self._take_over()
            address = await self._launch()
            await create_database(address)
        except OSError as error:
            await self.stop()
            raise EmbeddedServerError(f"{self._base} cannot be used: {error}") from error
        except BaseException:
            await self.stop()
            raise
        log.info("embedded_postgresql_started", directory=str(self._base), pid=self.pid)
        return address

    async def run(self, stop: asyncio.Event) -> None:
        """Watch the server until `stop` is set; start it again, with back-off, if it dies."""
        delay_s = _BACKOFF_S[0]
        while not stop.is_set():
            if self._process is not None and not await self._died(self._process, stop):
                return
            if time.monotonic() - self._started_at > _STEADY_S:
                delay_s = _BACKOFF_S[0]
            if await _sleep_unless(stop, delay_s) or self._service_lock is None:
                return
            delay_s = min(delay_s * 2, _BACKOFF_S[1])
            try:
                await self._launch()
            except (EmbeddedServerError, OSError) as error:
                log.error("embedded_postgresql_restart_failed", error=str(error), next_s=delay_s)
            else:
                log.warning("embedded_postgresql_restarted", pid=self.pid)

    async def stop(self, *, fast_s: float = 60.0, immediate_s: float = 10.0) -> None:
        """Stop the server: at once and cleanly; after `fast_s` without a clean shutdown; after
        `immediate_s` more by force. Close pools first. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            await _end(process, fast_s, immediate_s)
        if self._service_lock is not None:
            if process is not None:
                cluster.remove_socket_directory(self._base)
                self._socket = None
                log.info("embedded_postgresql_stopped", directory=str(self._base))
            self._service_lock.close()
            self._service_lock = None

    async def _take_over(self) -> None:
        """Become the one supervisor, and have the data ready to be started."""
        if sys.platform == "win32":
            raise EmbeddedServerError("the embedded PostgreSQL needs Linux or macOS")
        prepare_base(self._base)
        self._service_lock = FileLock(self._base / "service.lock")
        if not await self._service_lock.acquire(self._lock_wait_s):
            raise EmbeddedServerInUse(
                f"{self._base} is in use by another process of the hub: stop that one first, or"
                " choose another data_dir"
            )
        self._account = choose_account(self._base, self._configured_account)
        if self._account is not None:
            await check_passage(self._base, self._account)
        major = cluster.existing_major(self._base)
        self._binaries = await find_binaries(self._base, self._account, major)
        if major is None:
            lock = await self._server_lock()
            try:
                await cluster.create_cluster(self._base, self._binaries, self._account, lock.fd)
            finally:
                lock.close()

    async def _server_lock(self) -> FileLock:
        """The lock that PostgreSQL inherits: free when the last process of the last one is gone."""
        lock = FileLock(self._base / "server.lock")
        try:
            if await lock.acquire(_SHUTDOWN_LIMIT_S):
                return lock
            raise EmbeddedServerError(
                f"a PostgreSQL server of {self._base} is still shutting down after"
                f" {_SHUTDOWN_LIMIT_S:g} s: look at {self._base / 'postgres.log'}"
            )
        except BaseException:
            lock.close()
            raise

    async def _launch(self) -> DatabaseAddress:
        """Start PostgreSQL on the prepared data and wait until it answers."""
        lock = await self._server_lock()
        try:
            cluster.clear_pid_file(self._base)
            cluster.write_access_rules(self._base, self._account)
            directory = cluster.make_socket_directory(self._base, self._account, self._socket)
            self._socket = directory
            log_fd = _open_log(self._base / "postgres.log")
            try:
                self._process = TiedProcess(
                    shim_arguments(self._command(directory), self._account),
                    log_fd=log_fd,
                    pass_fds=[lock.fd],
                )
            finally:
                os.close(log_fd)
        finally:
            lock.close()
        self._started_at = time.monotonic()
        address = DatabaseAddress(host=str(directory), user=EMBEDDED_USER)
        await self._until_ready(self._process, address.with_database("postgres"))
        return address

    def _command(self, socket_directory: Path) -> list[str | Path]:
        assert self._binaries is not None  # noqa: S101  # _take_over came first
        options = {
            **_OPTIONS,
            "unix_socket_directories": str(socket_directory),
            "hba_file": str(self._base / "hba.conf"),
            "ident_file": str(self._base / "ident.conf"),
        }
        if sys.platform == "linux":
            options["recovery_init_sync_method"] = "syncfs"
        options |= self._options
        command: list[str | Path] = [self._binaries.directory / "postgres"]
        command += ["-D", self._base / "pg"]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return command

    async def _until_ready(self, process: TiedProcess, address: DatabaseAddress) -> None:
        deadline = time.monotonic() + _READY_LIMIT_S
        while not process.ended:
            try:
                await ping(address)
            except NOT_READY as error:
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"PostgreSQL did not answer within {_READY_LIMIT_S:g} s: {error}"
                    ) from error
                await asyncio.sleep(_READY_POLL_S)
            else:
                return
        raise EmbeddedServerError(
            f"PostgreSQL ended with status {await process.wait()} while starting:"
            f" {_tail(self._base / 'postgres.log')}"
        )

    async def _died(self, process: TiedProcess, stop: asyncio.Event) -> bool:
        """Wait for the end of `process` (true) or for `stop` (false)."""
        ended = asyncio.ensure_future(process.wait())
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            ended.cancel()
        if stop.is_set():
            return False
        log.error(
            "embedded_postgresql_died",
            status=await process.wait(),
            log=_tail(self._base / "postgres.log"),
        )
        return True


async def _end(process: TiedProcess, fast_s: float, immediate_s: float) -> None:
    """SIGTERM would wait for clients for ever, so it is not used."""
    for number, wait_s in ((signal.SIGINT, fast_s), (signal.SIGQUIT, immediate_s)):
        process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await process.wait()
                return
        log.warning("embedded_postgresql_slow_to_stop", signal=number.name, waited_s=wait_s)
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def _sleep_unless(stop: asyncio.Event, delay_s: float) -> bool:
    """Sleep; true as soon as `stop` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(delay_s):
            await stop.wait()
    return stop.is_set()


def _open_log(path: Path) -> int:
    """Append to the log; one older file is kept."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_LIMIT_BYTES:
            path.rename(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _tail(path: Path) -> str:
    """The last lines of the log."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 2000))
        return file.read().decode(errors="replace").strip()
    return "it left no message"
