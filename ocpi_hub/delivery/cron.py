"""Cron expressions: when something comes due again, in UTC. Pure.

Every platform has a delay of its own besides, so that those with the same expression are not all
asked at once; it follows from the platform's id and stays.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import OperatorError

MAX_LENGTH = 200
"""Characters of an expression."""
_FIELDS = 5


def require_cron(pull: str, now: datetime) -> None:
    """Check a cron expression.

    Raises:
        OperatorError: it is none, or its time never comes.
    """
    try:
        if len(pull) > MAX_LENGTH or len(pull.split()) != _FIELDS:
            raise CronSimError("five fields are needed")
        _after(pull, now)
    except (CronSimError, StopIteration) as error:
        why = str(error) or "its time never comes"
        raise OperatorError(
            f"{pull[:MAX_LENGTH]!r} is no cron expression ({why}): write for instance"
            " '30 2 * * *', minute hour day month weekday, UTC"
        ) from None


def next_run(pull: str, platform_id: PlatformId, after: datetime, splay: timedelta) -> datetime:
    """The first time of a schedule after a moment.

    Args:
        pull: a valid cron expression.
        splay: the longest delay; it never is longer than the time to the next run.
    """
    at = _after(pull, after - splay)
    while True:
        following = _after(pull, at)
        due = at + delay(platform_id, min(splay, following - at))
        if due > after:
            return due
        at = following


def delay(platform_id: PlatformId, splay: timedelta) -> timedelta:
    """A platform's own delay, from nothing up to `splay`, in whole seconds."""
    digest = hashlib.sha256(platform_id.encode()).digest()
    share = int.from_bytes(digest[:4]) / 2**32
    return timedelta(seconds=int(splay.total_seconds() * share))


def _after(pull: str, moment: datetime) -> datetime:
    """Raises CronSimError, or StopIteration if the time never comes."""
    return next(CronSim(pull, moment.astimezone(UTC)))
