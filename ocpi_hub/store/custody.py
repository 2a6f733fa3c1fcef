"""Custody in PostgreSQL: intakes and reports through batching writers, claims by lease.

The rules are `delivery/custody.py` and `custody_verdicts.py`; here they are applied to locked rows.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from ocpi_hub.delivery.custody import (
    Attempt,
    AttemptReport,
    Intake,
    Patience,
    Repeat,
    Start,
    TakenIn,
    judge_repeat,
)
from ocpi_hub.delivery.custody_verdicts import settle
from ocpi_hub.delivery.session_verdicts import settle_session
from ocpi_hub.delivery.shared import Page
from ocpi_hub.delivery.verdict import NotSent
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import StoreError, StoreUnavailable
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.directed_rows import (
    attempt_row,
    claimed_attempt,
    directed_object,
    key_arrays,
    key_columns,
    party_arrays,
    settled_row,
)
from ocpi_hub.store.ledger_rows import LedgerRow, store_ledger, store_ledger_apart
from ocpi_hub.store.pages import page_of, read_page
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.receiver_backoff import note_receivers
from ocpi_hub.store.session_rows import store_changed
from ocpi_hub.store.writer import BatchWriter

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

SQL = Queries("custody")

_BEGINS = (None, Repeat.REPLACE, Repeat.SEND_AGAIN)

Also = Callable[["Connection", Sequence[TakenIn]], Awaitable[None]]
"""What is written with intakes, in their transaction, given what became of them."""
Enter = Callable[["Connection", Sequence[LedgerRow]], Awaitable[None]]


class PostgresCustodyStore:
    """Implements `delivery.custody.CustodyStore`.

    Args:
        lease: how long an attempt may take before another worker takes the object over.
        patience: delays between attempts.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease: timedelta,
        patience: Patience,
        batch_rows: int,
        batch_queue_rows: int,
    ) -> None:
        self._database = database
        self._lease = lease
        self._patience = patience
        self.intakes: BatchWriter[Intake, TakenIn] = BatchWriter(
            "directed objects",
            self._write_intakes,
            max_rows=batch_rows,
            max_queued=batch_queue_rows,
        )
        self.reports: BatchWriter[AttemptReport, DirectedState] = BatchWriter(
            "delivery verdicts",
            self._write_reports,
            max_rows=batch_rows,
            max_queued=batch_queue_rows,
            keep_trying=True,
        )

    async def take_in(self, intake: Intake) -> TakenIn:
        try:
            return await self.intakes.submit(intake)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreError(f"the object cannot be stored: {error}") from error

    async def take_in_all(self, intakes: Sequence[Intake], also: Also) -> Sequence[TakenIn]:
        """Take objects in, in a transaction of their own. All raise as `take_in`."""
        return await self._write_intakes(intakes, also)

    async def record(self, report: AttemptReport) -> DirectedState:
        try:
            return await self.reports.submit(report)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreError(f"the verdict cannot be stored: {error}") from error

    async def due_receivers(self, candidates: Sequence[PartyId]) -> Sequence[PartyId]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.due_receivers, *party_arrays(candidates))
        return [PartyId(row["country_code"], row["party_id"]) for row in rows]

    async def claim(self, receiver: PartyId, limit: int) -> Sequence[Attempt]:
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                SQL.claim, receiver.country_code, receiver.party_id, limit, self._lease
            )
        return [claimed_attempt(directed_object(row)) for row in rows]

    async def make_announced_due(self, announced: Sequence[tuple[str, PartyId]]) -> int:
        rows = ((module, *party_columns(party)) for module, party in announced)
        async with self._database.connection() as connection:
            done = await connection.execute(SQL.make_announced_due, *columns(rows, 3))
        return int(done.split()[-1])

    async def find(self, key: ObjectKey) -> DirectedObject | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, *key_columns(key))
        return directed_object(row) if row else None

    async def pulled(self, module: str, receiver: PartyId, serials: Sequence[int]) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.pulled, module, receiver.country_code, receiver.party_id, list(serials)
            )

    async def page(self, module: str, reader: PartyId, page: PageRequest) -> Page:
        place = (module, reader.country_code, reader.party_id)
        rows, total = await read_page(self._database, page, SQL.count, SQL.page, place)
        return page_of(rows, total)

    # Intakes -------------------------------------------------------------------------------------

    async def _write_intakes(
        self, intakes: Sequence[Intake], also: Also | None = None
    ) -> Sequence[TakenIn]:
        """Custody does not depend on the ledger: what that does not take is entered later."""
        try:
            return await self._take(intakes, also, store_ledger)
        except StoreUnavailable:
            raise
        except Exception:
            if all(intake.examined is None for intake in intakes):
                raise
        return await self._take(intakes, also, store_ledger_apart)

    async def _take(
        self, intakes: Sequence[Intake], also: Also | None, enter: Enter
    ) -> Sequence[TakenIn]:
        ordered = sorted(intakes, key=lambda intake: key_columns(intake.key))
        results: dict[UUID, TakenIn] = {}
        async with self._database.transaction() as connection:
            for intake in await self._insert_new(connection, ordered, results):
                results[intake.attempt_id] = await self._take_again(connection, intake)
            await enter(connection, _entered(ordered, results))
            taken = [results[intake.attempt_id] for intake in intakes]
            if also is not None:
                await also(connection, taken)
        return taken

    async def _insert_new(
        self, connection: Connection, ordered: Sequence[Intake], results: dict[UUID, TakenIn]
    ) -> list[Intake]:
        """Insert what is new; returns what is not."""
        arrays = columns((self._intake_row(intake) for intake in ordered), 15)
        new = await connection.fetch(SQL.insert_new, *arrays[:12], self._lease, *arrays[12:])
        inserted = {row["attempt_id"] for row in new}
        for intake in ordered:
            if intake.attempt_id in inserted:
                results[intake.attempt_id] = TakenIn(None, _first_attempt(intake))
        return [intake for intake in ordered if intake.attempt_id not in inserted]

    def _intake_row(self, intake: Intake) -> tuple[object, ...]:
        return (
            *key_columns(intake.key),
            intake.receiver.country_code,
            intake.receiver.party_id,
            intake.body,
            intake.fingerprint,
            intake.last_updated,
            intake.correlation_id,
            _first_state(intake.start),
            intake.attempt_id,
            intake.start is Start.WAIT,
            intake.reason,
            intake.batch_due_at,
        )

    async def _take_again(self, connection: Connection, intake: Intake) -> TakenIn:
        rows = await connection.fetch(SQL.lock_rows, *key_arrays([intake.key]))
        existing = directed_object(rows[0])
        repeat = judge_repeat(existing, intake)
        match repeat:
            case Repeat.UNCHANGED | Repeat.IN_FLIGHT | Repeat.KEPT:
                return TakenIn(repeat, None)
            case Repeat.CONFLICT:
                await _keep_other(
                    connection, existing, "conflict", intake.body, intake.fingerprint,
                    intake.correlation_id,
                )  # fmt: skip
                return TakenIn(repeat, None)
            case Repeat.REPLACE:
                await _keep_other(
                    connection, existing, "replaced", existing.body, existing.fingerprint,
                    existing.correlation_id,
                )  # fmt: skip
            case Repeat.SEND_AGAIN:
                pass
        return await self._bring_again(connection, intake, repeat)

    async def _bring_again(self, connection: Connection, intake: Intake, repeat: Repeat) -> TakenIn:
        values = self._intake_row(intake)
        version = await connection.fetchval(
            SQL.bring_again, *values[:12], self._lease, values[12], repeat is Repeat.REPLACE,
            intake.reason, intake.batch_due_at,
        )  # fmt: skip
        return TakenIn(repeat, _first_attempt(intake, version), version)

    # Reports -------------------------------------------------------------------------------------

    async def _write_reports(self, reports: Sequence[AttemptReport]) -> Sequence[DirectedState]:
        async with self._database.transaction() as connection:
            keys = sorted({key_columns(report.attempt.key) for report in reports})
            locked = await connection.fetch(SQL.lock_rows, *columns(keys, 4))
            now = await connection.fetchval("select now()")
            before = {key_columns(row.key): row for row in map(directed_object, locked)}
            rows = dict(before)
            if len(rows) < len(keys):
                raise StoreError("an attempt's object is not in custody any more")
            ids = [report.attempt.attempt_id for report in reports]
            doubted = {row["attempt_id"] for row in await connection.fetch(SQL.doubted, ids)}
            # What was not sent is no attempt, unless somebody took it for one meanwhile.
            attempts = [
                attempt_row(report)
                for report in reports
                if not isinstance(report.verdict, NotSent) or report.attempt.attempt_id in doubted
            ]
            for report in reports:
                key, attempt_id = key_columns(report.attempt.key), report.attempt.attempt_id
                jitter = random.random()  # noqa: S311 - jitter is no secret
                doubt = attempt_id in doubted
                rows[key] = self._settled(rows[key], report, now, jitter, doubted=doubt)
                doubted.discard(attempt_id)
            # Sessions of which a verdict changed more than their state.
            moved = [rows[key] for key in keys if rows[key].version != before[key].version]
            await store_changed(connection, moved)
            settled = [settled_row(rows[key]) for key in keys]
            await connection.execute(SQL.store_settled, *columns(settled, 17))
            await connection.execute(SQL.store_attempts, *columns(attempts, 10))
            await note_receivers(connection, reports, self._patience)
        return [rows[key_columns(report.attempt.key)].state for report in reports]

    def _settled(
        self,
        row: DirectedObject,
        report: AttemptReport,
        now: datetime,
        jitter: float,
        *,
        doubted: bool,
    ) -> DirectedObject:
        if row.key.module != Module.SESSIONS:
            return settle(row, report, now, self._patience, jitter, doubted=doubted)
        # A receiver gets as long again for what it did not answer in time.
        slow = self._lease
        return settle_session(row, report, now, self._patience, jitter, doubted=doubted, slow=slow)


