"""The feed's loop in one process: leases lanes, reads the feed once for all, sends.

Each round: keep the leases, read what is new and offer it to the lanes it concerns, load what lanes
missed, take up gaps that are due, and start what may be started. Sends are errands; when one ends,
its lane goes on at once. What a lane owes is derived from the database, so a process that dies
costs nothing but the time until its leases run out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from uuid import UUID

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.feed.lane import Lane
from ocpi_hub.delivery.feed.loader import PAGE, Loader
from ocpi_hub.delivery.feed.protocols import Entry, FeedStore, LaneId
from ocpi_hub.delivery.feed.receivers import gets, gets_broadcasts, may_receive
from ocpi_hub.delivery.feed.sender import FeedLimits, Sender
from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.exchange import OutboundClient
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import StoreError
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

GAPS = 200
GAP_ROUND_S = 1.0
UNHEARD_OF_S = 10.0
"""Seconds for which the feed waits for a directory that shows who made a change."""


class FeedWorker:
    """Brings receivers up to date. `modules` are those whose objects are broadcast here."""

    def __init__(
        self,
        store: FeedStore,
        client: OutboundClient,
        errands: Errands,
        directory: Callable[[], Directory],
        clock: Clock,
        process_id: UUID,
        modules: Sequence[str],
        limits: FeedLimits,
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._process_id = process_id
        self._modules = tuple(modules)
        self._limits = limits
        self._lanes: dict[LaneId, Lane] = {}
        self._tails: dict[str, int] = {}
        self._sender = Sender(
            store, client, errands, directory, clock, limits, self._holds_long_enough
        )
        self._loader = Loader(store, directory)
        self._unheard_of: dict[PartyId, float] = {}
        self._interested: dict[tuple[str, PartyId], tuple[Lane, ...]] = {}
        self._interested_in: Directory | None = None
        self._leased_until = 0.0
        self._renew_at = 0.0
        self._gaps_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then give the lanes back."""
        while not stop.is_set():
            try:
                await self._round()
            except StoreError as error:
                log.warning("feed_waits_for_database", error=str(error))
            await self._rest(stop)
        try:
            await self._store.release(self._process_id, self._cursors())
        except StoreError as error:
            log.warning("lanes_left_to_their_leases", error=str(error))

    async def _rest(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self._limits.poll_s)

    async def _round(self) -> None:
        now = self._clock.monotonic()
        if now >= self._renew_at:
            await self._keep_leases()
        await self._read()
        await self._loader.load(self._lanes.values())
        if now >= self._gaps_at:
            self._gaps_at = now + GAP_ROUND_S
            await self._take_up_gaps()
        for lane in self._lanes.values():
            self._sender.dispatch(lane)

    # Leases --------------------------------------------------------------------------------------

    async def _keep_leases(self) -> None:
        began = self._clock.monotonic()
        lease = self._limits.lease
        wanted = self._wanted()
        if self._lanes:
            kept = await self._store.renew(
                self._process_id, self._cursors(), lease=lease, resting=self._sender.resting
            )
            self._drop(set(self._lanes) - set(kept))
        workers = await self._store.workers(self._process_id, alive=self._limits.alive)
        share = -(-len(wanted) // workers)
        surplus = self._surplus(wanted, share)
        if surplus:
            cursors = {lane: self._lanes[lane].cursor for lane in surplus}
            await self._store.release(self._process_id, cursors)
            self._drop(surplus)
        await self._lease_more(wanted, share)
        self._leased_until = began + lease.total_seconds() - self._limits.attempt_s
        self._renew_at = began + min(1.0, lease.total_seconds() / 5)
        await self._find_backfills()

    def _cursors(self) -> dict[LaneId, int]:
        return {name: lane.cursor for name, lane in self._lanes.items()}

    def _drop(self, names: set[LaneId]) -> None:
        for name in names:
            del self._lanes[name]
        if names:
            self._interested_in = None

    def _wanted(self) -> list[LaneId]:
        """Lanes of receivers that may be sent to, by module."""
        directory = self._directory()
        return [
            LaneId(party, module)
            for party in directory.parties()
            for module in self._modules
            if may_receive(directory, LaneId(party, module))
        ]

    def _surplus(self, wanted: Sequence[LaneId], share: int) -> set[LaneId]:
        """Lanes to give back: unwanted ones, and those above this process's share."""
        unwanted = set(self._lanes) - set(wanted)
        idle = [n for n, lane in self._lanes.items() if n not in unwanted and not lane.in_flight]
        above = len(self._lanes) - len(unwanted) - share
        return unwanted | set(idle[: max(0, above)])

    async def _lease_more(self, wanted: Sequence[LaneId], share: int) -> None:
        missing = [name for name in wanted if name not in self._lanes]
        room = share - len(self._lanes)
        if not missing or room <= 0:
            return
        leased = await self._store.lease(
            self._process_id, missing, lease=self._limits.lease, limit=room
        )
        for each in leased:
            module = each.lane.module
            if module not in self._tails:
                self._tails[module] = await self._store.tail(module)
            lane = Lane.leased(
                each.lane,
                each.cursor,
                self._tails[module],
                each.gaps,
                first_tail=each.first_tail,
            )
            platform = self._directory().platform_of(each.lane.receiver)
            broadcast = gets_broadcasts(self._directory(), each.lane)
            if not broadcast or (platform is not None and platform.catch_up != "push"):
                lane.skip_to_tail()
            self._lanes[each.lane] = lane
        if leased:
            self._interested_in = None
            log.info("lanes_leased", lanes=len(leased), all=len(self._lanes))

    async def _find_backfills(self) -> None:
        for backfill in await self._store.backfills(self._process_id):
            lane = self._lanes.get(backfill.lane)
            if not gets(self._directory(), backfill.lane, backfill.owner):
                # Perhaps this process does not know yet what makes it visible.
                if backfill.old:
                    await self._store.advance_backfill(backfill, None)
                continue
            if lane is not None and all(b.owner != backfill.owner for b in lane.backfills):
                lane.backfills.append(backfill)

    def _holds_long_enough(self, lane: Lane) -> bool:
        held = self._lanes.get(lane.lane_id) is lane
        return held and self._clock.monotonic() < self._leased_until

    # Reading -------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """One query per module for all lanes of this process."""
        for module in {lane.lane_id.module for lane in self._lanes.values()}:
            while True:
                found = await self._store.after(module, self._tails[module], PAGE)
                entries = self._of_known_owners(found)
                for entry in entries:
                    for lane in self._lanes_for(module, entry.key.owner):
                        lane.offer(entry)
                if entries:
                    self._tails[module] = entries[-1].position
                if len(entries) < PAGE:
                    break
            for lane in self._lanes.values():
                if lane.lane_id.module == module:
                    lane.passed(self._tails[module])

    def _of_known_owners(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Changes up to the first one of an owner that this process has not heard of. Whoever
        pushes is in the directory by then: this process has an older one, and waits."""
        directory, now = self._directory(), self._clock.monotonic()
        for number, entry in enumerate(entries):
            if directory.roles_of(entry.key.owner):
                self._unheard_of.pop(entry.key.owner, None)
                continue
            since = self._unheard_of.setdefault(entry.key.owner, now)
            if now - since < UNHEARD_OF_S:
                return entries[:number]
        return entries

    def _lanes_for(self, module: str, owner: PartyId) -> tuple[Lane, ...]:
        """Lanes whose receivers see an owner's objects; computed once per directory."""
        directory = self._directory()
        if self._interested_in is not directory:
            self._interested, self._interested_in = {}, directory
        found = self._interested.get((module, owner))
        if found is None:
            found = tuple(
                lane
                for lane in self._lanes.values()
                if lane.lane_id.module == module and gets(directory, lane.lane_id, owner)
            )
            self._interested[module, owner] = found
        return found

    async def _take_up_gaps(self) -> None:
        """Those of receivers that are there and have room: who is away keeps its gaps on record,
        and takes no turn of others."""
        directory = self._directory()
        ready = [
            name
            for name, lane in self._lanes.items()
            if lane.waiting < GAPS and directory.status(name.receiver) is PartyStatus.CONNECTED
        ]
        for due in await self._store.due_gaps(self._process_id, ready, GAPS):
            lane = self._lanes.get(due.lane)
            if lane is not None:
                lane.gaps.add(due.entry.key)
                lane.load([due.entry], counted=False)
