"""Starts the runs that are due, and what follows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ocpi_hub.delivery.cron import next_run, require_cron
from ocpi_hub.delivery.inbound_catch_up import list_owners
from ocpi_hub.delivery.sweeping import keep_sweeping
from ocpi_hub.delivery.whitelist_lists import Withdrawing
from ocpi_hub.delivery.whitelist_runs import Due, LastRuns, Run
from ocpi_hub.delivery.whitelist_schedule import date_from
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import (
    InterfaceRole,
    Module,
    PartyId,
    Platform,
    PlatformId,
    PlatformState,
)
from ocpi_hub.domain.value import value
from ocpi_hub.errors import OperatorError, Overloaded
from ocpi_hub.settings import Settings
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

BROKEN_AGAIN = timedelta(days=1)
"""Until a schedule that cannot be read is complained about once more."""
_LIST = (Module.TOKENS.value, InterfaceRole.SENDER)


@value
class Periods:
    """How often, and how much.

    Attributes:
        splay: the longest delay of a platform.
        full_every: a full list at least so often.
        overlap: see `whitelist_schedule.date_from`.
    """

    splay: timedelta
    full_every: timedelta
    overlap: timedelta

    def date_from(self, last: LastRuns, platform: Platform, following: datetime) -> datetime | None:
        """See `whitelist_schedule.date_from`."""
        owners: Collection[PartyId] = list_owners(platform, Module.TOKENS.value)
        return date_from(last, owners, following, full_every=self.full_every, overlap=self.overlap)


def periods_of(settings: Settings) -> Periods:
    return Periods(
        splay=timedelta(seconds=settings.whitelist_splay_s),
        full_every=timedelta(days=settings.whitelist_full_days),
        overlap=timedelta(seconds=settings.catch_up_overlap_s),
    )


class ScheduleStore(Protocol):
    """Where schedules and runs are kept. All methods raise StoreError."""

    async def due(self) -> Sequence[Due]: ...

    async def last_runs(self, platform_id: PlatformId) -> LastRuns: ...

    async def start_due(
        self, due: Due, next_at: datetime, date_from: datetime | None, *, start: bool
    ) -> Run | None:
        """Move a schedule on, and start its run; None if somebody else did, or another runs."""
        ...


def serves_tokens(platform: Platform) -> bool:
    """Whether a platform has a token list that can be read."""
    return platform.state is PlatformState.CONNECTED and _LIST in platform.endpoints


class WhitelistScheduler:
    """Every process may run it."""

    def __init__(
        self,
        store: ScheduleStore,
        withdrawing: Withdrawing,
        directory: Callable[[], Directory],
        periods: Periods,
        *,
        poll_s: float,
    ) -> None:
        self._store = store
        self._withdrawing = withdrawing
        self._directory = directory
        self._periods = periods
        self._poll_s = poll_s

    async def run(self, stop: asyncio.Event) -> None:
        """Look for what is due until `stop` is set."""
        await keep_sweeping(stop, self.sweep, "whitelist runs", every_s=self._poll_s)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Start what is due, and withdraw what is to be withdrawn.

        Raises:
            StoreError: the database does not answer.
        """
        for due in await self._store.due():
            if stop.is_set():
                return
            await self._start(due)
        try:
            await self._withdrawing.sweep(stop)
        except Overloaded as error:
            log.info("whitelist_withdrawal_waits", reason=str(error))

    async def _start(self, due: Due) -> None:
        platform_id, pull = due.schedule.platform_id, due.schedule.pull
        try:
            require_cron(pull, due.at)
        except OperatorError as error:
            # It was checked when it was set: somebody has written it into the database.
            log.error("whitelist_schedule_broken", platform=platform_id, reason=str(error))
            await self._store.start_due(due, due.at + BROKEN_AGAIN, None, start=False)
            return
        following = next_run(pull, platform_id, due.at, self._periods.splay)
        platform = self._directory().platforms.get(platform_id)
        begins, start = None, platform is not None and serves_tokens(platform)
        if platform is not None:
            last = await self._store.last_runs(platform_id)
            begins = self._periods.date_from(last, platform, following)
        run = await self._store.start_due(due, following, begins, start=start)
        if run is not None:
            log.info(
                "whitelist_run_started", run=run.run_id, platform=platform_id, extent=run.extent
            )
        elif not start:
            log.warning("whitelist_run_impossible", platform=platform_id)
