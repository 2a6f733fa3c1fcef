"""Authorization in PostgreSQL: token look-ups and evidence, both in batches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from json.encoder import encode_basestring_ascii as _json

import asyncpg

from ocpi_hub.authorization.protocols import (
    DecidedBy,
    DecisionRecord,
    KnownToken,
    LateAnswer,
    LateRecord,
    LegRecord,
)
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.withdrawn_token import withdrawn_token
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.evidence import (
    AFTER,
    BEFORE,
    LinkedBy,
    LinkedDecision,
    charged,
    read_late,
    write_late,
)
from ocpi_hub.store.evidence import SQL as EVIDENCE
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.turns import in_turns
from ocpi_hub.store.writer import BatchWriter

SQL = Queries("authorization")

PACE_S = 0.005
"""Seconds between batches of decisions, whose commit an authorization waits for."""

_COLUMNS = (
    "at",
    "uid",
    "token_type",
    "cpo_country_code",
    "cpo_party_id",
    "emsp_country_code",
    "emsp_party_id",
    "location",
    "decided_by",
    "reason",
    "allowed",
    "reference",
    "http_status",
    "status_code",
    "total_ms",
    "legs",
    "correlation_id",
)


@value
class _Question:
    """Whose tokens have this uid (folded) and type, as this CPO sees them."""

    uid: str
    token_type: str
    cpo: str


class PostgresTokenLookup:
    """Implements `authorization.protocols.TokenLookup`; run `questions` to have it answered.

    What is asked while a query runs shares the next one: under load a look-up costs a fraction of
    a query, and every answer is read after it was asked for.
    """

    def __init__(self, database: Database, *, batch_rows: int, batch_queue_rows: int) -> None:
        self._database = database
        self.questions: BatchWriter[_Question, Sequence[KnownToken]] = BatchWriter(
            "token look-ups", self._answer, max_rows=batch_rows, max_queued=batch_queue_rows
        )

    def find(self, uid: str, token_type: str, cpo: PartyId) -> asyncio.Future[Sequence[KnownToken]]:
        folded = ObjectKey(Module.TOKENS, cpo, uid, token_type).object_id
        return self.questions.enqueue(_Question(folded, token_type, str(cpo)))

    async def _answer(self, questions: Sequence[_Question]) -> Sequence[Sequence[KnownToken]]:
        arrays = columns(((each.uid, each.token_type, each.cpo) for each in questions), 3)
        live: list[list[KnownToken]] = [[] for _ in questions]
        withdrawn: list[list[KnownToken]] = [[] for _ in questions]
        async with self._database.connection() as connection:
            for row in await connection.fetch(SQL.find_tokens, *arrays):
                known = withdrawn if row["deleted"] else live
                known[row["number"] - 1].append(_known_token(row))
        return [now or before for now, before in zip(live, withdrawn, strict=True)]


@value
class DecisionFilter:
    """Which decisions to list; None: any. The uid's case does not matter.

    Attributes:
        since, until: made then or later, and before.
    """

    uid: str | None = None
    cpo: PartyId | None = None
    emsp: PartyId | None = None
    since: datetime | None = None
    until: datetime | None = None
    decided_by: DecidedBy | None = None
    reference: str | None = None


DecisionPlace = tuple[datetime, int]
"""A place in the list of decisions."""


class PostgresDecisionStore:
    """Implements `authorization.protocols.EvidenceSink`; run `decisions` to have it written."""

    def __init__(self, database: Database, *, batch_rows: int, batch_queue_rows: int) -> None:
        self._database = database
        self.decisions: BatchWriter[DecisionRecord, None] = BatchWriter(
            "authorization decisions",
            self._write,
            max_rows=batch_rows,
            max_queued=batch_queue_rows,
            pace_s=PACE_S,
            keep_trying=True,
        )

        self.late: BatchWriter[LateRecord, None] = BatchWriter(
            "late answers",
            self._write_late,
            max_rows=batch_rows,
            max_queued=batch_queue_rows,
            keep_trying=True,
        )

    def record(
        self, decision: DecisionRecord, lost: Callable[[], None] | None = None
    ) -> asyncio.Future[None]:
        return self.decisions.enqueue(decision, lost)

    def note(self, decision: DecisionRecord, lost: Callable[[], None]) -> None:
        self.decisions.put(decision, lost)

    def record_late(self, late: LateRecord) -> None:
        self.late.put(late)

    async def list_decisions(
        self, limit: int, filters: DecisionFilter | None = None
    ) -> Sequence[DecisionRecord]:
        """The newest decisions that match, newest first.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        found = await self.decisions_before(None, limit, filters or DecisionFilter())
        return [decision for _, decision in found]

    async def decisions_before(
        self, place: DecisionPlace | None, limit: int, wanted: DecisionFilter
    ) -> Sequence[tuple[DecisionPlace, DecisionRecord]]:
        """The same from a place on, each with its own place.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        at, number = place or (None, None)
        async with self._database.planned() as connection:
            rows = await connection.fetch(
                SQL.list_decisions,
                limit,
                wanted.uid,
                *_optional_party(wanted.cpo),
                *_optional_party(wanted.emsp),
                wanted.since,
                wanted.until,
                wanted.decided_by,
                at,
                number,
                wanted.reference,
            )
            decisions = await _decisions(connection, rows)
        places = [(row["at"], row["id"]) for row in rows]
        return list(zip(places, decisions, strict=True))

    async def of(self, key: ObjectKey) -> Sequence[LinkedDecision]:
        """The decisions that a session or CDR rests on: by its `authorization_reference`, else the
        one that token, location and time suggest.

        Raises:
            NoSuchObject: it is not in custody.
            StoreUnavailable: the database does not answer.
        """
        return await linked_decisions(self._database, key)

    async def _write_late(self, late: Sequence[LateRecord]) -> Sequence[None]:
        async with self._database.connection() as connection:
            await write_late(connection, late)
        return [None] * len(late)

    async def _write(self, decisions: Sequence[DecisionRecord]) -> Sequence[None]:
        async with self._database.connection() as connection:
            await connection.copy_records_to_table(
                "authorization_decision",
                records=in_turns(map(_row, decisions)),
                columns=_COLUMNS,
            )
        return [None] * len(decisions)


def _known_token(row: asyncpg.Record) -> KnownToken:
    return KnownToken(
        owner=PartyId(row["country_code"], row["party_id"]),
        valid=row["valid"] is True,
        whitelist=row["whitelist"] or "",
        body=withdrawn_token(row["body"]) if row["deleted"] else row["body"],
        knowledge_age_s=row["knowledge_age_s"],
    )


def _optional_party(party: PartyId | None) -> tuple[str | None, str | None]:
    return (None, None) if party is None else party_columns(party)


def _row(decision: DecisionRecord) -> tuple[object, ...]:
    return (
        decision.at,
        decision.uid,
        decision.token_type,
        *decision.cpo,
        *(decision.emsp or (None, None)),
        decision.location,
        decision.decided_by,
        decision.reason,
        decision.allowed,
        decision.reference,
        decision.http_status,
        decision.status_code,
        decision.total_ms,
        _legs(decision.legs) if decision.legs else "[]",
        decision.correlation_id,
    )


def _legs(legs: Sequence[LegRecord]) -> str:
    told = [
        f'{{"emsp":{_json(str(leg.emsp))},"ms":{leg.ms!r},"outcome":{_json(leg.outcome)}}}'
        for leg in legs
    ]
    return f"[{','.join(told)}]"


async def linked_decisions(database: Database, key: ObjectKey) -> Sequence[LinkedDecision]:
    """As `PostgresDecisionStore.of`."""
    async with database.connection() as connection:
        what = await charged(connection, key)
        owner, receiver = party_columns(key.owner), party_columns(what.receiver)
        linked_by, rows = LinkedBy.REFERENCE, []
        if what.reference is not None:
            rows = await connection.fetch(EVIDENCE.by_reference, what.reference, *owner, *receiver)
        if not rows and what.started_at is not None:
            linked_by = LinkedBy.INFERRED
            about = (what.uid, what.token_type, *owner, *receiver, what.location_id)
            rows = await connection.fetch(EVIDENCE.inferred, *about, what.started_at, BEFORE, AFTER)
        decisions = await _decisions(connection, rows)
    return [LinkedDecision(decision, linked_by) for decision in decisions]


async def _decisions(
    connection: Connection, rows: Sequence[asyncpg.Record]
) -> Sequence[DecisionRecord]:
    late = await read_late(connection, [(row["at"], row["correlation_id"]) for row in rows])
    return [_decision(row, late.get((row["at"], row["correlation_id"]), ())) for row in rows]


def _decision(row: asyncpg.Record, late: Sequence[LateAnswer]) -> DecisionRecord:
    emsp = row["emsp_country_code"]
    return DecisionRecord(
        at=row["at"],
        uid=row["uid"],
        token_type=row["token_type"],
        cpo=PartyId(row["cpo_country_code"], row["cpo_party_id"]),
        emsp=None if emsp is None else PartyId(emsp, row["emsp_party_id"]),
        location=row["location"],
        decided_by=DecidedBy(row["decided_by"]),
        reason=row["reason"],
        allowed=row["allowed"],
        reference=row["reference"],
        http_status=row["http_status"],
        status_code=row["status_code"],
        total_ms=row["total_ms"],
        legs=tuple(
            LegRecord(PartyId.parse(leg["emsp"]), leg["ms"], leg["outcome"])
            for leg in json.loads(row["legs"])
        ),
        correlation_id=row["correlation_id"],
        late=tuple(late),
    )
