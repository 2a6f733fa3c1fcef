"""What platforms are told about parties, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from ocpi_hub.delivery.client_info import (
    Audience,
    Claim,
    ClientInfoRow,
    Comparison,
    Outcome,
    Synced,
)
from ocpi_hub.delivery.shared import Page
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import PartyId, PlatformId, Role
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.queries import Queries

SQL = Queries("client_info")


@dataclass(frozen=True, slots=True)
class _Stored:
    """A platform as it is told so far; `connected_at`: its registration."""

    connected_at: datetime | None
    directory_version: int
    url: str | None
    since: datetime | None


class PostgresClientInfoStore:
    """Implements `delivery.client_info.ClientInfoStore`.

    Args:
        lease: longer than one push may take.
        hold: how long a platform must have been OFFLINE before that is told.
    """

    def __init__(
        self, database: Database, *, lease: timedelta, hold: timedelta = timedelta(0)
    ) -> None:
        self._database = database
        self._lease = lease
        self._hold = hold

    async def sync(self, directory_version: int, audiences: Sequence[Audience]) -> Comparison:
        ids = [audience.platform_id for audience in audiences]
        async with self._database.transaction() as connection:
            stored = await _lock(connection, ids)
            outcomes = {
                one.platform_id: _outcome(one, stored.get(one.platform_id), directory_version)
                for one in audiences
            }
            writing = [
                one
                for one in audiences
                if outcomes[one.platform_id] is Outcome.FOLLOWS
                and not _by_another(one, stored[one.platform_id], directory_version)
            ]
            changed, held_s = set[str](), None
            if writing:
                at = await connection.fetchval(SQL.now)
                changed, held_s = await self._write(
                    connection, directory_version, writing, stored, at
                )
            untold = {row["platform_id"] for row in await connection.fetch(SQL.with_untold, ids)}
        return Comparison(
            {
                who: Synced(outcome, changed=who in changed, untold=who in untold)
                for who, outcome in outcomes.items()
            },
            held_s,
        )

    async def _write(
        self,
        connection: Connection,
        directory_version: int,
        audiences: Sequence[Audience],
        stored: Mapping[str, _Stored],
        at: datetime,
    ) -> tuple[set[str], float | None]:
        """Whose rows changed, and the seconds until somebody's absence may be told."""
        urls = {
            one.platform_id: self._url(one, stored[one.platform_id].url, at) for one in audiences
        }
        since = {who: stored[who].connected_at if url else None for who, url in urls.items()}
        await connection.execute(
            SQL.set_audiences, directory_version, list(urls), list(urls.values()), [*since.values()]
        )
        elsewhere = [
            who
            for who, url in urls.items()
            if url is not None and (stored[who].url, stored[who].since) != (url, since[who])
        ]
        again = await connection.fetch(SQL.tell_everything_again, elsewhere) if elsewhere else ()
        row = await connection.fetchrow(
            SQL.sync_rows,
            *_wanted(audiences),
            self._hold,
            [one.platform_id for one in audiences if one.about is None],
            *_about(audiences),
        )
        if row is None:
            raise AssertionError("the statement returns one row")
        changed = {item["audience"] for item in again} | set(row["changed"])
        held = [] if row["held_s"] is None else [row["held_s"]]
        held += [(left).total_seconds() for one in audiences if (left := self._left(one, at))]
        return changed, min(held, default=None)

    def _url(self, audience: Audience, known: str | None, at: datetime) -> str | None:
        """Where a platform counts as reached: one that is away for a moment only where it was, so
        that it is not told everything again when it is back."""
        if audience.online:
            return audience.url
        return known if known == audience.url and self._left(audience, at) else None

    def _left(self, audience: Audience, at: datetime) -> timedelta | None:
        """How long an absence has yet to last to count; None: it counts, or there is none."""
        if audience.online or audience.offline_since is None or audience.url is None:
            return None
        left = audience.offline_since + self._hold - at
        return left if left > timedelta(0) else None

    async def follows(self, platform_id: PlatformId, directory_version: int) -> bool:
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(SQL.follows, platform_id, directory_version))

    async def owed(self) -> Sequence[PlatformId]:
        async with self._database.connection() as connection:
            return [PlatformId(row["platform_id"]) for row in await connection.fetch(SQL.owed)]

    async def untold_about(self, platform_id: PlatformId) -> bool:
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(SQL.untold_about, platform_id))

    async def told_after(self, platform_id: PlatformId, after_serial: int) -> ClientInfoRow | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.told_after, platform_id, after_serial)
        return _client_info(row) if row else None

    async def tell_again(self, platform_id: PlatformId, row: ClientInfoRow) -> bool:
        async with self._database.connection() as connection:
            done = await connection.fetchval(
                SQL.tell_again, platform_id, row.serial, row.last_updated
            )
        return done is not None

    async def claim(self, platform_id: PlatformId, url: str, lease_id: UUID) -> Claim | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.claim, platform_id, url, lease_id, self._lease)
        return Claim(platform_id, lease_id, url, row["since"]) if row else None

    async def untold(
        self, platform_id: PlatformId, after_serial: int, limit: int
    ) -> Sequence[ClientInfoRow]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.untold, platform_id, after_serial, limit)
        return [_client_info(row) for row in rows]

    async def report(self, claim: Claim, row: ClientInfoRow, *, told: bool) -> bool:
        async with self._database.connection() as connection:
            return bool(
                await connection.fetchval(
                    SQL.report,
                    claim.platform_id,
                    claim.lease_id,
                    self._lease,
                    claim.url,
                    claim.since,
                    row.serial,
                    row.last_updated,
                    told,
                )
            )

    async def release(self, claim: Claim) -> None:
        async with self._database.connection() as connection:
            await connection.execute(SQL.release, claim.platform_id, claim.lease_id)

    async def page(self, platform_id: PlatformId, page: PageRequest) -> Page:
        cursor = page.cursor
        window = (page.date_from, page.date_to)
        async with self._database.connection() as connection:
            total = (
                cursor.total
                if cursor
                else await connection.fetchval(SQL.count, platform_id, *window)
            )
            found = await connection.fetch(
                SQL.page,
                platform_id,
                cursor.after_serial if cursor else 0,
                *window,
                0 if cursor else page.offset,
                page.limit,
            )
        rows = [_client_info(row) for row in found[: page.limit]]
        return Page(
            texts=tuple(row.text().decode() for row in rows),
            total=total,
            last_serial=rows[-1].serial if len(found) > page.limit else None,
            serials=tuple(row.serial for row in rows),
        )


