"""CDRs that wait for the end of a period, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("cdr_batches")


@value
class CdrRun:
    """The CDRs of a relation that were due at one time.

    Attributes:
        gathering: its time has not come.
        waiting: not delivered yet.
        stuck: uncertain or dead: somebody has to look.
        changed_at: when one of them changed last.
    """

    cpo: PartyId
    emsp: PartyId
    due_at: datetime
    gathering: bool
    cdrs: int
    delivered: int
    refused: int
    waiting: int
    held: int
    stuck: int
    changed_at: datetime


class CdrBatches:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def move(self, cpo: PartyId, emsp: PartyId, due_at: datetime | None) -> int:
        """Have what waits for the end of a period wait for another time; how many CDRs that are.

        Args:
            due_at: None: now.
        """
        moved = 0
        async with self._database.connection() as connection:
            at = due_at or await connection.fetchval(SQL.now)
            while True:
                done = await connection.execute(
                    SQL.move, *party_columns(cpo), *party_columns(emsp), at
                )
                if not (count := int(done.split()[-1])):
                    return moved
                moved += count

    async def runs(
        self,
        cpo: PartyId | None,
        emsp: PartyId | None,
        limit: int,
        after: tuple[PartyId, PartyId, datetime] | None = None,
    ) -> Sequence[CdrRun]:
        """Newest first.

        Args:
            after: CPO, eMSP and time of the run behind which the list goes on.
        """
        owner = party_columns(cpo) if cpo else (None, None)
        receiver = party_columns(emsp) if emsp else (None, None)
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.runs, *owner, *receiver, limit, *_behind(after))
        return [
            CdrRun(
                cpo=PartyId(row["country_code"], row["party_id"]),
                emsp=PartyId(row["receiver_country_code"], row["receiver_party_id"]),
                due_at=row["batch_due_at"],
                gathering=row["gathering"],
                cdrs=row["cdrs"],
                delivered=row["delivered"],
                refused=row["refused"],
                waiting=row["waiting"],
                held=row["held"],
                stuck=row["stuck"],
                changed_at=row["changed_at"],
            )
            for row in rows
        ]


def _behind(
    run: tuple[PartyId, PartyId, datetime] | None,
) -> tuple[str, str, str, str, datetime] | tuple[None, ...]:
    if run is None:
        return (None,) * 5
    cpo, emsp, due_at = run
    return (*party_columns(cpo), *party_columns(emsp), due_at)