def _first_state(start: Start) -> DirectedState:
    match start:
        case Start.SEND:
            return DirectedState.IN_FLIGHT
        case Start.WAIT | Start.PULL:
            return DirectedState.PENDING
        case Start.HOLD:
            return DirectedState.HELD


def _entered(intakes: Sequence[Intake], results: Mapping[UUID, TakenIn]) -> Sequence[LedgerRow]:
    """What the ledger gets of these: the last one of each object that begins, or begins again: it
    may be held by other findings now."""
    rows: dict[ObjectKey, LedgerRow] = {}
    for intake in intakes:
        taken = results[intake.attempt_id]
        if intake.examined is not None and taken.repeat in _BEGINS:
            row = LedgerRow(intake.key, intake.receiver, taken.version, intake.examined)
            rows[intake.key] = row
    return list(rows.values())


def _first_attempt(intake: Intake, version: int = 1) -> Attempt | None:
    if intake.start is not Start.SEND:
        return None
    return Attempt(
        intake.attempt_id, intake.key, version, intake.receiver, intake.body, intake.correlation_id
    )


async def _keep_other(
    connection: Connection,
    existing: DirectedObject,
    kind: str,
    body: str,
    fingerprint: bytes,
    correlation_id: str,
) -> None:
    await connection.execute(
        SQL.keep_other_content, *key_columns(existing.key), existing.version, kind, body,
        fingerprint, correlation_id,
    )  # fmt: skip