async def _lock(connection: Connection, ids: Sequence[PlatformId]) -> dict[str, _Stored]:
    """Those of the platforms that there are, locked until the transaction ends; each gets its row
    the first time."""
    platforms = {
        row["platform_id"]: row["connected_at"]
        for row in await connection.fetch(SQL.lock_platforms, ids)
    }
    rows = await connection.fetch(SQL.lock_audiences, list(platforms))
    if len(rows) < len(platforms):
        await connection.execute(SQL.insert_audiences, list(platforms))
        rows = await connection.fetch(SQL.lock_audiences, list(platforms))
    return {
        row["platform_id"]: _Stored(
            platforms[row["platform_id"]], row["directory_version"], row["url"], row["since"]
        )
        for row in rows
    }


def _outcome(audience: Audience, stored: _Stored | None, version: int) -> Outcome:
    if stored is None:
        return Outcome.GONE
    if stored.directory_version > version:
        return Outcome.AHEAD
    if audience.about is None or stored.directory_version in (audience.base, version):
        return Outcome.FOLLOWS
    return Outcome.UNKNOWN


def _by_another(audience: Audience, stored: _Stored, version: int) -> bool:
    """Whether another process has taken this step for a platform."""
    return audience.about is not None and audience.base != stored.directory_version == version


def _wanted(audiences: Iterable[Audience]) -> list[list[object]]:
    return columns(
        (
            (one.platform_id, *party_columns(party), role, standing.status, standing.offline_since)
            for one in audiences
            for (party, role), standing in one.visible.items()
        ),
        6,
    )


def _about(audiences: Iterable[Audience]) -> list[list[object]]:
    return columns(
        (
            (one.platform_id, *party_columns(party))
            for one in audiences
            for party in one.about or ()
        ),
        3,
    )


def _client_info(row: asyncpg.Record) -> ClientInfoRow:
    return ClientInfoRow(
        party=PartyId(row["country_code"], row["party_id"]),
        role=Role(row["role"]),
        status=PartyStatus(row["status"]),
        last_updated=row["last_updated"],
        serial=row["serial"],
    )
