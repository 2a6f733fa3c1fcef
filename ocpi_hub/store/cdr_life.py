"""The lives of CDRs, for operators: figures, steps, relatives and conflicts. Only reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import asyncpg

from ocpi_hub.clearing.credits import Booked
from ocpi_hub.clearing.ledger import CdrFinding
from ocpi_hub.clearing.life import Stage
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.differences import differing_fields
from ocpi_hub.store.check_rows import booked_of
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.directed_rows import directed_object, key_columns
from ocpi_hub.store.queries import Queries

SQL = Queries("cdr_life")


@value
class CdrFilters:
    """Which CDRs; None selects everything. Times are those of arrival, `until` excluded."""

    object_id: str | None = None
    state: DirectedState | None = None
    stage: Stage | None = None
    owner: PartyId | None = None
    receiver: PartyId | None = None
    flag: str | None = None
    hold: str | None = None
    verdict: str | None = None
    disputed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@value
class LedgerEntry:
    """A CDR's place in the ledger. kWh, hours, money in its currency.

    Attributes:
        booked: what credits look at; `credited` counts what was delivered.
        statement_month: first day of the month of the statement that it is on.
        settled_at: when that was closed; None: not yet.
    """

    booked: Booked
    session_id: str | None
    location_id: str
    evse_id: str
    connector_id: str
    started_at: datetime
    ended_at: datetime
    energy_kwh: Decimal
    time_h: Decimal
    parking_h: Decimal | None
    checked_at: datetime | None
    price_verdict: str | None
    price_excl_vat: Decimal | None
    price_incl_vat: Decimal | None
    metering: str | None
    flags: tuple[str, ...]
    holds: tuple[str, ...]
    findings: tuple[CdrFinding, ...]
    statement_id: int | None
    statement_month: date | None
    settled_at: datetime | None
    settled_by: str | None


@value
class LivingCdr:
    """A CDR in custody and where it stands.

    Attributes:
        ledger: None: it came before there was a ledger, and was not entered yet.
    """

    row: DirectedObject
    stage: Stage
    disputed: bool
    ledger: LedgerEntry | None


@value
class RecordedStep:
    """A step of a CDR's life, as recorded when it was made."""

    at: datetime
    version: int
    before: Stage | None
    after: Stage
    by: str
    why: str | None


@value
class Relative:
    """Another CDR that has to do with one."""

    ledger: LedgerEntry
    stage: Stage
    delivered_at: datetime | None


@value
class Conflict:
    """A content that came for a CDR that is in custody with another one.

    Attributes:
        differs: fields that are not as in custody now.
        bytes: of its text.
    """

    place: int
    key: ObjectKey
    receiver: PartyId
    state: DirectedState
    at: datetime
    differs: tuple[str, ...]
    bytes: int


class CdrLife:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, filters: CdrFilters, *, limit: int, before: int | None = None
    ) -> Sequence[LivingCdr]:
        """Newest first.

        Args:
            before: only CDRs with a smaller serial.
        """
        async with self._database.planned() as connection:
            # A plan for whatever is asked for would read all CDRs to find a few.
            rows = await connection.fetch(
                SQL.list, limit, before, *_parts(filters.owner), *_parts(filters.receiver),
                filters.state, filters.stage, filters.flag, filters.hold, filters.verdict,
                filters.since, filters.until, filters.disputed,
                filters.object_id.upper() if filters.object_id else None,
            )  # fmt: skip
        return [_living(row) for row in rows]

    async def find(self, key: ObjectKey) -> LivingCdr | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, *key_columns(key)[1:])
        return _living(row) if row else None

    async def owners(self, cdr_id: str) -> Sequence[PartyId]:
        """Who has a CDR of that id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.owners, cdr_id.upper())
        return [PartyId(row["country_code"], row["party_id"]) for row in rows]

    async def steps(self, key: ObjectKey) -> Sequence[RecordedStep]:
        """What was recorded of its life, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.transitions, *key_columns(key)[1:])
        return [
            RecordedStep(
                at=row["at"],
                version=row["version"],
                before=Stage(row["from_stage"]) if row["from_stage"] else None,
                after=Stage(row["to_stage"]),
                by=row["actor"],
                why=row["reason"],
            )
            for row in rows
        ]

    async def relatives(self, cdr: Booked) -> Sequence[Relative]:
        """Its credits, what it credits, and other CDRs of its session, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.related,
                *party_columns(cdr.owner),
                cdr.cdr_id,
                cdr.credited_id,
                cdr.session_id,
            )
        return [
            Relative(_entry(row["standing"]), Stage(row["stage"]), row["delivered_at"])
            for row in rows
        ]

    async def conflicts(
        self,
        *,
        owner: PartyId | None,
        receiver: PartyId | None,
        limit: int,
        before: int | None = None,
    ) -> Sequence[Conflict]:
        """Newest first.

        Args:
            before: only what has a smaller place.
        """
        found: list[Conflict] = []
        async with self._database.transaction() as connection:
            rows = connection.cursor(
                SQL.conflicts, limit, before, *_parts(owner), *_parts(receiver), prefetch=10
            )
            # Texts may be large: few of them are here at the same time.
            async for row in rows:
                found.append(_conflict(row))
        return found


def _conflict(row: asyncpg.Record) -> Conflict:
    return Conflict(
        place=row["id"],
        key=ObjectKey("cdrs", PartyId(row["country_code"], row["party_id"]), row["object_id"]),
        receiver=PartyId(row["receiver_country_code"], row["receiver_party_id"]),
        state=DirectedState(row["state"]),
        at=row["at"],
        differs=differing_fields(row["kept"], row["body"]),
        bytes=len(row["body"].encode()),
    )


def _living(row: asyncpg.Record) -> LivingCdr:
    standing = row["standing"]
    return LivingCdr(
        row=directed_object(row),
        stage=Stage(row["stage"]),
        disputed=row["disputed"],
        ledger=None if standing is None else _entry(standing),
    )


def _entry(row: asyncpg.Record) -> LedgerEntry:
    """A row of `cdr_standing`."""
    return LedgerEntry(
        booked=booked_of(row),
        session_id=row["session_id"],
        location_id=row["location_id"],
        evse_id=row["evse_id"],
        connector_id=row["connector_id"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        energy_kwh=row["energy_kwh"],
        time_h=row["time_h"],
        parking_h=row["parking_h"],
        checked_at=row["checked_at"],
        price_verdict=row["price_verdict"],
        price_excl_vat=row["price_excl_vat"],
        price_incl_vat=row["price_incl_vat"],
        metering=row["metering"],
        flags=tuple(row["flags"]),
        holds=tuple(row["holds"]),
        findings=tuple(
            CdrFinding(each["code"], each["text"], each["hold"])
            for each in json.loads(row["findings"])
        ),
        statement_id=row["statement_id"],
        statement_month=row["statement_month"],
        settled_at=row["settled_at"],
        settled_by=row["settled_by"],
    )


def _parts(party: PartyId | None) -> tuple[str | None, str | None]:
    return (party.country_code, party.party_id) if party else (None, None)
