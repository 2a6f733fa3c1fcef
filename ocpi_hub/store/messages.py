"""Message records in PostgreSQL: written in batches that may be lost, read page by page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import asyncpg

from ocpi_hub.domain.exchange import LegKind
from ocpi_hub.domain.message_record import (
    HeaderLines,
    MessageCursor,
    MessageFilter,
    MessagePage,
    MessageRecord,
    Outcome,
    SeenLeg,
)
from ocpi_hub.domain.party import InterfaceRole, PartyId, PlatformId
from ocpi_hub.store.database import Database
from ocpi_hub.store.dropping_writer import DroppingWriter
from ocpi_hub.store.message_days import MessageDays
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.turns import in_turns

SQL = Queries("messages")

BATCH_ROWS = 500
"""Rows of one COPY."""

MAKE_AGAIN_S = 10.0
"""Seconds between tries to make the table of a day that has none."""

_COLUMNS = (
    "at",
    "kind",
    "direction",
    "platform_id",
    "sender",
    "receiver",
    "module",
    "interface_role",
    "method",
    "path",
    "http",
    "ocpi",
    "ms",
    "correlation_id",
    "request_id",
    "request_bytes",
    "response_bytes",
    "outcome",
    "error",
    "cut",
)
_CONTENT = (
    "at",
    "serial",
    "request_headers",
    "response_headers",
    "request_body",
    "response_body",
)

CONTENT_BYTES = 8 * 1024 * 1024
"""Of the bodies of a correlation id that are read at once."""


class PostgresMessageWriter:
    """Where legs are handed in; run `records` to have them written.

    Args:
        contents: the days of what was in messages.
        shape: makes the record of a leg, with everything masked.
    """

    def __init__(
        self,
        database: Database,
        days: MessageDays,
        contents: MessageDays,
        shape: Callable[[SeenLeg], MessageRecord],
        *,
        queue_rows: int,
    ) -> None:
        self._database = database
        self._days = days
        self._contents = contents
        self._shape = shape
        self._make_at = 0.0
        self.records: DroppingWriter[SeenLeg] = DroppingWriter(
            "message records", self._write, max_rows=BATCH_ROWS, max_queued=queue_rows
        )

    async def _write(self, legs: Sequence[SeenLeg]) -> int:
        records: list[MessageRecord] = []
        async for leg in in_turns(legs):
            records.append(self._shape(leg))
        records = await self._with_a_day(records)
        if not records:
            return 0
        if any(record.has_content for record in records):
            await self._write_with_contents(records)
            return len(records)
        async with self._database.connection() as connection:
            await connection.copy_records_to_table(
                "message", records=in_turns(map(_row, records)), columns=_COLUMNS
            )
        return len(records)

    async def _write_with_contents(self, records: Sequence[MessageRecord]) -> None:
        """What was in a message is found by the message's serial, which is fetched before."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(SQL.next_serials, len(records))
            serials = [row["nextval"] for row in rows]
            await connection.copy_records_to_table(
                "message",
                records=in_turns(
                    (*_row(each), n) for each, n in zip(records, serials, strict=True)
                ),
                columns=(*_COLUMNS, "serial"),
            )
            await connection.copy_records_to_table(
                "message_content",
                records=in_turns(
                    _content_row(each, n)
                    for each, n in zip(records, serials, strict=True)
                    if each.has_content and self._contents.has(each.at)
                ),
                columns=_CONTENT,
            )

    async def _with_a_day(self, records: list[MessageRecord]) -> list[MessageRecord]:
        """The records that there is a table for: a clock may have jumped anywhere."""
        if self._has_days_of(records):
            return records
        now = time.monotonic()
        if now >= self._make_at:
            self._make_at = now + MAKE_AGAIN_S
            await self._days.make()
            await self._contents.make()
        return [record for record in records if self._days.has(record.at)]

    def _has_days_of(self, records: Sequence[MessageRecord]) -> bool:
        """Whether there are tables for all of them, who are of one day as a rule."""
        days = {each.at.date(): each.at for each in records}
        contents = {each.at.date(): each.at for each in records if each.has_content}
        return all(map(self._days.has, days.values())) and all(
            map(self._contents.has, contents.values())
        )


