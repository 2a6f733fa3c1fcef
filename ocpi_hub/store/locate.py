"""The database for a command: the configured one, the running embedded one, or one just for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.embedded import EmbeddedServer, running_address
from ocpi_hub.store.embedded_lock import EmbeddedServerInUse, FileLock

_RETRY_S = 0.2
_ATTEMPTS_S = 60.0  # another process may be starting the server, or shutting it down
_GUESTS_S = 60.0


@asynccontextmanager
async def database_address(settings: Settings) -> AsyncIterator[DatabaseAddress]:
    """The address to use, valid inside the block.

    With `database_url` it is that. Else it is the running embedded server's; if none runs, one is
    started for the block. Commands that share such a server hold a lock, and the one that started
    it waits a while for the others before it stops it.

    Raises:
        EmbeddedServerError: no server runs and none can be started.
    """
    dsn = settings.database_url.get_secret_value()
    if dsn:
        yield DatabaseAddress(dsn=dsn)
        return
    base = settings.data_path / "postgres"
    server, guests, address = await _join_or_start(base, settings.postgres_account)
    try:
        yield address
    finally:
        if server is not None:
            await guests.acquire(_GUESTS_S)
            await server.stop()
        guests.close()


async def _join_or_start(
    base: Path, account: str
) -> tuple[EmbeddedServer | None, FileLock, DatabaseAddress]:
    """The server if it is ours to stop, our place in the guests' lock, the address."""
    deadline = time.monotonic() + _ATTEMPTS_S
    while True:
        joined = await _join(base)
        if joined is not None:
            guests, address = joined
            return None, guests, address
        server = EmbeddedServer(base, account=account, lock_wait_s=0)
        try:
            address = await server.start()
        except EmbeddedServerInUse:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_RETRY_S)
        else:
            return server, FileLock(base / "guests.lock"), address


async def _join(base: Path) -> tuple[FileLock, DatabaseAddress] | None:
    """Enter the guests' lock before looking: whoever is about to stop the server holds it."""
    try:
        guests = FileLock(base / "guests.lock")
    except FileNotFoundError:
        return None
    except PermissionError:
        raise EmbeddedServerError(
            f"{base} is not open to this account: run the command as the account that runs the hub"
        ) from None
    try:
        if guests.try_acquire(shared=True) and (address := await running_address(base)):
            return guests, address
    except BaseException:
        guests.close()
        raise
    guests.close()
    return None
