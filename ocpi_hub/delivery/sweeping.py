"""Removing what has had its time, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ocpi_hub.errors import StoreError
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)


async def keep_sweeping(
    stop: asyncio.Event,
    sweep: Callable[[asyncio.Event], Awaitable[None]],
    what: str,
    *,
    every_s: float,
) -> None:
    """Sweep until `stop` is set; while the database is away, next time.

    Args:
        sweep: may raise StoreError.
        what: is swept, for the log.
    """
    while not stop.is_set():
        try:
            await sweep(stop)
        except StoreError as error:
            log.warning("sweep_waits_for_database", what=what, error=str(error))
        try:
            await asyncio.wait_for(stop.wait(), every_s)
        except TimeoutError:
            continue
