"""CDRs that go to their eMSP together, at the end of a period. Pure.

A relation with batches has a schedule; a CDR that comes is due at its next time. Until then it lies
in custody like any other, so nothing is lost or sent twice because of it. What was due at one time
is a run: it needs no record of its own, the CDRs themselves say what became of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cronsim import CronSimError

from ocpi_hub.delivery.cron import next_run
from ocpi_hub.domain.party import CdrExchange, PlatformId, Relation
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

_AT_ONCE = timedelta()
"""A period ends for all at the same time: its CDRs are known by it."""


def batch_due(relation: Relation, now: datetime) -> datetime | None:
    """When a CDR that comes now is due; None: at once."""
    if relation.cdrs is not CdrExchange.BATCH or relation.cdr_schedule is None:
        return None
    try:
        return next_run(relation.cdr_schedule, PlatformId(""), now, _AT_ONCE)
    except (CronSimError, StopIteration):
        log.error("cdr_schedule_unusable", cpo=str(relation.cpo), emsp=str(relation.emsp))
        return None
