"""Looking at decisions: one of them, with what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ocpi_hub.authorization.protocols import DecisionRecord
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.store.authorization import DecisionFilter, PostgresDecisionStore
from ocpi_hub.store.cross_links import CrossLinks, LinkedCdr
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

_AT_ONCE: Final = 1000
"""Decisions within the time that `around` spans."""
_MILLISECOND: Final = timedelta(milliseconds=1)


def note_search(uid: str | None, found: int, *, asked_by: str, clear: bool) -> None:
    """Who looks for one card reads personal data, and is logged with it; never the card.

    Args:
        asked_by: the id of a key or an account.
        clear: whether whoever asks is shown what names a driver.
    """
    if uid is not None:
        log.info("personal_data_read", asked_by=asked_by, by=("uid",), found=found, clear=clear)


async def find(
    decisions: PostgresDecisionStore, at: datetime, correlation_id: str
) -> DecisionRecord:
    """The decision of a request.

    Args:
        at: as results tell it, which may be shortened to milliseconds.

    Raises:
        NoSuchObject: there is none, or none any more.
    """
    try:
        wanted = DecisionFilter(since=at, until=at + _MILLISECOND)
    except OverflowError:
        raise _unknown(correlation_id) from None
    found = await decisions.decisions_before(None, _AT_ONCE, wanted)
    for _, decision in found:
        if decision.correlation_id == correlation_id:
            return decision
    raise _unknown(correlation_id)


async def came_of_it(
    links: CrossLinks, decision: DecisionRecord
) -> tuple[Sequence[str], Sequence[LinkedCdr]]:
    """Ids of Sessions, and CDRs, that name its reference."""
    if decision.reference is None or decision.emsp is None:
        return (), ()
    parties = (decision.cpo, decision.emsp)
    cdrs = await links.cdrs_of_reference(*parties, decision.reference, decision.at)
    return await links.sessions_of_reference(*parties, decision.reference), cdrs


def _unknown(correlation_id: str) -> NoSuchObject:
    return NoSuchObject(
        f"there is no decision with the correlation id {correlation_id}, or no more"
    )
