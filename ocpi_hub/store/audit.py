"""The audit log in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("audit")

ADDRESSES_KEPT = 10
"""Different ones of an entry that sums up attempts."""


class ActorKind(StrEnum):
    """How somebody reached the hub."""

    ACCOUNT = "account"
    KEY = "key"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something.

    Attributes:
        actor: id of the account or key, or the operating system's user.
        name: at that time.
    """

    kind: ActorKind
    actor: str
    name: str


class AuditOutcome(StrEnum):
    """What became of a change."""

    BEGUN = "begun"
    """Not done yet, or its process died."""
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change.

    Attributes:
        before, after: the object as JSON values; None: there was none, or it is not known.
        times: more than one: refused attempts of one minute.
    """

    entry_id: int
    at: datetime
    actor: Actor
    what: str
    object_name: str
    before: object
    after: object
    outcome: AuditOutcome
    error: str | None
    times: int
    ended_at: datetime | None
    correlation_id: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """None selects everything.

    Attributes:
        actor: an id or a name.
    """

    what: str | None = None
    object_name: str | None = None
    actor: str | None = None
    outcome: AuditOutcome | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog:
    """Entries are added and completed, and never changed after that.

    But for attempts that strangers can repeat as they like: those of a minute are one entry, which
    counts them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, actor: Actor, what: str, object_name: str, before: object, correlation_id: str
    ) -> int:
        """A change begins; the number of its entry."""
        async with self._database.connection() as connection:
            number: int = await connection.fetchval(
                SQL.begin,
                actor.kind,
                actor.actor,
                actor.name,
                what,
                object_name,
                _text(before),
                correlation_id,
            )
        return number

    async def end(
        self,
        entry_id: int,
        outcome: AuditOutcome,
        *,
        after: object = None,
        error: str | None = None,
        object_name: str | None = None,
    ) -> None:
        """It ended."""
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.end, entry_id, outcome, _text(after), _storable(error), object_name
            )

    async def sum_up(
        self,
        actor: Actor,
        what: str,
        object_name: str,
        *,
        error: str,
        address: str,
        correlation_id: str,
    ) -> None:
        """A refused attempt: an entry, or one more of it if this minute has it already.

        Args:
            actor: who it is said to be.
            error, object_name: of a bounded number of values: each has entries of its own.
        """
        async with self._database.connection() as connection:
            await connection.execute(
                SQL.sum_up,
                actor.kind,
                actor.actor,
                actor.name,
                what,
                object_name,
                error,
                address,
                ADDRESSES_KEPT,
                correlation_id,
            )

    async def list(
        self, limit: int, wanted: AuditFilter, *, before: int | None = None
    ) -> Sequence[AuditEntry]:
        """Newest first.

        Args:
            before: the number of the entry that the page before ended with.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.list,
                limit,
                before,
                wanted.what,
                wanted.object_name,
                wanted.actor,
                wanted.outcome,
                wanted.since,
                wanted.until,
            )
        return [_entry(row) for row in rows]

    async def find(self, entry_id: int) -> AuditEntry | None:
        """One entry."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, entry_id)
        return _entry(row) if row else None


def _text(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=True)


def _storable(text: str | None) -> str | None:
    return text.replace("\0", "") if text is not None else None


def _entry(row: asyncpg.Record) -> AuditEntry:
    return AuditEntry(
        entry_id=row["id"],
        at=row["at"],
        actor=Actor(ActorKind(row["actor_kind"]), row["actor"], row["actor_name"]),
        what=row["what"],
        object_name=row["object"],
        before=json.loads(row["before"]) if row["before"] else None,
        after=json.loads(row["after"]) if row["after"] else None,
        outcome=AuditOutcome(row["outcome"]),
        error=row["error"],
        times=row["times"],
        ended_at=row["ended_at"],
        correlation_id=row["correlation_id"],
    )
