"""How far behind receivers are, from what is stored and from who may see what."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ocpi_hub.admin.views.base import moment
from ocpi_hub.admin.views.lanes import LaneItem
from ocpi_hub.delivery.feed.receivers import gets
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.store.lane_admin import LaneRow, PastCursors


def lane_items(
    rows: Sequence[LaneRow],
    past: Mapping[str, Sequence[PastCursors]],
    directory: Directory,
    now: datetime,
) -> list[LaneItem]:
    """The lanes as they look, in the same order."""
    cursors = {
        module: sorted({row.cursor for row in rows if row.lane.module == module})
        for module in {row.lane.module for row in rows}
    }
    return [
        _item(row, cursors[row.lane.module], past.get(row.lane.module, ()), directory, now)
        for row in rows
    ]


def _item(
    row: LaneRow,
    cursors: Sequence[int],
    past: Iterable[PastCursors],
    directory: Directory,
    now: datetime,
) -> LaneItem:
    receiver = row.lane.receiver
    place = bisect_left(cursors, row.cursor)
    owed = [
        changes
        for changes in past
        if changes.behind > place and gets(directory, row.lane, changes.owner)
    ]
    return LaneItem(
        receiver=str(receiver),
        module=row.lane.module,
        status=directory.status(receiver),
        backlog=sum(changes.changes for changes in owed),
        age_s=_age_s(min((changes.oldest_at for changes in owed), default=None), now),
        backfills=row.backfills,
        gaps=row.gaps,
        oldest_gap_s=_age_s(row.oldest_gap_at, now),
        leased_by=f"{row.leased_by[1]} on {row.leased_by[0]}" if row.leased_by else None,
        resting_since=moment(row.resting_since),
    )


def _age_s(at: datetime | None, now: datetime) -> float:
    return max(0.0, round((now - at).total_seconds(), 1)) if at is not None else 0.0
