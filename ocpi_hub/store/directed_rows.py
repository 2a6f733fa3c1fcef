"""Rows of directed objects: what a row says as a value, and what of a value is written."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from ocpi_hub.delivery.custody import Attempt, AttemptReport
from ocpi_hub.delivery.verdict import Failed, NotSent
from ocpi_hub.domain.objects import DirectedObject, DirectedState, LastAnswer, ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.session_rows import marks

KeyColumns = tuple[str, str, str, str]


def key_columns(key: ObjectKey) -> KeyColumns:
    """Primary key columns of a directed object."""
    return (key.module, key.owner.country_code, key.owner.party_id, key.object_id)


def key_arrays(keys: Iterable[ObjectKey]) -> list[list[object]]:
    """Arrays of key columns, for `unnest`."""
    return columns((key_columns(key) for key in keys), 4)


def party_arrays(parties: Iterable[PartyId]) -> list[list[object]]:
    """Arrays of countries and party ids."""
    return columns(map(party_columns, parties), 2)


def directed_object(row: asyncpg.Record) -> DirectedObject:
    """A row of `directed_object` as a value."""
    answered = row["last_http"] is not None or row["last_message"] is not None
    owner = PartyId(row["country_code"], row["party_id"])
    return DirectedObject(
        key=ObjectKey(row["module"], owner, row["object_id"]),
        serial=row["serial"],
        receiver=PartyId(row["receiver_country_code"], row["receiver_party_id"]),
        body=row["body"],
        fingerprint=row["fingerprint"],
        last_updated=row["last_updated"],
        correlation_id=row["correlation_id"],
        state=DirectedState(row["state"]),
        version=row["version"],
        sent_version=row["sent_version"],
        attempt_id=row["attempt_id"],
        lease_until=row["lease_until"],
        attempts=row["attempts"],
        unknown_outcomes=row["unknown_outcomes"],
        next_attempt_at=row["next_attempt_at"],
        received_at=row["received_at"],
        last_answer=LastAnswer(row["last_http"], row["last_ocpi"], row["last_message"])
        if answered
        else None,
        receiver_location=row["receiver_location"],
        reason=row["reason"],
        refused_after_ack=row["refused_after_ack"],
        applied=marks(row["applied"]),
        doubted_until=row["doubted_until"],
        batch_due_at=row["batch_due_at"],
    )


def claimed_attempt(row: DirectedObject) -> Attempt:
    """The attempt that a claimed row stands for."""
    if row.attempt_id is None:
        raise AssertionError("a claimed row names its attempt")
    return Attempt(row.attempt_id, row.key, row.version, row.receiver, row.body, row.correlation_id)


def settled_row(row: DirectedObject) -> tuple[object, ...]:
    """What a verdict may change."""
    answer = row.last_answer or LastAnswer(None, None, None)
    return (
        *key_columns(row.key),
        row.state,
        row.sent_version,
        row.lease_until,
        row.unknown_outcomes,
        row.next_attempt_at,
        answer.http,
        answer.ocpi,
        answer.message,
        row.receiver_location,
        row.reason,
        row.refused_after_ack,
        row.attempts,
        row.doubted_until,
    )


def attempt_row(report: AttemptReport) -> tuple[object, ...]:
    """An attempt as it goes on record."""
    attempt, verdict = report.attempt, report.verdict
    kind = Failed if isinstance(verdict, NotSent) else type(verdict)
    answer = verdict.answer
    return (
        attempt.attempt_id,
        *key_columns(attempt.key),
        attempt.version,
        kind.__name__.lower(),
        answer.http,
        answer.ocpi,
        answer.message,
    )
