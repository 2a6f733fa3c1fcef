"""Locations as the console shows them: where they are, one with all that belongs to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ocpi_hub.domain.objects import LastAnswer, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

if TYPE_CHECKING:
    import asyncpg

SQL = Queries("location_admin")

PART: Final = 1000
"""Points that one look reads."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody sees of shared objects.

    Attributes:
        everything: an operator.
        own: parties whose objects it sees all of.
        readers: parties that others address objects to.
        shown: owners with the audience by which they show something to it, `*` or one of `readers`,
            and whether only what is to be published.
    """

    everything: bool
    own: tuple[PartyId, ...] = ()
    readers: tuple[PartyId, ...] = ()
    shown: tuple[tuple[str, PartyId, bool], ...] = ()

    @property
    def columns(self) -> tuple[object, ...]:
        """As the queries take it."""
        shown = ((audience, *party_columns(owner), only) for audience, owner, only in self.shown)
        return (
            self.everything,
            *columns(map(party_columns, self.own), 2),
            *columns(shown, 4),
            [str(reader) for reader in self.readers],
        )


@dataclass(frozen=True, slots=True)
class Point:
    """A Location on a map, and how many of its EVSEs are in which state."""

    owner: PartyId
    location_id: str
    name: str
    latitude: str | None
    longitude: str | None
    available: int
    in_use: int
    out_of_order: int
    other: int


@dataclass(frozen=True, slots=True)
class SeenObject:
    """A shared object.

    Attributes:
        serial: its place in the order of arrival.
        audience: `*`, or the only party that it is for.
        body: JSON, as its owner last said.
    """

    serial: int
    owner: PartyId
    object_id: str
    audience: str
    body: str
    last_updated: datetime
    changed_at: datetime
    position: int
    correlation_id: str


@dataclass(frozen=True, slots=True)
class OwedPush:
    """A Location, or an EVSE of it, that a receiver did not take.

    Attributes:
        evse_uid: empty: the whole Location.
        next_attempt_at: None: not before it changes.
    """

    receiver: PartyId
    evse_uid: str
    attempts: int
    since: datetime
    next_attempt_at: datetime | None
    answer: LastAnswer | None


@dataclass(frozen=True, slots=True)
class ObjectFilter:
    """Which objects; None: any. Case does not matter."""

    owner: PartyId | None = None
    object_id: str | None = None
    evse_status: str | None = None
    text: str | None = None


class LocationAdmin:
    """Locations of all owners. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def position(self) -> int:
        """Where the feed of Locations stands."""
        async with self._database.connection() as connection:
            return await connection.fetchval(SQL.position) or 0

    async def points(self, sight: Sight) -> AsyncIterator[Sequence[Point]]:
        """All that somebody sees, some at a time."""
        serial = 0
        while True:
            part = await self.some_points(sight, serial, PART)
            if part:
                yield [point for _, point in part]
            if len(part) < PART:
                return
            serial, _ = part[-1]

    async def some_points(
        self, sight: Sight, after: int, limit: int
    ) -> Sequence[tuple[int, Point]]:
        """The next ones, each with its place in the order of arrival."""
        async with self._database.transaction() as connection:
            await connection.execute(SQL.read_in_order)
            rows = await connection.fetch(SQL.points, after, limit, *sight.columns)
        return [(row["serial"], _point(row)) for row in rows]

    async def objects(
        self, module: Module, sight: Sight, wanted: ObjectFilter, *, after: int, limit: int
    ) -> Sequence[SeenObject]:
        """In the order of arrival; of an object that is addressed to several the first, but where
        an id is asked for, all."""
        owner = wanted.owner
        folded = wanted.object_id.upper() if wanted.object_id else None
        status = wanted.evse_status.upper() if wanted.evse_status else None
        async with self._database.planned() as connection:
            # Each filter has an index of its own, or none.
            rows = await connection.fetch(
                SQL.objects, after, limit, *sight.columns,
                *(party_columns(owner) if owner else (None, None)), folded, status, wanted.text,
                module.value,
            )  # fmt: skip
        return [_seen(row) for row in rows]

    async def owed(self, key: ObjectKey) -> tuple[Sequence[OwedPush], Sequence[PartyId]]:
        """Pushes of a Location that receivers did not take, and whose lanes have not come to it."""
        place = (*party_columns(key.owner), key.object_id)
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.owed, *place)
            newest = await connection.fetchval(SQL.newest_position, *place)
            behind = await connection.fetch(SQL.behind, newest) if newest else []
        return [_owed(row) for row in rows], [_party(row) for row in behind]

    async def cdrs(
        self, key: ObjectKey, receivers: Sequence[PartyId] | None
    ) -> tuple[int, datetime | None]:
        """How many CDRs it has, 10,000 at most, and when the last of these ended.

        Args:
            receivers: only CDRs for one of them; None: for anybody.
        """
        seen = (None, None) if receivers is None else columns(map(party_columns, receivers), 2)
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                SQL.count_cdrs, *party_columns(key.owner), key.object_id, *seen
            )
        return (row["count"], row["last_at"]) if row else (0, None)


def _party(row: asyncpg.Record) -> PartyId:
    return PartyId(row["country_code"], row["party_id"])


def _point(row: asyncpg.Record) -> Point:
    return Point(
        _party(row),
        row["id"],
        row["name"] or "",
        row["latitude"],
        row["longitude"],
        row["available"],
        row["in_use"],
        row["out_of_order"],
        row["other"],
    )


def _seen(row: asyncpg.Record) -> SeenObject:
    return SeenObject(
        row["serial"],
        _party(row),
        row["object_id"],
        row["audience"],
        row["body"],
        row["last_updated"],
        row["changed_at"],
        row["position"],
        row["correlation_id"],
    )


def _owed(row: asyncpg.Record) -> OwedPush:
    answer = LastAnswer(row["http"], row["ocpi"], row["message"]) if row["attempts"] else None
    return OwedPush(
        _party(row),
        row["object_type"],
        row["attempts"],
        row["since"],
        row["next_attempt_at"],
        answer,
    )
