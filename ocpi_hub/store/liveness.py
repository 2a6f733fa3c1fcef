"""Contacts, absences and catch-ups in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from ocpi_hub.delivery.catch_up_jobs import Job, Progress
from ocpi_hub.delivery.full_lists import Absent
from ocpi_hub.delivery.inbound_catch_up import MODULES, SHARED_MODULES
from ocpi_hub.directory.protocols import ProcessRow
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.receiver_backoff import forget_backoff

SQL = Queries("liveness")

FIRST_LIST_AFTER = timedelta(seconds=0.5)
"""For the partner to note that it is connected: it hears of it when this is committed."""
READ_AGAIN_AFTER = timedelta(seconds=5)
"""Until a list that lacks something is read once more."""
REPEATED_WITHIN = timedelta(minutes=10)
"""A list that lacks now this and now that is not read over and over."""


class PostgresLivenessStore:
    """Implements `delivery.liveness.LivenessStore`.

    Args:
        check_every: a silent platform is checked again after this time.
        overlap: how far before the last contact a catch-up begins.
    """

    def __init__(self, database: Database, *, check_every: timedelta, overlap: timedelta) -> None:
        self._database = database
        self._check_every = check_every
        self._overlap = overlap

    async def note_contacts(self, ago_s: Mapping[PlatformId, float]) -> None:
        # Sorted: every process locks the rows in the same order.
        seen = sorted(ago_s.items())
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.note_contacts, [who for who, _ in seen], [ago for _, ago in seen]
            )

    async def claim_silent(self, still_alive_s: float) -> Sequence[PlatformId]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.claim_silent, timedelta(seconds=still_alive_s), self._check_every
            )
        return [PlatformId(row["platform_id"]) for row in rows]

    async def note_failed_check(self, platform_id: PlatformId, *, offline_after: int) -> bool:
        async with self._database.transaction() as connection:
            failed = await connection.fetchval(SQL.note_failed_check, platform_id)
            if failed is None or failed < offline_after:
                return False
            return str(await connection.execute(SQL.mark_offline, platform_id)) == "UPDATE 1"

    async def mark_online(self, platform_id: PlatformId) -> bool:
        async with self._database.transaction() as connection:
            if await connection.fetchval(SQL.mark_online, platform_id) is None:
                return False
            await request_catch_up(connection, platform_id, self._overlap)
            await forget_backoff(connection, platform_id)
            await connection.execute(SQL.make_due, platform_id)
        return True

    async def earlier_processes(self, process_id: UUID, alive: timedelta) -> Sequence[ProcessRow]:
        """Processes that began before this one, with a heartbeat younger than `alive`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.earlier_processes, process_id, alive)
        return [ProcessRow(row["process_id"], row["host"], row["pid"]) for row in rows]

    async def free_lanes(self, gone: Sequence[ProcessRow]) -> None:
        """Let others have the lanes of processes that run no more, before their leases end; they
        take them over in doubt."""
        async with self._database.connection() as connection:
            await connection.execute(SQL.free_lanes, [process.process_id for process in gone])

    async def request_catch_up(self) -> None:
        """Ask for everything since the last contact with each platform."""
        async with self._database.connection() as connection:
            await request_catch_up(connection, None, self._overlap)

    async def request_catch_up_since(self, ago_s: float) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.request_catch_up_since, ago_s, list(MODULES), self._overlap
            )


async def request_catch_up(
    connection: Connection, platform_id: str | None, overlap: timedelta
) -> None:
    """Have fetched what owners could not push since the last contact with their platform, and all
    they have of modules of which nothing is known yet.

    Args:
        platform_id: None: of every platform.
    """
    await connection.execute(
        SQL.request_catch_up, platform_id, list(MODULES), overlap, list(SHARED_MODULES)
    )


async def forget_withdrawn_lists(connection: Connection, platform_id: str) -> None:
    """Forget what was to be fetched from interfaces that a platform does not announce any more."""
    await connection.execute(SQL.forget_catch_ups, platform_id)


