"""The feed's loop in one process: leases lanes, reads the feed once for all, sends.

Each round: keep the leases, read what is new and offer it to the lanes it concerns, load what lanes
missed, take up gaps that are due, and start what may be started, of the lanes that have something
to do (`feed/held.py`). Sends are errands; when one ends, its lane goes on at once. What a lane owes
is derived from the database, so a process that dies costs nothing but the time until its leases run
out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from uuid import UUID

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.feed.held import HeldLanes
from ocpi_hub.delivery.feed.lane import Lane
from ocpi_hub.delivery.feed.loader import PAGE, Loader
from ocpi_hub.delivery.feed.protocols import Entry, FeedStore, LaneId, LeasedLane
from ocpi_hub.delivery.feed.receivers import gets, gets_broadcasts
from ocpi_hub.delivery.feed.sender import FeedLimits, Sender
from ocpi_hub.directory.snapshot import Directory
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
    """Brings receivers up to date. `modules` are those whose objects are broadcast here.

    Attributes:
        held: the lanes of this process.
    """

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
        self._limits = limits
        self.held = HeldLanes(directory, tuple(modules))
        self._sender = Sender(
            store, client, errands, directory, clock, limits, self._holds_long_enough
        )
        self._loader = Loader(store, directory)
        self._unheard_of: dict[PartyId, float] = {}
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
            # Who takes over the others before their leases end knows that pushes are on their way.
            quiet = [name for name, lane in self.held.all.items() if lane.quiet]
            await self._store.release(self._process_id, self.held.cursors(quiet))
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
        await self._loader.load(self.held.busy)
        if now >= self._gaps_at:
            self._gaps_at = now + GAP_ROUND_S
            await self._take_up_gaps()
        for lane in self.held.busy:
            lane.end_doubt(self._clock.monotonic())
            self._sender.dispatch(lane)
            self.held.rest(lane)

    # Leases --------------------------------------------------------------------------------------

    async def _keep_leases(self) -> None:
        began = self._clock.monotonic()
        lease = self._limits.lease
        wanted = self.held.wanted()
        if self.held.all:
            kept = await self._store.renew(
                self._process_id, self.held.cursors(), lease=lease, resting=self._sender.resting
            )
            self.held.drop(set(self.held.all).difference(kept))
        workers = await self._store.workers(self._process_id, alive=self._limits.alive)
        share = -(-len(wanted) // workers)
        surplus = self._surplus(wanted, share)
        if surplus:
            await self._store.release(self._process_id, self.held.cursors(surplus))
            self.held.drop(surplus)
        await self._lease_more(wanted, share)
        self._leased_until = began + lease.total_seconds() - self._limits.attempt_s
        self._renew_at = began + min(1.0, lease.total_seconds() / 5)
        await self._find_backfills()

    def _surplus(self, wanted: Sequence[LaneId], share: int) -> set[LaneId]:
        """Lanes to give back: unwanted ones, and those above this process's share."""
        held = self.held.all
        unwanted = set(held).difference(wanted)
        quiet = [name for name, lane in held.items() if lane.quiet]
        above = max(0, len(held) - len(unwanted) - share)
        return unwanted.intersection(quiet) | set([n for n in quiet if n not in unwanted][:above])

    async def _lease_more(self, wanted: Sequence[LaneId], share: int) -> None:
        missing = [name for name in wanted if name not in self.held.all]
        room = share - len(self.held.all)
        if not missing or room <= 0:
            return
        for module in {name.module for name in missing}.difference(self.held.tails):
            self.held.tails[module] = await self._store.tail(module)
        leased = await self._store.lease(
            self._process_id, missing, lease=self._limits.lease, limit=room
        )
        self.held.add([self._leased(each) for each in leased])
        if leased:
            log.info("lanes_leased", lanes=len(leased), all=len(self.held.all))

    def _leased(self, leased: LeasedLane) -> Lane:
        name = leased.lane
        tail = self.held.tails[name.module]
        doubt_until = self._clock.monotonic() + self._limits.lease.total_seconds()
        lane = Lane.leased(
            name,
            leased.cursor,
            tail,
            leased.gaps,
            first_tail=leased.first_tail,
            doubt_until=doubt_until if leased.in_doubt else None,
        )
        platform = self._directory().platform_of(name.receiver)
        broadcast = gets_broadcasts(self._directory(), name)
        if not broadcast or (platform is not None and platform.catch_up != "push"):
            lane.skip_to_tail()
        return lane

    async def _find_backfills(self) -> None:
        for backfill in await self._store.backfills(self._process_id):
            lane = self.held.all.get(backfill.lane)
            if not gets(self._directory(), backfill.lane, backfill.owner):
                # Perhaps this process does not know yet what makes it visible.
                if backfill.old:
                    await self._store.advance_backfill(backfill, None)
                continue
            if lane is not None and all(b.owner != backfill.owner for b in lane.backfills):
                self.held.wake(lane)
                lane.backfills.append(backfill)

    def _holds_long_enough(self, lane: Lane) -> bool:
        held = self.held.all.get(lane.lane_id) is lane
        return held and self._clock.monotonic() < self._leased_until

    # Reading -------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """One query per module for all lanes of this process."""
        for module in self.held.modules:
            while True:
                found = await self._store.after(module, self.held.tails[module], PAGE)
                entries = self._of_known_owners(found)
                self.held.offer(module, entries)
                if len(entries) < PAGE:
                    break
            self.held.passed(module)

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

    async def _take_up_gaps(self) -> None:
        """Those of receivers that are there and have room: who is away keeps its gaps on record,
        and takes no turn of others."""
        ready = self.held.with_room(GAPS)
        for due in await self._store.due_gaps(self._process_id, ready, GAPS):
            lane = self.held.all.get(due.lane)
            if lane is not None:
                self.held.wake(lane)
                lane.gaps.add(due.entry.key)
                lane.load([due.entry], counted=False)
