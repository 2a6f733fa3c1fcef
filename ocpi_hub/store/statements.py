"""Statements in PostgreSQL: what is put on them, what they say, whether it can be reproduced.

A month may have more CDRs than one transaction should change, so closing goes part by part; nothing
can be put on a statement once it is closed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ocpi_hub.clearing.statement import (
    EXACT,
    ZERO,
    Group,
    Month,
    Outlook,
    Recheck,
    Relation,
    StatementLine,
    Totals,
    Waiting,
    outlook,
    total,
)
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.statement_groups import groups_of, groups_text
from ocpi_hub.store.statement_rows import (
    StoredStatement,
    group_of,
    line_of,
    open_group_of,
    relation_columns,
    relation_of,
    stored_statement,
)

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

SQL = Queries("statements")

PART: Final = 5000
"""CDRs that one transaction puts on a statement, or one look reads."""
SUMMED: Final = 25_000
"""CDRs that one question sums up."""
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
SHOWN_DIFFERING: Final = 100
_AMOUNTS: Final = ("energy_kwh", "excl_vat", "vat")


class StatementStore:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, relation: Relation, month: Month) -> StoredStatement | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, *relation_columns(relation), month.first_day)
        return stored_statement(row) if row else None

    async def later(self, relation: Relation, month: Month) -> Month | None:
        """A later month of this relation that is closed, or being closed."""
        async with self._database.connection() as connection:
            day = await connection.fetchval(SQL.later, *relation_columns(relation), month.first_day)
        return Month.of(day) if day else None

    async def list(
        self,
        *,
        month: Month | None,
        cpo: PartyId | None,
        emsp: PartyId | None,
        limit: int,
        before: int | None = None,
    ) -> Sequence[StoredStatement]:
        """Newest first.

        Args:
            before: only statements with a smaller number.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL.list,
                month.first_day if month else None,
                *(party_columns(cpo) if cpo else (None, None)),
                *(party_columns(emsp) if emsp else (None, None)),
                before,
                limit,
            )
        return [stored_statement(row) for row in rows]

    async def unsettled(self, until: datetime | None = None) -> Mapping[Relation, datetime]:
        """Relations with CDRs that ended before, or ever, and are on no statement; when the first
        of these ended."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.unsettled_relations, until)
        return {relation_of(row): row["since"] for row in rows}

    async def months(self, limit: int) -> Sequence[Month]:
        """The latest ones that have statements, the newest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.months, limit)
        return [Month.of(row["month"]) for row in rows]

    # Closing -------------------------------------------------------------------------------------

    async def begin(
        self, relation: Relation, month: Month, time_zone: str, by: str
    ) -> StoredStatement:
        """Begin to close a month, or go on with what somebody began."""
        async with self._database.transaction() as connection:
            place = (*relation_columns(relation), month.first_day)
            await connection.execute(SQL.begin, *place, time_zone, by)
            row = await connection.fetchrow(SQL.find, *place)
        assert row is not None  # noqa: S101 - it was there, or was just made
        return stored_statement(row)

    async def settle(self, statement: StoredStatement) -> AsyncIterator[int]:
        """Put due CDRs on a statement that is being closed, some at a time; yields how many."""
        begin: datetime | None = LONG_AGO
        while begin is not None:
            async with self._database.planned() as connection:
                zone = await connection.fetchval(SQL.lock_closing, statement.statement_id)
                if zone is None:
                    return
                until = statement.month.end(ZoneInfo(zone))
                part = (statement.statement_id, PART, begin)
                row = await connection.fetchrow(
                    SQL.settle_some, *relation_columns(statement.relation), until, *part
                )
            assert row is not None  # noqa: S101 - two numbers, whatever there is
            begin = row["last"]
            yield row["settled"]

    async def close(self, statement: StoredStatement, by: str) -> None:
        """Sum up and close; nothing happens if somebody else has done it."""
        async with self._database.lasting() as connection:
            if await connection.fetchval(SQL.lock_closing, statement.statement_id) is None:
                return
            groups = await _groups_now(connection, statement)
            summed = json.dumps(settled_sums(total(groups)))
            await connection.execute(
                SQL.close, statement.statement_id, by, summed, groups_text(groups)
            )

    async def let_go(self, statement: StoredStatement, error: str | None) -> None:
        """Whoever was closing it does so no more.

        Args:
            error: why; None: they were interrupted.
        """
        async with self._database.connection() as connection:
            await connection.execute(SQL.let_go, statement.statement_id, error)

    async def placed(self, statement: StoredStatement) -> int:
        """CDRs that are on it by now."""
        async with self._database.connection() as connection:
            number: int = await connection.fetchval(SQL.placed, statement.statement_id)
        return number

    # What it says --------------------------------------------------------------------------------

    async def totals(self, statement: StoredStatement) -> Totals:
        """As it closed."""
        async with self._database.connection() as connection:
            kept = await connection.fetchval(SQL.groups_settled, statement.statement_id)
            return total(groups_of(kept) if kept else await _groups_now(connection, statement))

    async def is_due(self, relation: Relation, until: datetime) -> bool:
        """Whether a statement closed now would have anything on it."""
        async with self._database.connection() as connection:
            due: bool = await connection.fetchval(SQL.is_due, *relation_columns(relation), until)
        return due

    async def waiting(self, relation: Relation, until: datetime) -> Waiting | None:
        """What is on no statement and ended before, not summed up; None: nothing is."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                SQL.next_unsettled, *relation_columns(relation), LONG_AGO, until, SUMMED
            )
        if row is None or row["first"] is None:
            return None
        return Waiting(since=row["first"], is_much=row["next"] < until)

    async def outlook(self, relation: Relation, until: datetime, time_zone: str) -> Outlook:
        """What a statement would say if it were closed now. A million CDRs take seconds."""
        groups: list[tuple[str | None, Group]] = []
        async for begin, end in self._unsettled(relation, until):
            async with self._database.connection() as connection:
                rows = await connection.fetch(
                    SQL.groups_open, *relation_columns(relation), end, time_zone, begin
                )
            groups += map(open_group_of, rows)
        return outlook(groups)

    async def _unsettled(
        self, relation: Relation, until: datetime
    ) -> AsyncIterator[tuple[datetime, datetime]]:
        """Spans of time that hold what ended before and is on no statement: so many CDRs that one
        question takes seconds at most."""
        begin = LONG_AGO
        while begin < until:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(
                    SQL.next_unsettled, *relation_columns(relation), begin, until, SUMMED
                )
            if row is None or row["first"] is None:
                return
            begin = row["next"]
            yield row["first"], begin

    async def lines(self, statement: StoredStatement) -> AsyncIterator[StatementLine]:
        """Its CDRs in the order in which they came, a part of them in memory."""
        async for line in self._pages(SQL.lines_closed, statement.statement_id):
            yield line

    async def open_lines(self, relation: Relation, until: datetime) -> AsyncIterator[StatementLine]:
        """What it would list if it were closed now."""
        async for line in self._pages(SQL.lines_open, *relation_columns(relation), until):
            yield line

    async def some_lines(
        self, statement: StoredStatement, after: int, limit: int
    ) -> Sequence[tuple[int, StatementLine]]:
        """The next ones behind an entry of the ledger, each with its own."""
        return await self._part(SQL.lines_closed, statement.statement_id, after, limit)

    async def some_open_lines(
        self, relation: Relation, until: datetime, after: int, limit: int
    ) -> Sequence[tuple[int, StatementLine]]:
        """What it would list next if it were closed now."""
        return await self._part(SQL.lines_open, *relation_columns(relation), until, after, limit)

    async def _pages(self, query: str, *place: object) -> AsyncIterator[StatementLine]:
        last = 0
        while part := await self._part(query, *place, last, PART):
            for _, line in part:
                yield line
            last, _ = part[-1]

    async def _part(self, query: str, *place: object) -> Sequence[tuple[int, StatementLine]]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(query, *place)
        return [(row["entry"], line_of(row)) for row in rows]

    # Proof ---------------------------------------------------------------------------------------

    async def recheck(self, statement: StoredStatement) -> Recheck:
        """Sum up the CDRs' texts and compare with what was settled.

        PostgreSQL reads the texts itself: neither the models nor the ledger have a part in it.
        """
        found: dict[str, dict[str, Decimal]] = {}
        differing: list[str] = []
        lines = last = 0
        while True:
            async with self._database.connection() as connection:
                rows = await connection.fetch(SQL.recheck_some, statement.statement_id, last, PART)
            if not rows:
                break
            for row in rows:
                lines += row["cdrs"]
                differing += row["differing"]
                sums = found.setdefault(row["currency"], {"cdrs": Decimal(0)})
                sums["cdrs"] += row["cdrs"]
                for name in _AMOUNTS:
                    sums[name] = EXACT.add(sums.get(name, ZERO), row[name] or ZERO)
            last = max(row["last_entry"] for row in rows)
        differences = _differences(statement.totals or {}, found)
        return Recheck(lines, tuple(differing[:SHOWN_DIFFERING]), differences)


async def _groups_now(connection: Connection, statement: StoredStatement) -> Sequence[Group]:
    """A part after the other: all at once may take longer than a statement of the database may."""
    number, groups, last = statement.statement_id, list[Group](), 0
    while True:
        end = await connection.fetchval(SQL.part_end, number, last, SUMMED)
        if end is None:
            return groups
        rows = await connection.fetch(SQL.groups_closed, number, statement.time_zone, last, end)
        groups += map(group_of, rows)
        last = end


def settled_sums(totals: Totals) -> dict[str, dict[str, str]]:
    """What is kept of a closed statement, to be compared with later."""
    return {
        currency: {
            "cdrs": str(each.all.cdrs),
            **{name: f"{getattr(each.all, name):f}" for name in _AMOUNTS},
        }
        for currency, each in totals.currencies.items()
    }


def _differences(
    settled: dict[str, dict[str, str]], found: dict[str, dict[str, Decimal]]
) -> Sequence[str]:
    """In words; empty when all is as it was settled."""
    told = []
    for currency in sorted(settled.keys() | found.keys()):
        was, now = settled.get(currency, {}), found.get(currency, {})
        for name in ("cdrs", *_AMOUNTS):
            before, after = Decimal(was.get(name, 0)), now.get(name, Decimal(0))
            if before != after:
                told.append(f"{currency} {name}: settled {before:f}, the CDRs say {after:f}")
    return tuple(told)
