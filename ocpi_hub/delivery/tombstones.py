"""Tombstones: a deleted object stays as a row until whoever has to be told had time to be told.

The row takes a position of the feed like any change, and its receivers get DELETE pushed. After
`tombstone_days` it is removed. A lane whose cursor is still below such a row is a laggard: its
receiver cannot be told any more what is gone, so it gets everything that is there once again. What
it still holds of what is gone is out of the hub's reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from typing import Protocol

from ocpi_hub.delivery.feed.owners import owners_for
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.delivery.sweeping import keep_sweeping
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PartyId
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SWEEP_S = 3600.0
BATCH = 500
"""Rows that are removed in one transaction."""

OwnersOf = Callable[[LaneId], Collection[PartyId]]


class TombstoneStore(Protocol):
    """Where tombstones are kept."""

    async def remove(self, older_than: timedelta, limit: int, owners_of: OwnersOf) -> int:
        """Remove some tombstones and request what laggards get; how many were removed.

        Raises:
            StoreError: the database does not answer; nothing was changed.
        """
        ...


class Tombstones:
    """Removes old tombstones. Every process may run it.

    Args:
        keep: how long a deleted object is remembered.
    """

    def __init__(
        self, store: TombstoneStore, directory: Callable[[], Directory], *, keep: timedelta
    ) -> None:
        self._store = store
        self._directory = directory
        self._keep = keep

    async def run(self, stop: asyncio.Event) -> None:
        """Look every hour until `stop` is set."""
        await keep_sweeping(stop, self.sweep, "tombstones", every_s=SWEEP_S)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Remove what is old enough, batch by batch.

        Raises:
            StoreError: the database does not answer.
        """
        removed = BATCH
        while removed == BATCH and not stop.is_set():
            owners_of = partial(owners_for, self._directory())
            removed = await self._store.remove(self._keep, BATCH, owners_of)
            if removed:
                log.info("tombstones_removed", rows=removed)
