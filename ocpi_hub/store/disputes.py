"""Disputes about CDRs in PostgreSQL. A dispute never changes the CDR."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import asyncpg

from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.directed_rows import key_columns
from ocpi_hub.store.queries import Queries

SQL = Queries("disputes")


class Side(StrEnum):
    """Whose word a dispute is."""

    CPO = "CPO"
    EMSP = "EMSP"


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    """The CDR is wrong: its CPO sends a Credit CDR."""
    REJECTED = "rejected"
    """The CDR stands."""
    WITHDRAWN = "withdrawn"
    """Who raised it does not insist."""


@value
class Dispute:
    """One dispute, as it stands.

    Attributes:
        place: its number; later ones have larger numbers.
        cdr_id: as its owner spells it, where the ledger knows.
        amount: without VAT, in `currency`; None: no sum was named.
        awaits_credit: it was accepted, no credit came since it was opened, and those before left
            something.
        card: uid and contract_id of the CDR: what people say may quote them.
    """

    place: int
    owner: PartyId
    cdr_id: str
    receiver: PartyId | None
    raised_by: Side
    reason: str
    amount: Decimal | None
    currency: str | None
    opened_at: datetime
    opened_by: str
    answer: str | None
    answered_at: datetime | None
    answered_by: str | None
    outcome: Outcome | None
    note: str | None
    closed_at: datetime | None
    closed_by: str | None
    awaits_credit: bool
    card: tuple[str, ...]


class Disputes:
    """All methods raise StoreError. Those that change something tell whether they did."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self, key: ObjectKey, raised_by: Side, reason: str, amount: Decimal | None, *, by: str
    ) -> bool:
        """False: it was not delivered, or is in dispute already."""
        return await self._change(SQL.open, key, raised_by, reason, amount, by)

    async def answer(self, key: ObjectKey, text: str, *, by: str) -> bool:
        """False: there is no open dispute without an answer."""
        return await self._change(SQL.answer, key, text, by)

    async def close(self, key: ObjectKey, outcome: Outcome, note: str, *, by: str) -> bool:
        """False: there is no open dispute."""
        return await self._change(SQL.close, key, outcome, note, by)

    async def _change(self, query: str, key: ObjectKey, *values: object) -> bool:
        async with self._database.transaction() as connection:
            done = await connection.fetchval(query, *key_columns(key)[1:], *values)
        return done is not None

    async def list(
        self,
        *,
        owner: PartyId | None = None,
        cdr_id: str | None = None,
        receiver: PartyId | None = None,
        is_open: bool | None = None,
        limit: int,
        before: int | None = None,
    ) -> Sequence[Dispute]:
        """Newest first.

        Args:
            before: only what has a smaller place.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.list,
                limit,
                before,
                *(party_columns(owner) if owner else (None, None)),
                cdr_id.upper() if cdr_id else None,
                *(party_columns(receiver) if receiver else (None, None)),
                is_open,
            )
        return [_dispute(row) for row in rows]


def _dispute(row: asyncpg.Record) -> Dispute:
    country, party = row["receiver_country_code"], row["receiver_party_id"]
    return Dispute(
        place=row["dispute_id"],
        owner=PartyId(row["country_code"], row["party_id"]),
        cdr_id=row["spelled_id"] or row["cdr_id"],
        receiver=PartyId(country, party) if country else None,
        raised_by=Side(row["raised_by"]),
        reason=row["reason"],
        amount=row["amount"],
        currency=row["currency"],
        opened_at=row["opened_at"],
        opened_by=row["opened_by"],
        answer=row["answer"],
        answered_at=row["answered_at"],
        answered_by=row["answered_by"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        note=row["note"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        awaits_credit=bool(row["awaits_credit"]),
        card=tuple(row["card"] or ()),
    )
