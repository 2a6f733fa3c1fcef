"""Rows of statements and of what stands on them, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ocpi_hub.clearing.statement import Group, Month, Relation, StatementLine, StatementState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import party_columns

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement that was closed, or is being closed.

    Attributes:
        closed_by: who began to, while it is being closed.
        totals: what was summed up as it closed: currency -> cdrs and amounts as texts.
        at_work: whether somebody is closing it, as far as can be seen.
        error: why whoever was closing it gave up.
    """

    statement_id: int
    relation: Relation
    month: Month
    time_zone: str
    state: StatementState
    closed_at: datetime | None
    closed_by: str
    totals: dict[str, dict[str, str]] | None
    at_work: bool
    error: str | None


def relation_columns(relation: Relation) -> tuple[str, str, str, str]:
    return (*party_columns(relation.cpo), *party_columns(relation.emsp))


def relation_of(row: asyncpg.Record) -> Relation:
    return Relation(
        PartyId(row["country_code"], row["party_id"]),
        PartyId(row["receiver_country_code"], row["receiver_party_id"]),
    )


def stored_statement(row: asyncpg.Record) -> StoredStatement:
    month: date = row["month"]
    return StoredStatement(
        statement_id=row["statement_id"],
        relation=relation_of(row),
        month=Month.of(month),
        time_zone=row["time_zone"],
        state=StatementState(row["state"]),
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        totals=json.loads(row["totals"]) if row["totals"] else None,
        at_work=row["at_work"],
        error=row["error"],
    )


def group_of(row: asyncpg.Record | Mapping[str, Any]) -> Group:
    return Group(**{**row, "flags": tuple(row["flags"])})


def open_group_of(row: asyncpg.Record) -> tuple[str | None, Group]:
    """What keeps these CDRs off a statement, and the group."""
    columns = dict(row)
    return columns.pop("why"), group_of(columns)


def line_of(row: asyncpg.Record) -> StatementLine:
    return StatementLine(
        entry=row["entry"],
        id=row["spelled_id"],
        credited_id=row["credited_id"],
        session_id=row["session_id"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        location_id=row["location_id"],
        evse_id=row["evse_id"],
        energy_kwh=row["energy_kwh"],
        time_h=row["time_h"],
        parking_h=row["parking_h"],
        currency=row["currency"],
        excl_vat=row["cost_excl_vat"],
        incl_vat=row["cost_incl_vat"],
        price_verdict=row["price_verdict"],
        flags=tuple(row["flags"]),
    )
