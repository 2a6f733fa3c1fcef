"""What platforms are told about parties, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from ocpi_hub.delivery.client_info import Claim, ClientInfoRow, Synced, Visible
from ocpi_hub.delivery.shared import Page
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.party import PartyId, PlatformId, Role
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.queries import Queries

SQL = Queries("client_info")


class PostgresClientInfoStore:
    """Implements `delivery.client_info.ClientInfoStore`.

    Args:
        lease: longer than one push may take.
    """

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self._database = database
        self._lease = lease

    async def sync(
        self, platform_id: PlatformId, directory_version: int, url: str | None, visible: Visible
    ) -> Synced:
        async with self._database.transaction() as connection:
            seen = await _lock(connection, platform_id)
            if seen is None:  # the platform has been removed
                return Synced(changed=False, untold=False)
            changed = False
            if seen["directory_version"] <= directory_version:
                since = seen["connected_at"] if url else None
                await connection.execute(
                    SQL.set_audience, platform_id, directory_version, url, since
                )
                if url is not None and (seen["url"], seen["since"]) != (url, since):
                    changed = await connection.execute(SQL.tell_again, platform_id) != "UPDATE 0"
                rows = (
                    (*party_columns(party), role, status)
                    for (party, role), status in visible.items()
                )
                count = await connection.fetchval(SQL.sync_rows, platform_id, *columns(rows, 4))
                changed = changed or count > 0
            untold = await connection.fetchval(SQL.any_untold, platform_id)
        return Synced(changed=changed, untold=bool(untold))

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


async def _lock(connection: Connection, platform_id: PlatformId) -> asyncpg.Record | None:
    """The platform's row, made at its first time; locked until the transaction ends."""
    row = await connection.fetchrow(SQL.lock_audience, platform_id)
    if row is None:
        await connection.execute(SQL.insert_audience, platform_id)
        row = await connection.fetchrow(SQL.lock_audience, platform_id)
    return row


def _client_info(row: asyncpg.Record) -> ClientInfoRow:
    return ClientInfoRow(
        party=PartyId(row["country_code"], row["party_id"]),
        role=Role(row["role"]),
        status=PartyStatus(row["status"]),
        last_updated=row["last_updated"],
        serial=row["serial"],
    )
