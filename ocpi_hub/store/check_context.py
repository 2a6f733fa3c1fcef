"""What the hub knows beside CDRs, read for many at a time.

Locations are remembered for a moment: CDRs of one place come close together, and what a check says
of a Location that changed just now is not wrong, only young. Everything else is read each time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from ocpi_hub.clearing.checks import CheckContext, LocationSeen
from ocpi_hub.clearing.credits import Booked, Total
from ocpi_hub.clock import Clock
from ocpi_hub.delivery.cdr_examiner import Asked
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import StoreError
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.store.check_rows import (
    authorization_of,
    booked_of,
    location_of,
    session_of,
    tariff_of,
)
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.writer import BatchWriter

SQL = Queries("check_context")

REMEMBERED_S: Final = 30.0
MOST_CONNECTORS: Final = 50_000
"""Of all Locations that are remembered; a connector takes some 300 bytes."""
MOST_TARIFFS: Final = 20
"""Tariffs that are looked up for one CDR."""
_Place = tuple[PartyId, PartyId, str]
"""Owner, receiver and folded id of a Location: some are meant for one receiver."""


class CheckContexts:
    """Implements `delivery.cdr_examiner.ContextLookups`.

    Attributes:
        questions: a loop, like the writers.
    """

    def __init__(
        self, database: Database, clock: Clock, *, batch_rows: int, batch_queue_rows: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._locations: dict[_Place, tuple[float, LocationSeen]] = {}
        self._connectors = 0
        self.questions: BatchWriter[Asked, CheckContext] = BatchWriter(
            "contexts of CDRs",
            self._read_arriving,
            max_rows=batch_rows,
            max_queued=batch_queue_rows,
        )

    async def context(self, asked: Asked) -> CheckContext:
        try:
            return await self.questions.submit(asked)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreError(f"what belongs to a CDR cannot be read: {error}") from error

    async def _read_arriving(self, asked: Sequence[Asked]) -> Sequence[CheckContext]:
        return await self.read(asked, arriving=True)

    async def read(
        self, asked: Sequence[Asked], *, arriving: bool = False
    ) -> Sequence[CheckContext]:
        """What belongs to each. All raise StoreError."""
        async with self._database.connection() as connection:
            locations = await self._read_locations(connection, asked)
            linked = await connection.fetch(SQL.linked, *columns(map(_linked_columns, asked), 6))
            related = await self._related(connection, asked)
            tariffs = await self._read_tariffs(connection, asked, locations)
        crowded = _crowded(asked) if arriving else frozenset()
        return [
            CheckContext(
                received_at=each.received_at,
                knows_locations=row["knows_locations"],
                location=locations.get(_place(each)),
                session=session_of(row),
                authorization=authorization_of(row),
                tariffs=tariffs.get(place, ()),
                original=related[place].original,
                credited=related[place].credited,
                others=tuple(related[place].others),
                crowded=place in crowded,
            )
            for place, (each, row) in enumerate(zip(asked, linked, strict=True))
        ]

    # Locations -----------------------------------------------------------------------------------

    async def _read_locations(
        self, connection: Connection, asked: Sequence[Asked]
    ) -> dict[_Place, LocationSeen]:
        now = self._clock.monotonic()
        found: dict[_Place, LocationSeen] = {}
        missing: set[_Place] = set()
        for place in map(_place, asked):
            until, seen = self._locations.get(place, (0.0, None))
            if seen is not None and until > now:
                found[place] = seen
            else:
                missing.add(place)
        if not missing:
            return found
        wanted = sorted(missing)
        rows = await connection.fetch(
            SQL.objects,
            *columns(((*owner, *party_columns(emsp), key) for owner, emsp, key in wanted), 5),
            Module.LOCATIONS,
        )
        for row in rows:
            place = wanted[row["place"] - 1]
            # What is meant for this receiver comes last, and counts.
            found[place] = location_of(row["body"])
            self._remember(place, found[place], now + REMEMBERED_S)
        return found

    def _remember(self, place: _Place, seen: LocationSeen, until: float) -> None:
        if place in self._locations:
            self._forget(place)
        while self._locations and self._connectors > MOST_CONNECTORS:
            self._forget(next(iter(self._locations)))
        self._locations[place] = (until, seen)
        self._connectors += len(seen.connectors) + 1

    def _forget(self, place: _Place) -> None:
        _, seen = self._locations.pop(place)
        self._connectors -= len(seen.connectors) + 1

    # Tariffs -------------------------------------------------------------------------------------

    async def _read_tariffs(
        self,
        connection: Connection,
        asked: Sequence[Asked],
        locations: Mapping[_Place, LocationSeen],
    ) -> dict[int, tuple[Tariff, ...]]:
        wanted: list[tuple[int, str, str, str, str, str]] = []
        for place, each in enumerate(asked):
            for tariff_id in _tariff_ids(each, locations.get(_place(each))):
                parties = (*party_columns(each.owner), *party_columns(each.receiver))
                wanted.append((place, *parties, tariff_id))
        if not wanted:
            return {}
        found: dict[int, dict[str, Tariff]] = defaultdict(dict)
        places = columns((each[1:] for each in wanted), 5)
        rows = await connection.fetch(SQL.objects, *places, Module.TARIFFS)
        for row in rows:
            place, *_, tariff_id = wanted[row["place"] - 1]
            tariff = tariff_of(row["body"])
            if tariff is not None and _valid(tariff, asked[place]):
                found[place][tariff_id] = tariff
        return {place: tuple(each.values()) for place, each in found.items()}

    # Other CDRs ----------------------------------------------------------------------------------

    async def _related(
        self, connection: Connection, asked: Sequence[Asked]
    ) -> Mapping[int, _Related]:
        result: dict[int, _Related] = defaultdict(_Related)
        wanted = [place for place, each in enumerate(asked) if each.session_id or each.credited_id]
        if not wanted:
            return result
        rows = await connection.fetch(
            SQL.related, *columns((_related_columns(asked[place]) for place in wanted), 5)
        )
        for row in rows:
            result[wanted[row["place"] - 1]].add(row)
        return result


class _Related:
    """What the ledger has beside one CDR."""

    def __init__(self) -> None:
        self.original: Booked | None = None
        self.credited: Total | None = None
        self.others: list[Booked] = []

    def add(self, row: asyncpg.Record) -> None:
        cdr = booked_of(row)
        match row["as_what"]:
            case "original":
                self.original = cdr
            case "credit":
                self.credited = cdr.cost if self.credited is None else self.credited + cdr.cost
            case _:
                self.others.append(cdr)


def _crowded(asked: Sequence[Asked]) -> frozenset[int]:
    """Which of CDRs that are not in the ledger yet should see others of them."""
    sessions = Counter((each.owner, each.session_id) for each in asked if not each.credited_id)
    ids = {(each.owner, each.cdr_id) for each in asked}
    back = Counter((each.owner, each.credited_id) for each in asked)
    return frozenset(
        place
        for place, each in enumerate(asked)
        if (
            (each.credited_id != each.cdr_id and (each.owner, each.credited_id) in ids)
            or back[each.owner, each.credited_id] > 1
            if each.credited_id
            else each.session_id is not None and sessions[each.owner, each.session_id] > 1
        )
    )


def _place(asked: Asked) -> _Place:
    return (asked.owner, asked.receiver, asked.location_id)


def _linked_columns(asked: Asked) -> tuple[object, ...]:
    parties = (*party_columns(asked.owner), *party_columns(asked.receiver))
    return (*parties, asked.session_id, asked.reference)


def _related_columns(asked: Asked) -> tuple[object, ...]:
    return (*party_columns(asked.owner), asked.cdr_id, asked.session_id, asked.credited_id)


def _tariff_ids(asked: Asked, location: LocationSeen | None) -> Sequence[str]:
    """Tariffs that a CDR needs and does not hold: those its periods name, else the connector's."""
    if asked.tariff_ids or not asked.without_tariff or location is None:
        return asked.tariff_ids[:MOST_TARIFFS]
    return location.tariff_ids.get((asked.evse_uid, asked.connector_id), ())[:MOST_TARIFFS]


def _valid(tariff: Tariff, asked: Asked) -> bool:
    begins, ends = tariff.start_date_time, tariff.end_date_time
    start = asked.started_at
    return (begins is None or begins <= start) and (ends is None or start < ends)
