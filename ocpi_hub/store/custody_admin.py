"""Looking at directed objects and deciding about them, for operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.acting import acting
from ocpi_hub.store.database import Database
from ocpi_hub.store.directed_rows import directed_object, key_columns
from ocpi_hub.store.queries import Queries

SQL = Queries("custody_admin")

AT_ONCE = 5000
"""Objects of one transaction."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """An attempt that has ended, or whose outcome nobody knows."""

    version: int
    ended_at: datetime
    outcome: str
    http: int | None
    ocpi: int | None
    message: str | None


@dataclass(frozen=True, slots=True)
class OtherContent:
    """Content that was replaced, or that conflicts with what is in custody."""

    version: int | None
    kind: str
    at: datetime
    body: str


class CustodyAdmin:
    """Directed objects of one module, as operators see them."""

    def __init__(self, database: Database, module: str) -> None:
        self._database = database
        self._module = module

    @property
    def database(self) -> Database:
        """Where what belongs to these objects is found, too."""
        return self._database

    async def list(
        self,
        *,
        state: DirectedState | None,
        owner: PartyId | None,
        receiver: PartyId | None,
        limit: int,
        before: int | None = None,
    ) -> Sequence[DirectedObject]:
        """Newest first.

        Args:
            before: only objects with a smaller serial.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.list, self._module, state, *_parts(owner), *_parts(receiver), limit, before
            )
        return [directed_object(row) for row in rows]

    async def find(self, key: ObjectKey) -> DirectedObject | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, *key_columns(key))
        return directed_object(row) if row else None

    async def history(
        self, key: ObjectKey
    ) -> tuple[Sequence[AttemptRecord], Sequence[OtherContent]]:
        """Attempts and other contents of one object, oldest first."""
        async with self._database.connection() as connection:
            attempts = await connection.fetch(SQL.attempts, *key_columns(key))
            others = await connection.fetch(SQL.other_contents, *key_columns(key))
        return (
            [
                AttemptRecord(
                    row["version"],
                    row["ended_at"],
                    row["outcome"],
                    row["http"],
                    row["ocpi"],
                    row["message"],
                )
                for row in attempts
            ],
            [OtherContent(row["version"], row["kind"], row["at"], row["body"]) for row in others],
        )

    async def send_again(
        self,
        states: Sequence[DirectedState],
        *,
        by: str,
        owner: PartyId | None = None,
        object_id: str | None = None,
        receiver: PartyId | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        reason: str | None = None,
    ) -> Sequence[ObjectKey]:
        """Make objects due now, some in each transaction; returns which.

        Args:
            by: who says so.
            since: only what arrived then or later, and before `until`.
        """
        found: list[ObjectKey] = []
        place = 0
        while True:
            async with acting(self._database, by) as connection:
                rows = await connection.fetch(
                    SQL.send_again, self._module, *_parts(owner),
                    object_id.upper() if object_id else None, list(states), reason,
                    *_parts(receiver), since, until, place, AT_ONCE,
                )  # fmt: skip
            found += [
                ObjectKey(self._module, PartyId(r["country_code"], r["party_id"]), r["object_id"])
                for r in rows
                if r["country_code"] is not None
            ]
            if not rows or object_id:
                return found
            place = max(row["serial"] for row in rows)

    async def decide(
        self,
        key: ObjectKey,
        states: Sequence[DirectedState],
        state: DirectedState,
        reason: str,
        *,
        by: str,
    ) -> bool:
        """Set an object's state; false when it is in none of `states`."""
        async with acting(self._database, by) as connection:
            decided = await connection.fetchval(
                SQL.decide, *key_columns(key), list(states), state, reason
            )
        return decided is not None


def _parts(party: PartyId | None) -> tuple[str | None, str | None]:
    return (party.country_code, party.party_id) if party else (None, None)
