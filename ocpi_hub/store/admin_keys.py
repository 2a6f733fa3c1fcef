"""Keys of the admin API in PostgreSQL: only their digests are stored."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

import asyncpg

from ocpi_hub.admin.keys import AdminKey, KeySecret, Scope
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("admin_keys")

_ID_BYTES = 4
_SCOPES = frozenset(Scope)


class PostgresAdminKeys:
    """Implements `admin.keys.KeyStore`, and what operators do with keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, scopes: Collection[Scope], secret: KeySecret) -> AdminKey:
        """Store a new key's digest."""
        wanted = [scope.value for scope in Scope if scope in scopes]
        async with self._database.connection() as connection:
            while True:
                key_id = f"k-{secrets.token_hex(_ID_BYTES)}"
                row = await connection.fetchrow(SQL.create, key_id, name, secret.sha256, wanted)
                if row is not None:
                    return _key(row)

    async def list(self, *, after: str | None, limit: int) -> Sequence[AdminKey]:
        """All keys, revoked ones too, by id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.list, after, limit)
        return [_key(row) for row in rows]

    async def find(self, sha256: bytes) -> AdminKey | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, sha256)
            if row is not None:
                await connection.execute(SQL.note_use, row["key_id"])
        return _key(row) if row else None

    async def named(self, key_id: str) -> AdminKey | None:
        """The key of this id, revoked or not."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.named, key_id)
        return _key(row) if row is not None else None

    async def revoke(self, key_id: str) -> AdminKey | None:
        """End a key; None when there is none with this id."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.revoke, key_id)
        return _key(row) if row else None


def _key(row: asyncpg.Record) -> AdminKey:
    return AdminKey(
        key_id=row["key_id"],
        name=row["name"],
        # A scope of a later release means nothing to this one.
        scopes=frozenset(Scope(name) for name in row["scopes"] if name in _SCOPES),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
