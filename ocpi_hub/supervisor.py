"""Running the hub on one machine: its PostgreSQL if it has none, and its worker processes.

The supervisor owns what there is one of: the embedded server, migrations, the listening socket.
With one worker it is the worker itself; with more it starts equal processes that share the socket,
and starts a new one in place of one that died. Workers end with their supervisor, whatever ends it.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from ocpi_hub.admin.metrics.workers import environment, forget, shared_values
from ocpi_hub.assembly import Roles
from ocpi_hub.errors import OperatorError
from ocpi_hub.listening import listen, server_tls, url_of
from ocpi_hub.service import Service
from ocpi_hub.settings import ENV_PREFIX, Settings, load_settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.embedded import EmbeddedServer
from ocpi_hub.store.migrate import migrate
from ocpi_hub.store.secret_key import key_for_workers, load_keyring
from ocpi_hub.telemetry import configure_logging, get_logger

log = get_logger(__name__)

RESTART_PAUSE_S = 1.0
MAX_RESTARTS = 10
RESTART_WINDOW_S = 60.0
"""More restarts within this time mean that starting again does not help."""

_PR_SET_PDEATHSIG = 1

Ready = Callable[[str], None]


async def serve(settings: Settings, roles: Roles, *, ready: Ready = lambda _: None) -> None:
    """Run the hub until SIGTERM or SIGINT.

    Args:
        ready: called with the public URL once requests are accepted.

    Raises:
        ConfigError: the address to listen on or a certificate file cannot be used.
        StoreError: the database cannot be used.
        OperatorError: workers keep dying.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server_tls(settings)  # a wrong file must be told now, not by each worker
    with closing(listen(settings)) as listener:
        public_url = settings.public_url or url_of(settings, listener)
        async with _database(settings, stop) as address:
            await migrate(address, settings)
            if settings.workers == 1:
                keyring = load_keyring(settings)
                service = Service(
                    settings,
                    address,
                    keyring,
                    listener=listener if roles.api else None,
                    public_url=public_url,
                    roles=roles,
                )
                await service.run(stop, ready=lambda: ready(public_url))
            else:
                await _Workers(settings, address, listener, public_url, roles).run(stop, ready)


@asynccontextmanager
async def _database(settings: Settings, stop: asyncio.Event) -> AsyncIterator[DatabaseAddress]:
    """The configured database, or our own for as long as the block runs."""
    dsn = settings.database_url.get_secret_value()
    if dsn:
        yield DatabaseAddress(dsn=dsn)
        return
    server = EmbeddedServer(settings.data_path / "postgres", account=settings.postgres_account)
    address = await server.start()
    watching_stop = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.run(watching_stop))
            try:
                yield address
            finally:
                watching_stop.set()
    finally:
        await server.stop()


class _Workers:
    """Equal worker processes behind one listening socket."""

    def __init__(
        self,
        settings: Settings,
        address: DatabaseAddress,
        listener: socket.socket,
        public_url: str,
        roles: Roles,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._public_url = public_url
        self._arguments = {
            "listener": listener.fileno() if roles.api else None,
            "public_url": public_url,
            "api": roles.api,
            "worker": roles.worker,
            "supervisor": os.getpid(),
        }
        self._first = True
        self._environment = os.environ | {
            f"{ENV_PREFIX}DATABASE_URL": address.as_dsn(),
            f"{ENV_PREFIX}SECRET_KEY": key_for_workers(settings),
            f"{ENV_PREFIX}WORKERS": "1",
        }
        self._deaths: deque[float] = deque(maxlen=MAX_RESTARTS)

    async def run(self, stop: asyncio.Event, ready: Ready) -> None:
        with shared_values() as values:
            self._environment |= environment(values)
            await self._run(stop, ready, values)

    async def _run(self, stop: asyncio.Event, ready: Ready, values: Path) -> None:
        async with asyncio.TaskGroup() as group:
            started = [asyncio.Event() for _ in range(self._settings.workers)]
            for event in started:
                group.create_task(self._keep(stop, event, values))
            await asyncio.gather(*(event.wait() for event in started))
            if not stop.is_set():
                log.info("service_ready", url=self._public_url, workers=self._settings.workers)
                ready(self._public_url)

    async def _keep(self, stop: asyncio.Event, started: asyncio.Event, values: Path) -> None:
        """Keep one worker running.

        Args:
            values: where workers keep what they measure.
        """
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                worker = await self._start()
                try:
                    await self._until_ready(worker, started, stopping)
                    ending = asyncio.ensure_future(worker.wait())
                    await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    # Also when a sibling gave up: the database goes away after this.
                    await self._end(worker)
                    forget(values, worker.pid)
                if stop.is_set():
                    return
                self._count_death(worker)
                await asyncio.wait({stopping}, timeout=RESTART_PAUSE_S)
        finally:
            started.set()
            stopping.cancel()

    async def _start(self) -> asyncio.subprocess.Process:
        first, self._first = self._first, False
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ocpi_hub.supervisor",
            json.dumps(self._arguments | {"first": first}),
            env=self._environment,
            pass_fds=[self._listener.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )

    async def _until_ready(
        self,
        worker: asyncio.subprocess.Process,
        started: asyncio.Event,
        stopping: asyncio.Future[Any],
    ) -> None:
        if worker.stdout is None:
            raise AssertionError("stdout is a pipe")
        line = asyncio.ensure_future(worker.stdout.readline())
        waits: set[asyncio.Future[Any]] = {line, stopping}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if line.done() and line.result():
            started.set()
        else:
            line.cancel()

    async def _end(self, worker: asyncio.subprocess.Process) -> None:
        if worker.returncode is None:
            worker.terminate()
        try:
            # The worker uses the time of grace twice: for requests, then for deliveries.
            await asyncio.wait_for(worker.wait(), 2 * self._settings.grace_s + 10)
        except TimeoutError:
            worker.kill()
            await worker.wait()

    def _count_death(self, worker: asyncio.subprocess.Process) -> None:
        now = asyncio.get_running_loop().time()
        log.error("worker_died", pid=worker.pid, status=worker.returncode)
        self._deaths.append(now)
        if len(self._deaths) == MAX_RESTARTS and now - self._deaths[0] < RESTART_WINDOW_S:
            raise OperatorError("workers keep dying right after their start: see the log above")


async def _work(arguments: dict[str, object]) -> None:
    """Be one worker of a supervisor."""
    settings = load_settings()
    configure_logging(settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    descriptor = arguments["listener"]
    listener = socket.socket(fileno=descriptor) if isinstance(descriptor, int) else None
    service = Service(
        settings,
        DatabaseAddress(dsn=settings.database_url.get_secret_value()),
        load_keyring(settings),
        listener=listener,
        public_url=str(arguments["public_url"]),
        roles=Roles(api=bool(arguments["api"]), worker=bool(arguments["worker"])),
        first=bool(arguments["first"]),
    )

    def ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    await service.run(stop, ready=ready)


def _tie_to(supervisor: int) -> None:
    """End with the supervisor: the kernel sends SIGTERM when it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != supervisor:
        sys.exit(1)


if __name__ == "__main__":
    import uvloop

    told = json.loads(sys.argv[1])
    _tie_to(told["supervisor"])
    uvloop.run(_work(told))
