"""What is missing among the CDRs, or needs somebody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.views.base import moment
from ocpi_hub.admin.views.cdr_affairs import GapReport, gap_items
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.cdr_gaps import KINDS, CdrGap, GapKind, cdr_gaps

USUAL_TIME: Final = timedelta(days=35)
"""How far back a report looks unless told: over the end of a month."""
LOOKED_AT: Final = 5_000
"""Sessions, and CDRs, that a page holds against others: whatever is kept, it answers at once."""


async def gap_report(
    access: OperatorAccess,
    *,
    since: datetime | None,
    expected_after_h: int | None,
    owner: PartyId | None,
    receiver: PartyId | None,
    limit: int,
    looked_at: int = LOOKED_AT,
    kinds: Collection[GapKind] = KINDS,
) -> GapReport:
    """Gaps of all kinds.

    Args:
        since: None: `USUAL_TIME` ago.
        expected_after_h: hours after which a session should have its CDR; None: the setting.
        limit: of each kind, at most.
        looked_at: sessions, and CDRs, that are held against others: so many of the newest ones
            that should have their counterparts by now.
    """
    begin = since or datetime.now(UTC) - USUAL_TIME
    hours = access.settings.cdr_expected_after_h if expected_after_h is None else expected_after_h
    found = await cdr_gaps(
        access.database,
        since=begin,
        expected_after_h=hours,
        owner=owner,
        receiver=receiver,
        limit=limit + 1,
        looked_at=looked_at,
        kinds=kinds,
    )
    counts = Counter(gap.kind for gap in found)
    shown: list[CdrGap] = []
    for kind in GapKind:
        shown += [gap for gap in found if gap.kind is kind][:limit]
    return GapReport(
        since=moment(begin),
        expected_after_h=hours,
        counts={kind: min(counts[kind], limit) for kind in GapKind},
        cut=tuple(kind for kind in GapKind if counts[kind] > limit),
        gaps=gap_items(shown),
    )
