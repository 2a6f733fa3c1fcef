"""Rows as parallel arrays, for statements that `unnest` them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ocpi_hub.domain.party import PartyId


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Turn rows of `width` values into that many lists."""
    result: list[list[object]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(result, row, strict=True):
            column.append(value)
    return result


def party_columns(party: PartyId) -> tuple[str, str]:
    return (party.country_code, party.party_id)
