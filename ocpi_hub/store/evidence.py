"""The evidence of decisions afterwards: what came too late, what belongs to it, and its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ocpi_hub.authorization.protocols import DecisionRecord, LateAnswer, LateRecord
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.errors import NoSuchObject, StoreError
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.directed_rows import key_columns
from ocpi_hub.store.queries import Queries
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

SQL = Queries("evidence")

BEFORE = timedelta(hours=1)
"""How long before its session an authorization may be that no reference names."""
AFTER = timedelta(minutes=5)
"""How much later it may seem, because clocks differ."""
SWEEP_S = 3600.0
BATCH = 5000


class LinkedBy(StrEnum):
    """How a decision is known to belong to a session or CDR."""

    REFERENCE = "reference"
    """Both name the same `authorization_reference`."""
    INFERRED = "inferred"
    """Token, parties, location and time fit."""


@value
class LinkedDecision:
    decision: DecisionRecord
    linked_by: LinkedBy


@value
class Charged:
    """What a session or CDR says about its authorization."""

    receiver: PartyId
    reference: str | None
    uid: str
    token_type: str
    location_id: str
    started_at: datetime | None


def read_charged(module: str, receiver: PartyId, body: str) -> Charged:
    """Read a Session or a CDR. Pure.

    Spec: 2.2.1 mod_sessions_session_object, mod_cdrs_cdr_object.
    """
    text = _dict(json.loads(body, parse_int=str))
    token = _dict(text.get("cdr_token"))
    if module == Module.CDRS:
        location = _dict(text.get("cdr_location")).get("id")
    else:
        location = text.get("location_id")
    return Charged(
        receiver,
        _text(text.get("authorization_reference")) or None,
        _text(token.get("uid")),
        _text(token.get("type")),
        _text(location),
        _time(text.get("start_date_time")),
    )


def _dict(given: object) -> Mapping[str, object]:
    return given if isinstance(given, dict) else {}


def _text(given: object) -> str:
    return given.replace("\0", "") if isinstance(given, str) else ""


def _time(given: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(given))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


async def write_late(connection: Connection, late: Sequence[LateRecord]) -> None:
    rows = (
        (
            each.decided_at,
            each.correlation_id,
            *party_columns(each.answer.emsp),
            each.answer.ms,
            each.answer.outcome,
        )
        for each in late
    )
    await connection.execute(SQL.insert_late, *columns(rows, 6))


async def read_late(
    connection: Connection, decisions: Sequence[tuple[datetime, str]]
) -> Mapping[tuple[datetime, str], Sequence[LateAnswer]]:
    """What came too late for decisions, named by time and correlation id."""
    found: dict[tuple[datetime, str], list[LateAnswer]] = {}
    for row in await connection.fetch(SQL.late, *columns(decisions, 2)):
        emsp = PartyId(row["country_code"], row["party_id"])
        answer = LateAnswer(emsp, row["ms"], row["outcome"])
        found.setdefault((row["decided_at"], row["correlation_id"]), []).append(answer)
    return found


async def charged(connection: Connection, key: ObjectKey) -> Charged:
    """What a session or CDR in custody says.

    Raises:
        NoSuchObject: there is none.
    """
    row = await connection.fetchrow(SQL.directed, *key_columns(key))
    if row is None:
        raise NoSuchObject(f"{key.module}: there is no {key.object_id} of {key.owner}")
    receiver = PartyId(row["receiver_country_code"], row["receiver_party_id"])
    return read_charged(key.module, receiver, row["body"])


class EvidenceRetention:
    """Removes old evidence. Every process may run it.

    Args:
        keep: how long evidence is kept.
    """

    def __init__(self, database: Database, *, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    async def sweep(self) -> int:
        """Remove what is old enough, batch by batch; how many decisions that were.

        Raises:
            StoreError: the database does not answer.
        """
        removed = 0
        for query in (SQL.remove_old, SQL.remove_old_late):
            rows = BATCH
            while rows == BATCH:
                async with self._database.connection() as connection:
                    done = await connection.execute(query, self._keep, BATCH)
                rows = int(str(done).rpartition(" ")[2])
                removed += rows if query == SQL.remove_old else 0
                await asyncio.sleep(0)
        return removed

    async def run(self, stop: asyncio.Event) -> None:
        """Look every hour until `stop` is set."""
        while not stop.is_set():
            try:
                if removed := await self.sweep():
                    log.info("evidence_removed", decisions=removed)
            except StoreError as error:
                log.warning("evidence_sweep_waits_for_database", error=str(error))
            try:
                await asyncio.wait_for(stop.wait(), SWEEP_S)
            except TimeoutError:
                continue
