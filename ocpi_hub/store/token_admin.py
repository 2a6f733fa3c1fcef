"""Finding tokens, and erasing the records of one, for operators."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

import asyncpg

from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Database
from ocpi_hub.store.queries import Queries

SQL = Queries("token_admin")

ERASED = "~erased"
"""Stands where a uid or its keyed hash stood."""
BATCH = 5000
SCAN_MS = 300_000
"""Milliseconds for looking through the message records of one day."""


@value
class TokenFilter:
    """Which tokens to find; None: any. Case does not matter."""

    uid: str | None = None
    visual_number: str | None = None
    contract_id: str | None = None
    group_id: str | None = None
    issuer: str | None = None
    emsp: PartyId | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What is searched for, besides the eMSP."""
        given = {
            "uid": self.uid,
            "visual_number": self.visual_number,
            "contract_id": self.contract_id,
            "group_id": self.group_id,
            "issuer": self.issuer,
        }
        return tuple(name for name, text in given.items() if text is not None)


@value
class FoundToken:
    """A stored Token.

    Attributes:
        serial: its place in the order of arrival.
        audience: `*`, or the only CPO it is for.
        fields: what its owner says about it.
    """

    serial: int
    emsp: PartyId
    audience: str
    origin: str
    fields: Mapping[str, object]


@value
class Erased:
    """What was erased.

    Attributes:
        stored_tokens: Tokens with this uid that are still stored: they are their eMSP's.
    """

    decisions: int
    messages: int
    examples: int
    stored_tokens: int


class TokenAdmin:
    """Tokens and their records. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(
        self, wanted: TokenFilter, limit: int, *, after: int | None = None
    ) -> Sequence[FoundToken]:
        """Tokens in the order in which they arrived.

        Args:
            after: a serial; only later ones.
        """
        uid = None if wanted.uid is None else _folded(wanted.uid)
        emsp = party_columns(wanted.emsp) if wanted.emsp else (None, None)
        async with self._database.planned() as connection:
            rows = await connection.fetch(
                SQL.search,
                uid,
                wanted.visual_number,
                wanted.contract_id,
                wanted.group_id,
                wanted.issuer,
                *emsp,
                after,
                limit,
            )
        return [_found(row) for row in rows]

    async def find(self, serial: int) -> FoundToken | None:
        """The token at this place in the order of arrival."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.find, serial)
        return _found(row) if row is not None else None

    async def erase(self, uid: str, token_type: str | None, mask: str) -> Erased:
        """Erase the records of one token, wherever they would tell whose they are.

        Each step is committed by itself; when one fails, erase again.

        Args:
            token_type: None: whatever its type.
            mask: the keyed hash that stands for the uid in records.
        """
        decisions = await self._erase_decisions(uid, token_type)
        hidden = f"~{mask}"
        async with self._database.connection() as connection:
            examples = _count(await connection.execute(SQL.erase_examples, hidden, ERASED))
            stored = await connection.fetchval(SQL.count_stored, _folded(uid), token_type)
        return Erased(decisions, await self._erase_messages(hidden), examples, stored)

    async def _erase_decisions(self, uid: str, token_type: str | None) -> int:
        erased = 0
        while True:
            async with self._database.connection() as connection:
                done = await connection.execute(SQL.erase_decisions, uid, token_type, ERASED, BATCH)
            erased += _count(done)
            if _count(done) < BATCH:
                return erased

    async def _erase_messages(self, hidden: str) -> int:
        async with self._database.connection() as connection:
            days = [row["day"] for row in await connection.fetch(SQL.days)]
        erased = 0
        for day in days:
            start = datetime.combine(day, time(), UTC)
            async with self._database.transaction() as connection:
                await connection.execute(SQL.limit_time, str(SCAN_MS))
                done = await connection.execute(
                    SQL.erase_messages, hidden, ERASED, start, start + timedelta(days=1)
                )
                await connection.execute(
                    SQL.erase_contents, hidden, start, start + timedelta(days=1)
                )
            erased += _count(done)
        return erased


def _folded(uid: str) -> str:
    return ObjectKey(Module.TOKENS, PartyId("XX", "XXX"), uid).object_id


def _count(status: object) -> int:
    return int(str(status).rpartition(" ")[2])


def _found(row: asyncpg.Record) -> FoundToken:
    return FoundToken(
        row["serial"],
        PartyId(row["country_code"], row["party_id"]),
        row["audience"],
        row["origin"],
        json.loads(row["body"], parse_int=str),
    )
