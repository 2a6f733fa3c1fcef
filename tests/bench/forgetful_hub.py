"""The hub whose custody takes everything and keeps nothing: what intake costs without a database.

Everything else is the real service; it is started as the hub is, but never keeps a CDR.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import uvloop

from ocpi_hub.assembly import Roles, Wrappers
from ocpi_hub.delivery.custody import CustodyStore, Intake, TakenIn
from ocpi_hub.listening import listen, url_of
from ocpi_hub.service import Service
from ocpi_hub.settings import load_settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.secret_key import load_keyring
from ocpi_hub.telemetry import configure_logging


def forgetful(store: CustodyStore) -> CustodyStore:
    """The same store, which forgets at once what it takes in."""

    async def take_in(intake: Intake) -> TakenIn:
        # One turn of the loop, as everybody who waits for an answer takes.
        await asyncio.sleep(0)
        return TakenIn(repeat=None, attempt=None)

    setattr(store, "take_in", take_in)  # noqa: B010 - only this process forgets
    return store


async def serve() -> None:
    """Serve until SIGTERM."""
    settings = load_settings()
    configure_logging(settings)
    listener = listen(settings)
    url = url_of(settings, listener)
    service = Service(
        settings,
        DatabaseAddress(dsn=settings.database_url.get_secret_value()),
        load_keyring(settings),
        listener=listener,
        public_url=url,
        roles=Roles(),
        wrappers=Wrappers(custody=forgetful),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def ready() -> None:
        sys.stdout.write(json.dumps({"url": url}) + "\n")
        sys.stdout.flush()

    await service.run(stop, ready=ready)


if __name__ == "__main__":
    uvloop.run(serve())
