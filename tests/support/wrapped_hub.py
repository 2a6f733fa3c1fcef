"""A hub process that is the real service with something in between."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from ocpi_hub.assembly import Roles, Wrappers
from ocpi_hub.listening import listen, url_of
from ocpi_hub.service import Service
from ocpi_hub.settings import load_settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.secret_key import load_keyring
from ocpi_hub.telemetry import configure_logging


async def serve(wrappers: Wrappers) -> None:
    """Serve until SIGTERM, as `serve` does."""
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
        wrappers=wrappers,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def ready() -> None:
        sys.stdout.write(json.dumps({"url": url}) + "\n")
        sys.stdout.flush()

    await service.run(stop, ready=ready)
