"""How much of a token list is read. Pure.

A run asks for what changed since the last one. What is not on such a list any more nobody hears of,
so a full list is read once in a while: the next run would come too late for that, nothing was read
in full yet, or a party is new on the platform.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from ocpi_hub.delivery.whitelist_runs import LastRuns
from ocpi_hub.domain.party import PartyId


def date_from(
    last: LastRuns,
    owners: Collection[PartyId],
    following: datetime,
    *,
    full_every: timedelta,
    overlap: timedelta,
) -> datetime | None:
    """From when on a run asks for tokens; None: all of them.

    Args:
        owners: whose lists it reads.
        following: when the run after it comes.
        overlap: what changed so shortly before the last run is asked for once more.
    """
    if last.full_at is None or last.any_at is None:
        return None
    if following - last.full_at > full_every or not last.owners.issuperset(owners):
        return None
    return last.any_at - overlap