class PostgresMessages:
    """Reads message records. All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        limit: int,
        wanted: MessageFilter | None = None,
        *,
        after: MessageCursor | None = None,
        looked_at: int | None = None,
    ) -> MessagePage:
        """Records that match, newest first, from a place on; without what was in them.

        Args:
            looked_at: so many at most, if no index finds what is wanted: then the page may have
                fewer than its limit, even none, and yet a next one. None: all.
        """
        wanted = wanted or MessageFilter()
        reach: asyncpg.Record | None = None
        async with self._database.planned() as connection:
            if looked_at is not None and not wanted.is_indexed:
                reach = await connection.fetchrow(
                    SQL.reach,
                    looked_at - 1,
                    after.at if after else None,
                    after.serial if after else None,
                    wanted.platform_id,
                    wanted.since,
                    wanted.until,
                )
            rows = await connection.fetch(
                SQL.list_messages,
                limit + 1,
                after.at if after else None,
                after.serial if after else None,
                wanted.platform_id,
                str(wanted.party) if wanted.party else None,
                wanted.module,
                wanted.direction,
                wanted.http_class,
                wanted.outcome,
                wanted.failed,
                wanted.correlation_id,
                wanted.since,
                wanted.until,
                wanted.method,
                wanted.ocpi_class,
                reach["at"] if reach else None,
                reach["serial"] if reach else None,
            )
        items = [_record(row) for row in rows[:limit]]
        last = rows[limit - 1] if len(rows) > limit else reach
        return MessagePage(items, MessageCursor(last["at"], last["serial"]) if last else None)

    async def legs(self, correlation_id: str, limit: int = 1000) -> Sequence[MessageRecord]:
        """The legs of one correlation id, in the order in which they began, with what was in them,
        for the first `CONTENT_BYTES`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.legs, correlation_id, limit)
            found = {(row["at"], row["serial"]): _record(row) for row in rows}
            for row in await connection.fetch(
                SQL.contents, [at for at, _ in found], [n for _, n in found], CONTENT_BYTES
            ):
                place = row["at"], row["serial"]
                found[place] = _with_content(found[place], row)
        return list(found.values())


def _row(record: MessageRecord) -> tuple[object, ...]:
    return (
        record.at,
        record.kind,
        record.direction,
        record.platform_id,
        str(record.sender) if record.sender else None,
        str(record.receiver) if record.receiver else None,
        record.module,
        record.interface_role,
        record.method,
        record.path,
        record.http,
        record.ocpi,
        record.ms,
        record.correlation_id,
        record.request_id,
        record.request_bytes,
        record.response_bytes,
        record.outcome,
        record.error,
        record.cut,
    )


def _content_row(record: MessageRecord, serial: int) -> tuple[object, ...]:
    return (
        record.at,
        serial,
        None if record.request_headers is None else json.dumps(record.request_headers),
        None if record.response_headers is None else json.dumps(record.response_headers),
        record.request_body,
        record.response_body,
    )


def _record(row: asyncpg.Record) -> MessageRecord:
    role = row["interface_role"]
    return MessageRecord(
        at=row["at"],
        kind=LegKind(row["kind"]),
        platform_id=PlatformId(row["platform_id"]) if row["platform_id"] else None,
        sender=PartyId.parse(row["sender"]) if row["sender"] else None,
        receiver=PartyId.parse(row["receiver"]) if row["receiver"] else None,
        module=row["module"],
        interface_role=InterfaceRole(role) if role else None,
        method=row["method"],
        path=row["path"],
        http=row["http"],
        ocpi=row["ocpi"],
        ms=row["ms"],
        correlation_id=row["correlation_id"],
        request_id=row["request_id"],
        request_bytes=row["request_bytes"],
        response_bytes=row["response_bytes"],
        outcome=Outcome(row["outcome"]),
        error=row["error"],
        cut=row["cut"],
        serial=row["serial"],
    )


def _with_content(record: MessageRecord, row: asyncpg.Record) -> MessageRecord:
    return replace(
        record,
        request_headers=_headers(row["request_headers"]),
        response_headers=_headers(row["response_headers"]),
        request_body=row["request_body"],
        response_body=row["response_body"],
    )


def _headers(text: str | None) -> HeaderLines | None:
    return None if text is None else tuple((name, value) for name, value in json.loads(text))
