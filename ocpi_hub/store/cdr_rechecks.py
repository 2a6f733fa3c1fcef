"""CDRs to examine again, in PostgreSQL: leases, and what becomes of held ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ocpi_hub.clearing.ledger import Examination, LedgerFacts
from ocpi_hub.delivery.cdr_rechecks import DueCdr, Move, Rechecked, Standing, judge_again
from ocpi_hub.domain.objects import DirectedState, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.directed_rows import key_columns
from ocpi_hub.store.ledger_rows import LedgerRow, store_ledger, store_ledger_apart
from ocpi_hub.store.queries import Queries

SQL = Queries("cdr_ledger")

ASKED_AT_ONCE: Final = 5000
"""Rows that are marked in one transaction."""
_ACTOR: Final = "select set_config('ocpi_hub.actor', 'hub', true)"


@dataclass(frozen=True, slots=True)
class RecheckScope:
    """Which CDRs are examined again; None: all.

    Attributes:
        since, until: when their sessions ended; `until` is exclusive.
    """

    owner: PartyId | None = None
    receiver: PartyId | None = None
    since: datetime | None = None
    until: datetime | None = None


class PostgresRecheckStore:
    """Implements `delivery.cdr_rechecks.RecheckStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, limit: int, most_bytes: int, lease: timedelta) -> Sequence[DueCdr]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.claim, limit, lease, most_bytes)
        return [
            DueCdr(
                _key(row["country_code"], row["party_id"], row["cdr_id"]),
                PartyId(row["receiver_country_code"], row["receiver_party_id"]),
                row["version"],
                row["received_at"],
                row["body"],
            )
            for row in rows
        ]

    async def settle(self, results: Sequence[Rechecked]) -> int:
        by_key = {each.cdr.key: each for each in results}
        rows: list[LedgerRow] = []
        moves: dict[Move, list[LedgerRow]] = {move: [] for move in Move}
        async with self._database.transaction() as connection:
            await connection.execute(_ACTOR)
            keys = columns(sorted(map(key_columns, by_key)), 4)
            for found in await connection.fetch(SQL.standings, *keys):
                key = _key(found["country_code"], found["party_id"], found["object_id"])
                result = by_key[key]
                if found["version"] != result.cdr.version:
                    continue
                standing = Standing(
                    DirectedState(found["state"]),
                    found["unknown_outcomes"],
                    found["held_by_rules"],
                    found["let_go"],
                )
                move, examined = judge_again(standing, result.examined)
                row = LedgerRow(key, result.cdr.receiver, result.cdr.version, examined)
                rows.append(row)
                moves[move].append(row)
            await store_ledger(connection, rows)
            await _move(connection, moves)
        return len(moves[Move.LET_GO])

    async def enter(
        self, after: int, limit: int, read: Callable[[str], LedgerFacts | None]
    ) -> int | None:
        async with self._database.transaction() as connection:
            if not await connection.fetchval(SQL.only_one_enters):
                return None
            found = await connection.fetch(SQL.without_entry, after, limit)
            facts = await asyncio.to_thread(lambda: [read(row["body"]) for row in found])
            rows = [
                LedgerRow(
                    _key(row["country_code"], row["party_id"], row["object_id"]),
                    PartyId(row["receiver_country_code"], row["receiver_party_id"]),
                    row["version"],
                    Examination(each),
                    row["received_at"],
                )
                for row, each in zip(found, facts, strict=True)
                if each is not None
            ]
            await store_ledger_apart(connection, rows)
        return found[-1]["serial"] if found else None

    async def ask(self, scope: RecheckScope) -> int:
        """Have CDRs examined again, soon; how many they are."""
        last, asked = 0, 0
        while True:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(
                    SQL.ask,
                    last,
                    *_parts(scope.owner),
                    *_parts(scope.receiver),
                    scope.since,
                    scope.until,
                    ASKED_AT_ONCE,
                )
            if row is None or not row["found"]:
                return asked
            last, asked = row["last"], asked + row["found"]


async def _move(connection: Connection, moves: dict[Move, list[LedgerRow]]) -> None:
    held = [(*_cdr_columns(row), row.examined.hold_reason) for row in moves[Move.HOLD]]
    if held:
        await connection.execute(SQL.hold, *columns(held, 4))
    free = [_cdr_columns(row) for row in moves[Move.LET_GO]]
    if free:
        await connection.execute(SQL.let_go, *columns(free, 3))


def _key(country_code: str, party_id: str, cdr_id: str) -> ObjectKey:
    return ObjectKey(Module.CDRS.value, PartyId(country_code, party_id), cdr_id)


def _cdr_columns(row: LedgerRow) -> tuple[str, str, str]:
    return (*party_columns(row.key.owner), row.key.object_id)


def _parts(party: PartyId | None) -> tuple[str | None, str | None]:
    return (party.country_code, party.party_id) if party else (None, None)
