"""Rows as parallel arrays, for statements that `unnest` them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ocpi_hub.domain.party import PartyId


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Turn rows of `width` values into that many lists."""
    result = [list(column) for column in zip(*rows, strict=True)]
    if not result:
        return [[] for _ in range(width)]
    if len(result) != width:
        raise ValueError(f"rows of {len(result)} values, not of {width}")
    return result


def party_columns(party: PartyId) -> tuple[str, str]:
    return (party.country_code, party.party_id)
