"""Loading what lanes missed, page by page: their scans of the feed, and backfills of owners."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from ocpi_hub.delivery.feed.lane import Lane
from ocpi_hub.delivery.feed.protocols import FeedStore
from ocpi_hub.delivery.feed.receivers import gets
from ocpi_hub.directory.snapshot import Directory, PartyStatus

PAGE: Final = 1000
"""Entries read at once."""
LOADS: Final = 20
"""Lanes that load a page of what they missed in one round."""


class Loader:
    """Loads for the lanes of one process."""

    def __init__(self, store: FeedStore, directory: Callable[[], Directory]) -> None:
        self._store = store
        self._directory = directory

    async def load(self, lanes: Iterable[Lane]) -> None:
        """Pages of what lanes missed, for those that have nothing late left to send."""
        directory = self._directory()
        hungry = [
            lane
            for lane in lanes
            if lane.wants_load and directory.status(lane.lane_id.receiver) is PartyStatus.CONNECTED
        ]
        for lane in hungry[:LOADS]:
            if lane.scan is not None:
                await self._load_scan(lane, directory)
            elif lane.backfills:
                await self._load_backfill(lane, directory)

    async def _load_scan(self, lane: Lane, directory: Directory) -> None:
        scan = lane.scan
        if scan is None:
            return
        entries = await self._store.after(lane.lane_id.module, scan.done, PAGE, until=scan.until)
        if lane.scan is not scan:
            return  # meanwhile too much came to wait, or nothing is owed any more
        seen = (e for e in entries if gets(directory, lane.lane_id, e.key.owner))
        lane.load(filter(lane.concerns, seen), counted=True)
        if len(entries) < PAGE:
            lane.scan = None
        else:
            scan.done = entries[-1].position

    async def _load_backfill(self, lane: Lane, directory: Directory) -> None:
        backfill = lane.backfills[0]
        module, receiver = lane.lane_id.module, lane.lane_id.receiver
        if not gets(directory, lane.lane_id, backfill.owner):
            lane.backfills.pop(0)  # it is found again
            return
        entries = await self._store.of_owner(
            module,
            backfill.owner,
            backfill.after_serial,
            PAGE,
            receiver=receiver,
            deleted_after=lane.first_tail if backfill.deleted else None,
        )
        # While the database is asked, a lane may come to owe nothing any more.
        if not entries:
            await self._store.advance_backfill(backfill, None)
            if lane.backfills and lane.backfills[0] is backfill:
                lane.backfills.pop(0)
            return
        # The page before has been sent: its progress is stored now.
        await self._store.advance_backfill(backfill, backfill.after_serial)
        if not lane.backfills or lane.backfills[0] is not backfill:
            return
        lane.load(entries, counted=False)
        lane.backfills[0] = replace(backfill, after_serial=entries[-1].serial)
