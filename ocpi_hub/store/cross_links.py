"""Ways from one story to another that their own texts do not tell. Only reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import asyncpg

from ocpi_hub.clearing.life import Stage
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("cross_links")

LONGEST: Final = timedelta(days=7)
"""How long after its authorization a session may end. What lasts longer is found from the CDR's
side only; looking further would read months of CDRs of two parties."""
NEWEST: Final = 2000
"""Sessions of a receiver among which one without a CDR is looked for."""


@value
class LinkedCdr:
    """A CDR that another story leads to. kWh, money in its currency without VAT."""

    owner: PartyId
    spelled_id: str
    receiver: PartyId
    session_id: str | None
    stage: Stage
    energy_kwh: Decimal
    excl_vat: Decimal
    currency: str


class CrossLinks:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cdrs_of_session(self, owner: PartyId, session_id: str) -> Sequence[LinkedCdr]:
        """CDRs that name a Session, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.cdrs_of_session, *party_columns(owner), session_id.upper()
            )
        return list(map(_cdr, rows))

    async def cdrs_of_reference(
        self, cpo: PartyId, emsp: PartyId, reference: str, decided_at: datetime
    ) -> Sequence[LinkedCdr]:
        """CDRs that name an authorization, oldest first."""
        parties = (*party_columns(cpo), *party_columns(emsp))
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.cdrs_of_reference, *parties, reference, decided_at, LONGEST
            )
        return list(map(_cdr, rows))

    async def sessions_of_reference(
        self, cpo: PartyId, emsp: PartyId, reference: str
    ) -> Sequence[str]:
        """Ids of Sessions that name an authorization, among the newest of the eMSP."""
        parties = (*party_columns(cpo), *party_columns(emsp))
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.sessions_of_reference, *parties, reference, NEWEST)
        return [row["spelled_id"] for row in rows]


def _cdr(row: asyncpg.Record) -> LinkedCdr:
    return LinkedCdr(
        owner=PartyId(row["country_code"], row["party_id"]),
        spelled_id=row["spelled_id"],
        receiver=PartyId(row["receiver_country_code"], row["receiver_party_id"]),
        session_id=row["session_id"],
        stage=Stage(row["stage"]),
        energy_kwh=row["energy_kwh"],
        excl_vat=row["cost_excl_vat"],
        currency=row["currency"],
    )
