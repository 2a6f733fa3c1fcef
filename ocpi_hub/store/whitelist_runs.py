"""Work on runs of the whitelist exchange in PostgreSQL: leases, places, withdrawals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from ocpi_hub.delivery.catch_up_jobs import Job, Progress
from ocpi_hub.delivery.whitelist_runs import (
    Lacked,
    LackedPage,
    Missing,
    RunId,
    RunState,
    Withdrawal,
)
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId, PlatformId
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.liveness import (
    READ_AGAIN_AFTER,
    note_listed,
    note_missed,
)
from ocpi_hub.store.queries import Queries

SQL = Queries("whitelist")

GIVE_UP_AFTER: Final = 20
"""Attempts in a row that bring no page: some two hours."""
SCANNED: Final = 5_000
"""Tokens that one statement looks at."""


class PostgresWhitelistRuns:
    """Implements `catch_up_jobs.CatchUpStore`, and the stores of `delivery.whitelist_runs`.

    Args:
        lease: after which the run of a process that fell silent is taken over.
    """

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self._database = database
        self._lease = lease

    # Reading -------------------------------------------------------------------------------------

    async def claim(self) -> Job | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.claim, self._lease)
        return _job(row) if row else None

    async def keep(self, job: Job, progress: Progress) -> bool:
        owner = party_columns(progress.owner) if progress.owner else (None, None)
        async with self._database.connection() as connection:
            kept = await connection.fetchval(
                SQL.keep, job.lease_id, self._lease, *owner, progress.url, *_figures(progress)
            )
        return kept is not None

    async def requeue(self, job: Job) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.requeue, job.lease_id)

    async def release(self, job: Job, pause: timedelta, error: str, *, restart: bool) -> None:
        async with self._database.transaction() as connection:
            run_id = await connection.fetchval(
                SQL.release, job.lease_id, pause, error, GIVE_UP_AFTER
            )
            if restart and run_id is not None:
                await connection.execute(SQL.restart, run_id)

    async def end(self, job: Job, *, complete: bool) -> None:
        async with self._database.transaction() as connection:
            if not complete:
                await connection.execute(SQL.fail, job.lease_id, "the list comes to no end")
                return
            figures = _figures(job.progress)
            row = await connection.fetchrow(SQL.finish_reading, job.lease_id, *figures)
            if row is not None:
                await _settle(connection, row)

    # Full lists ----------------------------------------------------------------------------------

    async def listed(self, keys: Sequence[ObjectKey]) -> None:
        async with self._database.connection() as connection:
            await note_listed(connection, keys)

    async def missing(self, job: Job, owners: Sequence[PartyId]) -> Missing | None:
        found = Missing(0, 0, 0)
        for owner in owners:
            place: tuple[str, str] | None = ("", "")
            while place is not None:
                async with self._database.connection() as connection:
                    began_at = await connection.fetchval(SQL.began, job.lease_id, self._lease)
                    if began_at is None:
                        return None
                    row = await connection.fetchrow(
                        SQL.count_page, began_at, *party_columns(owner), *place, SCANNED
                    )
                if row is None:
                    raise AssertionError("a count has a row")
                found = Missing(
                    found.absent + row["absent"],
                    found.known + row["known"],
                    found.shown + row["shown"],
                )
                place = (row["last_id"], row["last_type"]) if row["more"] else None
        return found

    async def conclude(
        self,
        job: Job,
        owners: Sequence[PartyId],
        missing: Missing,
        *,
        withdraw: bool,
        hold: bool,
        doubted: bool,
        note: str | None,
    ) -> None:
        names = [str(owner) for owner in owners]
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.conclude,
                job.lease_id,
                names,
                missing.absent,
                note,
                withdraw,
                hold,
                doubted,
                *_figures(job.progress),
            )

    # Withdrawing ---------------------------------------------------------------------------------

    async def claim_withdrawal(self) -> Withdrawal | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.claim_withdrawal, self._lease)
        if row is None:
            return None
        owners = [PartyId.parse(name) for name in row["owners"]]
        return Withdrawal(
            RunId(row["run_id"]), owners, row["began_at"], row["doubted"], row["lease_id"]
        )

    async def absent(self, withdrawal: Withdrawal, place: ObjectKey | None = None) -> LackedPage:
        owners = withdrawal.owners
        if place is None:
            if not owners:
                return LackedPage([], None)
            place = _before(owners[0])
        owner = place.owner
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.absent_page,
                withdrawal.began_at,
                *party_columns(owner),
                place.object_id,
                place.object_type,
                SCANNED,
            )
        keys = [(_token(owner, row["object_id"], row["object_type"]), row) for row in rows]
        lacked = [Lacked(key, row["gone"]) for key, row in keys if row["absent"]]
        if keys and keys[-1][1]["is_last"]:
            return LackedPage(lacked, keys[-1][0])
        later = [_before(each) for each in owners if each > owner]
        return LackedPage(lacked, min(later, default=None))

    async def missed(self, keys: Sequence[ObjectKey]) -> None:
        async with self._database.connection() as connection:
            await note_missed(connection, keys)

    async def withdrew(self, withdrawal: Withdrawal, tokens: int) -> bool:
        async with self._database.connection() as connection:
            kept = await connection.fetchval(SQL.withdrew, withdrawal.lease_id, tokens, self._lease)
        return kept is not None

    async def end_withdrawal(self, withdrawal: Withdrawal) -> None:
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(SQL.end_withdrawal, withdrawal.lease_id)
            if row is not None:
                await _settle(connection, row)
                await connection.execute(SQL.start_again, row["run_id"], READ_AGAIN_AFTER)


async def _settle(connection: Connection, row: asyncpg.Record) -> None:
    """A run has come a step further: what that means for what is known, and for older runs."""
    if row["extent"] == "full":
        await connection.execute(SQL.supersede, row["platform_id"], row["run_id"])
    if row["state"] == RunState.DONE:
        await connection.execute(SQL.note_knowledge, row["run_id"])


def _token(owner: PartyId, object_id: str, object_type: str) -> ObjectKey:
    return ObjectKey(Module.TOKENS.value, owner, object_id, object_type)


def _before(owner: PartyId) -> ObjectKey:
    """The place in front of all tokens of an owner."""
    return _token(owner, "", "")


def _job(row: asyncpg.Record) -> Job:
    owner = PartyId(row["country_code"], row["party_id"]) if row["party_id"] else None
    return Job(
        PlatformId(row["platform_id"]),
        Module.TOKENS.value,
        row["date_from"],
        row["lease_id"],
        row["attempts"],
        Progress(
            owner,
            row["next_url"],
            row["pages"],
            row["seen"],
            row["added"] + row["changed"],
            row["errors"],
            row["changed"],
            row["unnamed"],
            row["total"],
        ),
    )


def _figures(progress: Progress) -> tuple[int | None, ...]:
    """Pages, seen, added, changed, errors, unnamed, total."""
    return (
        progress.pages,
        progress.seen,
        progress.taken - progress.changed,
        progress.changed,
        progress.broken,
        progress.unnamed,
        progress.total,
    )
