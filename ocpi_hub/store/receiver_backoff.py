"""How long a receiver of directed objects is left alone after failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from ocpi_hub.delivery.custody import AttemptReport, Patience
from ocpi_hub.delivery.verdict import Delivered, Failed, Refused, Unknown
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.columns import columns
from ocpi_hub.store.directed_rows import party_arrays
from ocpi_hub.store.queries import Queries

if TYPE_CHECKING:
    from ocpi_hub.store.database import Connection

SQL = Queries("receiver_backoff")


async def note_receivers(
    connection: Connection, reports: Sequence[AttemptReport], patience: Patience
) -> None:
    """After a batch: any sign of life of a receiver clears it, failures lengthen it once."""
    by_receiver = sorted(reports, key=lambda report: report.attempt.receiver)
    alive: list[PartyId] = []
    failing: list[tuple[str, str, str, float]] = []
    for receiver, of_receiver in groupby(by_receiver, key=lambda r: r.attempt.receiver):
        verdicts = [report.verdict for report in of_receiver]
        if any(isinstance(verdict, Delivered | Refused) for verdict in verdicts):
            alive.append(receiver)
            continue
        failed = [verdict for verdict in verdicts if isinstance(verdict, Failed | Unknown)]
        if not failed:
            continue
        wait = max(verdict.retry_after_s or 0.0 for verdict in failed)
        reason = failed[-1].answer.message or f"HTTP {failed[-1].answer.http}"
        failing.append((receiver.country_code, receiver.party_id, reason, wait))
    rows = await connection.fetch(SQL.backing_off, *party_arrays(alive))
    returned = [PartyId(row["country_code"], row["party_id"]) for row in rows]
    if not returned and not failing:
        return
    failed_parties = [PartyId(country, party) for country, party, _, _ in failing]
    await _lock(connection, [*returned, *failed_parties])
    if returned:
        await connection.execute(SQL.clear_failures, *party_arrays(returned))
    if failing:
        await connection.execute(
            SQL.note_failures,
            *columns(failing, 4),
            timedelta(seconds=patience.first_s),
            timedelta(seconds=patience.longest_s),
        )


async def forget_backoff(connection: Connection, platform_id: str) -> None:
    """A platform is there again: its parties are receivers like any other."""
    rows = await connection.fetch(SQL.parties, platform_id)
    await _lock(connection, [PartyId(row["country_code"], row["party_id"]) for row in rows])
    await connection.execute(SQL.forget, platform_id)


async def _lock(connection: Connection, parties: Sequence[PartyId]) -> None:
    """Before writing several rows: see the query."""
    await connection.execute(SQL.lock_backoff, *party_arrays(parties))
