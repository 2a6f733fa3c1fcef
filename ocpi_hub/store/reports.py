"""What reports need of the ledger. Every question is short; the long answers come in parts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ocpi_hub.clearing.reports import (
    DayEnergy,
    KnownPoint,
    PointEnergy,
    PointKey,
    Year,
    energy_within,
    power_kw,
)
from ocpi_hub.clearing.statement import Relation
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

if TYPE_CHECKING:
    import asyncpg

SQL = Queries("reports")

LOCATIONS: Final = 200
ENTRIES: Final = 2000
NEAR: Final = 10
"""So many times as many entries as are asked for are looked through before all of a time are."""
BODIES: Final = 100
"""CDRs whose texts are in memory."""


class ReportStore:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def relations(
        self,
        begin: datetime,
        end: datetime,
        cpo: PartyId | None = None,
        *,
        ended: bool = False,
    ) -> Sequence[Relation]:
        """Those with CDRs in that time, or that ended in it."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.relations,
                begin,
                end,
                *(party_columns(cpo) if cpo else (None, None)),
                end if ended else None,
            )
        return [
            Relation(
                PartyId(row["country_code"], row["party_id"]),
                PartyId(row["receiver_country_code"], row["receiver_party_id"]),
            )
            for row in rows
        ]

    async def points(
        self, relation: Relation, year: Year, window: tuple[datetime, datetime]
    ) -> Sequence[PointEnergy]:
        """Energy of a relation's CDRs that ended within the window and lie wholly in the year."""
        place = (*party_columns(relation.cpo), *party_columns(relation.emsp))
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.points, *place, year.begin, year.end, *window)
        return [
            PointEnergy(_key(relation.cpo, row), row["evse_id"], row["cdrs"], row["energy_kwh"])
            for row in rows
        ]

    async def across(self, relation: Relation, year: Year) -> Sequence[PointEnergy]:
        """The part that lies in the year of CDRs which began before it or ended after it."""
        place = (*party_columns(relation.cpo), *party_columns(relation.emsp))
        bounds = (year.begin, year.end)
        found: list[PointEnergy] = []
        last = 0
        while True:
            async with self._database.connection() as connection:
                rows = await connection.fetch(SQL.across, *place, *bounds, *bounds, last, BODIES)
            for row in rows:
                kwh = energy_within(row["body"], year)
                found.append(PointEnergy(_key(relation.cpo, row), row["evse_id"], 1, kwh))
            if len(rows) < BODIES:
                return found
            last = rows[-1]["entry"]

    async def undelivered(self, cpo: PartyId, year: Year) -> int:
        """CDRs of the year that their eMSPs have not judged yet."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(
                SQL.undelivered, *party_columns(cpo), year.begin, year.end
            )
        return count

    async def without_end(self, cpo: PartyId, year: Year) -> int:
        """CDRs of sessions that began in the year, and of which nobody knows when they ended."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(
                SQL.without_end, *party_columns(cpo), year.begin, year.end
            )
        return count

    async def without_entry(self, cpo: PartyId | None) -> Mapping[PartyId, int]:
        """CDRs of each CPO that the ledger does not have."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.without_entry, *(party_columns(cpo) if cpo else (None, None))
            )
        return {PartyId(row["country_code"], row["party_id"]): row["cdrs"] for row in rows}

    async def span(self, cpo: PartyId) -> tuple[datetime | None, datetime | None]:
        """When the first session began of which this hub has a CDR, and when the last one ended."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.span, *party_columns(cpo))
        return (row["first"], row["last"]) if row else (None, None)

    async def known_points(self, cpo: PartyId) -> Mapping[PointKey, KnownPoint]:
        """The EVSEs of a CPO's Locations."""
        found: dict[PointKey, KnownPoint] = {}
        place: tuple[bool, int] = (False, 0)
        while True:
            async with self._database.connection() as connection:
                rows = await connection.fetch(
                    SQL.known_points, *party_columns(cpo), *place, LOCATIONS
                )
            if not rows:
                return found
            for row in rows:
                if row["evse_uid"] is not None:
                    point = _known(cpo, row)
                    found.setdefault(point.key, point)
            place = (rows[-1]["addressed"], rows[-1]["serial"])

    async def days(
        self, relation: Relation, begin: datetime, end: datetime, time_zone: str
    ) -> Sequence[DayEnergy]:
        place = (*party_columns(relation.cpo), *party_columns(relation.emsp))
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.days, *place, begin, end, time_zone)
        return [DayEnergy(relation.cpo, relation.emsp, **row) for row in rows]

    async def ledger(
        self, since: datetime | None, until: datetime | None
    ) -> AsyncIterator[Mapping[str, object]]:
        """All CDRs that ended in that time, in the order in which they came."""
        last = 0
        while part := await self.ledger_part(since, until, last, ENTRIES):
            for entry in part:
                yield entry
            last = part[-1]["entry"]

    async def ledger_part(
        self, since: datetime | None, until: datetime | None, after: int, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        """The next ones, behind an entry."""
        async with self._database.planned() as connection:
            if since is None and until is None:
                found = await connection.fetch(SQL.entries, after, limit)
            else:
                # CDRs come about in the order in which they ended: behind one, others are near.
                place = (after, limit, since, until)
                found = await connection.fetch(SQL.entries_near, *place, NEAR * limit)
                if len(found) < limit:
                    found = await connection.fetch(SQL.entries_of_time, *place)
            rows = await connection.fetch(SQL.ledger, [row["entry"] for row in found])
        return [dict(row) for row in rows]


def months_of(year: Year) -> Sequence[tuple[datetime, datetime]]:
    """Parts of a year that one question is about; the last one includes the year's end."""
    begins = [year.begin, *(datetime(year.number, each, 1, tzinfo=UTC) for each in range(2, 13))]
    return list(zip(begins, [*begins[1:], year.end + timedelta(days=1)], strict=True))


def _key(cpo: PartyId, row: asyncpg.Record) -> PointKey:
    return PointKey(cpo, row["location_id"], row["evse_uid"])


def _known(cpo: PartyId, row: asyncpg.Record) -> KnownPoint:
    connectors = json.loads(row["connectors"] or "[]", parse_float=Decimal, parse_int=Decimal)
    powers = [
        power_kw(
            each.get("max_electric_power"),
            each.get("max_voltage"),
            each.get("max_amperage"),
            str(each.get("power_type")),
        )
        for each in connectors
    ]
    return KnownPoint(
        key=_key(cpo, row),
        published=row["published"],
        operator=row["operator"],
        address=row["address"],
        postal_code=row["postal_code"],
        city=row["city"],
        country=row["country"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        power_kw=max((each for each in powers if each is not None), default=None),
    )
