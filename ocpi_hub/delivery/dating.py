"""Which of two states of an object is older, by their owner's clock as far as it can be believed.

Nothing replaces newer by older. But a clock that once was far ahead must not make everything stale
that its owner says later: a state that was dated in the future counts as of about when it came,
against changes that are dated properly. Changes by a clock that stays ahead are compared with each
other as they are, and so keep their order.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

AHEAD: Final = timedelta(minutes=5)
"""By which clocks may differ."""


def is_ahead(dated: datetime, now: datetime) -> bool:
    """Whether a `last_updated` lies in the future by more than clocks may differ."""
    return dated > now + AHEAD


def is_older(
    change: datetime,
    standing: datetime,
    received_at: datetime | None,
    now: datetime | None,
    *,
    listed: bool,
) -> bool:
    """Whether a change is older than what stands.

    Args:
        change, standing: their `last_updated`.
        received_at: when what stands came; None: dates are believed.
        now: None: dates are believed.
        listed: the change was read in a list, which may have been made before what stands came.
    """
    if received_at is None or now is None:
        return change < standing
    if is_ahead(standing, received_at) and not is_ahead(change, now):
        return change < (received_at if listed else received_at - AHEAD)
    return change < standing
