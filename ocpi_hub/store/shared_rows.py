"""Rows of shared objects: what a row says as a value, and what of a value is written."""

from __future__ import annotations

import json

import asyncpg

from ocpi_hub.domain.objects import ObjectKey, Origin, SharedObject
from ocpi_hub.domain.party import PartyId

KeyColumns = tuple[str, str, str, str, str, str]


def key_columns(key: ObjectKey) -> KeyColumns:
    """Primary key columns of a shared object."""
    return (
        key.module,
        key.owner.country_code,
        key.owner.party_id,
        key.object_id,
        key.object_type,
        key.audience,
    )


def shared_object(row: asyncpg.Record) -> SharedObject:
    """A row of `shared_object` as a value."""
    owner = PartyId(row["country_code"], row["party_id"])
    return SharedObject(
        key=ObjectKey(row["module"], owner, row["object_id"], row["object_type"], row["audience"]),
        body=row["body"],
        last_updated=row["last_updated"],
        position=row["position"],
        serial=row["serial"],
        origin=Origin(row["origin"]),
        correlation_id=row["correlation_id"],
        path=path_of(row),
        deleted=row["deleted"],
        whole_updated=row["whole_updated"],
        received_at=row["changed_at"],
        listed_at=row["listed_at"],
    )


def path_of(row: asyncpg.Record) -> tuple[str, ...]:
    """The path of a row of `shared_object`."""
    return tuple(json.loads(row["path"])) if row["path"] else ()


def place_columns(location: ObjectKey) -> tuple[str, str, str, str]:
    """Where a Location stands; its EVSEs stand there too."""
    owner = location.owner
    return (owner.country_code, owner.party_id, location.object_id, location.audience)


def rewritten_row(row: SharedObject) -> tuple[object, ...]:
    """A Location whose text changes where it stands."""
    return (*place_columns(row.key), row.body, row.last_updated)


def stored_row(row: SharedObject) -> tuple[object, ...]:
    """What takes a new position."""
    path = json.dumps(row.path) if row.path else None
    text = (row.body, row.last_updated, row.origin, row.correlation_id, path, row.deleted)
    return (*key_columns(row.key), *text, row.whole_updated)


def deleted_row(row: SharedObject) -> tuple[object, ...]:
    """What is deleted for every audience."""
    return (*key_columns(row.key)[:5], row.origin, row.correlation_id)
