"""Rows of sessions, written whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ocpi_hub.delivery.session_change import MARK_BYTES
from ocpi_hub.domain.objects import DirectedObject
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.queries import Queries

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

SQL = Queries("sessions")

_WIDTH: Final = 23

KeyColumns = tuple[str, str, str, str]


async def insert_new(
    connection: Connection, rows: Iterable[DirectedObject]
) -> Sequence[KeyColumns]:
    """Insert rows; returns the keys of those that were not there."""
    found = await connection.fetch(SQL.insert_new, *columns(map(_row, rows), _WIDTH))
    return [
        (row["module"], row["country_code"], row["party_id"], row["object_id"]) for row in found
    ]


async def store_changed(connection: Connection, rows: Sequence[DirectedObject]) -> None:
    """Write rows that are locked."""
    if rows:
        await connection.execute(SQL.store_changed, *columns(map(_row, rows), _WIDTH))


def marks(applied: bytes) -> tuple[bytes, ...]:
    """The column `applied`, taken apart."""
    return tuple(applied[at : at + MARK_BYTES] for at in range(0, len(applied), MARK_BYTES))


def _row(row: DirectedObject) -> tuple[object, ...]:
    return (
        row.key.module,
        *party_columns(row.key.owner),
        row.key.object_id,
        *party_columns(row.receiver),
        row.body,
        row.fingerprint,
        row.last_updated,
        row.correlation_id,
        row.state,
        row.version,
        row.sent_version,
        row.attempt_id,
        row.lease_until,
        row.attempts,
        row.unknown_outcomes,
        row.next_attempt_at,
        row.received_at,
        row.refused_after_ack,
        row.reason,
        b"".join(row.applied),
        row.doubted_until,
    )
