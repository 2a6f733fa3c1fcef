"""CDRs that are examined after they came: large ones, those from before the ledger, those of which
something was not known yet, and those that an operator asks for.

What is delivered only gets flags. What still waits may be held or let go, as the rules say now; but
what an operator let go stays so. A CDR is leased while it is examined: whoever dies on the way is
followed by somebody else, and two processes do not look at the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, Protocol

from ocpi_hub.clearing.ledger import Examination, LedgerFacts, ledger_facts
from ocpi_hub.clock import Clock
from ocpi_hub.delivery.cdr_examiner import CdrExaminer
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import DirectedState, ObjectKey
from ocpi_hub.domain.party import PartyId, Relation
from ocpi_hub.domain.value import value
from ocpi_hub.errors import OcpiError, StoreError, StoreUnavailable
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

BATCH: Final = 50
"""CDRs that are examined before anything is written; some 50 ms of CPU time."""
BATCH_BYTES: Final = 4 * 1024 * 1024
"""The same in bytes, but one CDR at least: read, they take several times as much."""
LEASE: Final = timedelta(minutes=5)
ENTER_S: Final = 86_400.0
"""Seconds between looks for CDRs that are not in the ledger: an older release may run beside."""
_AWAY_S: Final = 5.0


class Move(Enum):
    """What becomes of a CDR after it was examined again."""

    STAY = auto()
    HOLD = auto()
    LET_GO = auto()


@value
class DueCdr:
    """A CDR to examine, as it is in custody."""

    key: ObjectKey
    receiver: PartyId
    version: int
    received_at: datetime
    body: str


@value
class Standing:
    """Where a CDR stands when the result is written.

    Attributes:
        held_by_rules: its last examination said that it has to wait.
        let_go: somebody let this content go.
    """

    state: DirectedState
    unknown_outcomes: int
    held_by_rules: bool
    let_go: bool


@value
class Rechecked:
    """A CDR and what was found."""

    cdr: DueCdr
    examined: Examination


class RecheckStore(Protocol):
    """What is due, and what became of it. All raise StoreError."""

    async def claim(self, limit: int, most_bytes: int, lease: timedelta) -> Sequence[DueCdr]:
        """Some that are due, nobody else's until the lease ends; one at least if there is one."""
        ...

    async def settle(self, results: Sequence[Rechecked]) -> int:
        """Write results, unless their CDR has another content now; how many were let go."""
        ...

    async def enter(
        self, after: int, limit: int, read: Callable[[str], LedgerFacts | None]
    ) -> int | None:
        """Give CDRs without an entry one, to be examined: the last serial; None: no more."""
        ...


def judge_again(standing: Standing, examined: Examination) -> tuple[Move, Examination]:
    """What becomes of a CDR, and what is kept of its examination."""
    wanted = examined.hold_reason is not None
    match standing.state:
        case DirectedState.HELD if wanted:
            return Move.HOLD, examined
        case DirectedState.HELD:
            return (Move.LET_GO if standing.held_by_rules else Move.STAY), examined
        case DirectedState.PENDING if wanted and not standing.let_go:
            # After an attempt of unknown outcome the receiver may have it.
            if not standing.unknown_outcomes:
                return Move.HOLD, examined
        case _:
            pass
    flags = tuple(replace(each, hold=False) for each in examined.findings)
    return Move.STAY, replace(examined, findings=flags)


class CdrRechecks:
    """Examines what is due. Every process may run it.

    Args:
        let_go: called when CDRs may be delivered that were held.
    """

    def __init__(
        self,
        store: RecheckStore,
        examiner: CdrExaminer,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        let_go: Callable[[], None],
        max_depth: int,
        poll_s: float,
    ) -> None:
        self._store = store
        self._examiner = examiner
        self._directory = directory
        self._clock = clock
        self._let_go = let_go
        self._max_depth = max_depth
        self._poll_s = poll_s
        self._enter_at = 0.0
        self._entered = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            wait_s = self._poll_s
            try:
                if await self.work():
                    wait_s = 0.0
            except StoreError as error:
                log.warning("cdr_rechecks_wait_for_database", error=str(error))
                wait_s = _AWAY_S
            try:
                await asyncio.wait_for(stop.wait(), wait_s)
            except TimeoutError:
                continue

    async def work(self) -> bool:
        """One turn; whether there may be more to do.

        Raises:
            StoreError: the database does not answer.
        """
        due = await self._store.claim(BATCH, BATCH_BYTES, LEASE)
        if due:
            await self._examine(due)
            return True
        return await self._enter()

    async def _examine(self, due: Sequence[DueCdr]) -> None:
        directory = self._directory()
        readable: list[DueCdr] = []
        asked: list[tuple[CDR, Relation, datetime]] = []
        for each in due:
            cdr = await asyncio.to_thread(self._read, each.body)
            if cdr is None:
                log.warning("cdr_in_custody_unreadable", owner=str(each.key.owner))
                continue
            relation = directory.relation(each.key.owner, each.receiver)
            readable.append(each)
            asked.append((cdr, relation, each.received_at))
        if not readable:
            return
        found = await self._examiner.examine_again(asked)
        results = [
            Rechecked(each, examined)
            for each, examined in zip(readable, found, strict=True)
            if examined is not None
        ]
        if await self._settle(results):
            self._let_go()

    async def _settle(self, results: Sequence[Rechecked]) -> int:
        """All of them, or each that can be; the others are due again when their lease ends."""
        try:
            return await self._store.settle(results)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - a result may fail in any way
            log.warning("cdr_rechecks_one_by_one", cdrs=len(results))
        freed = 0
        for each in results:
            try:
                freed += await self._store.settle([each])
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - the others are settled all the same
                log.error("cdr_not_rechecked", owner=str(each.cdr.key.owner), error=str(error))
        return freed

    async def _enter(self) -> bool:
        now = self._clock.monotonic()
        if now < self._enter_at:
            return False
        last = await self._store.enter(self._entered, BATCH, self._facts)
        if last is None:
            self._entered, self._enter_at = 0, now + ENTER_S
            return False
        self._entered = last
        return True

    def _facts(self, body: str) -> LedgerFacts | None:
        cdr = self._read(body)
        if cdr is None:
            log.warning("cdr_without_ledger_entry_unreadable")
            return None
        return ledger_facts(cdr)

    def _read(self, body: str) -> CDR | None:
        try:
            return parse_object(body.encode(), CDR, max_depth=self._max_depth).value
        except OcpiError:
            return None  # taken by an earlier release that asked less of it