async def request_first_lists(connection: Connection, platform_id: str) -> None:
    """Have fetched all that a platform's owners have, as far as nothing is known of it yet."""
    await connection.execute(
        SQL.request_first_lists, platform_id, list(SHARED_MODULES), FIRST_LIST_AFTER
    )


class PostgresCatchUpStore:
    """Implements `delivery.catch_up_jobs.CatchUpStore` and `delivery.full_lists.FullListStore`.

    Args:
        lease: after which a catch-up whose process fell silent is begun again.
    """

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self._database = database
        self._lease = lease

    async def claim(self) -> Job | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.claim_catch_up, self._lease)
        if row is None:
            return None
        owner = PartyId(row["country_code"], row["party_id"]) if row["party_id"] else None
        return Job(
            PlatformId(row["platform_id"]),
            row["module"],
            row["date_from"],
            row["lease_id"],
            row["attempts"],
            Progress(
                owner, row["next_url"], row["pages"], row["seen"], row["taken"], row["broken"]
            ),
        )

    async def keep(self, job: Job, progress: Progress) -> bool:
        owner = party_columns(progress.owner) if progress.owner else (None, None)
        async with self._database.connection() as connection:
            done = await connection.execute(
                SQL.keep_catch_up,
                *_key(job),
                self._lease,
                *owner,
                progress.url,
                progress.pages,
                progress.seen,
                progress.taken,
                progress.broken,
            )
        return str(done) == "UPDATE 1"

    async def listed(self, keys: Sequence[ObjectKey]) -> None:
        async with self._database.connection() as connection:
            await note_listed(connection, keys)

    async def absent(self, job: Job, owners: Sequence[PartyId]) -> Absent | None:
        parties = columns(map(party_columns, owners), 2)
        async with self._database.transaction() as connection:
            began = await connection.fetchrow(SQL.began, *_key(job), REPEATED_WITHIN)
            if began is None:
                return None
            rows = await connection.fetch(SQL.absent, job.module, began["at"], *parties)
        gone = [object_key(row) for row in rows if row["gone"]]
        return Absent(gone, len(rows) - len(gone), began["at"], began["repeated"])

    async def read_again(self, job: Job) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.read_again, job.platform_id, job.module, READ_AGAIN_AFTER)

    async def requeue(self, job: Job) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.requeue_catch_up, *_key(job))

    async def end(self, job: Job, *, complete: bool) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.end_catch_up, *_key(job), complete)

    async def release(self, job: Job, pause: timedelta, error: str, *, restart: bool) -> None:
        async with self._database.transaction() as connection:
            done = await connection.execute(SQL.release_catch_up, *_key(job), pause, error)
            if restart and done == "UPDATE 1":
                await connection.execute(SQL.restart_catch_up, job.platform_id, job.module)


async def note_listed(connection: Connection, keys: Sequence[ObjectKey]) -> None:
    """A full list shows these objects, as the hub has them."""
    await connection.execute(SQL.note_lists, *_places(keys), True)


async def note_missed(connection: Connection, keys: Sequence[ObjectKey]) -> None:
    """A full list lacks these objects."""
    await connection.execute(SQL.note_lists, *_places(keys), False)


def _places(keys: Sequence[ObjectKey]) -> list[list[object]]:
    return columns(sorted(map(place_columns, keys)), 5)


def place_columns(key: ObjectKey) -> tuple[str, str, str, str, str]:
    """Module, owner, id and type of an object."""
    return (
        key.module,
        key.owner.country_code,
        key.owner.party_id,
        key.object_id,
        key.object_type,
    )


def object_key(row: asyncpg.Record) -> ObjectKey:
    """The same of a row, as it is broadcast."""
    owner = PartyId(row["country_code"], row["party_id"])
    return ObjectKey(row["module"], owner, row["object_id"], row["object_type"])


def _key(job: Job) -> tuple[str, str, UUID]:
    return job.platform_id, job.module, job.lease_id
