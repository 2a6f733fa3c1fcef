"""What becomes of tokens that an owner's full list does not show (design section 4).

They are withdrawn: known as not valid, left out of the hub's lists, told to receivers with `valid`
false. That holds for tokens that nobody touched since the reading began: what was pushed meanwhile
stays. It does not matter how a token came. Nothing goes by a list that was read only in part, or
with something on it that does not say which token it is.

A list that suddenly lacks a large share is held: perhaps the partner's database is half empty. Then
nothing is withdrawn before an operator confirms the run, and what is known of these tokens is as
old as before.

A token slips through a list that is read page by page while its owner changes it: it moves to a
page that was read already. So a list that showed fewer tokens than it was to have (X-Total-Count,
at its beginning) is doubted: only what an earlier full list lacked too is withdrawn, and it is read
once more, soon.

Withdrawing is a step of its own, which any process takes up: it goes on after a kill, and after an
operator's confirmation, from what is still there.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Final, Protocol

from ocpi_hub.delivery.catch_up_jobs import Job
from ocpi_hub.delivery.shared import Changed, Deletion
from ocpi_hub.delivery.whitelist_runs import WhitelistListStore, Withdrawal, WithdrawalStore
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

AT_ONCE: Final = 200
"""Tokens that are withdrawn together, so that they share a few commits."""


class Deleting(Protocol):
    """The part of `delivery.shared.SharedStore` that is needed here."""

    async def delete(self, deletion: Deletion) -> Changed: ...


class WhitelistLists:
    """Judges full lists that were read to their end; a `inbound_catch_up.Comparison`.

    Args:
        hold_above: share of an owner's tokens, 0 to 1, above which a list that lacks them is held.
    """

    def __init__(self, store: WhitelistListStore, *, hold_above: float) -> None:
        self._store = store
        self._hold_above = hold_above

    async def listed(self, job: Job, keys: Sequence[ObjectKey]) -> None:
        if keys and job.date_from is None:
            await self._store.listed(keys)

    async def compare(self, job: Job, owners: Sequence[PartyId], broken: int) -> bool:
        """Decide what is to come; the run is never read again for it."""
        if job.date_from is not None:
            return False
        missing = await self._store.missing(job, owners)
        if missing is None:
            return False
        expected, shown = job.progress.total or 0, missing.shown + job.progress.broken
        doubted = missing.absent > 0 and shown < expected
        hold, note = False, None
        if job.progress.unnamed and missing.absent:
            note = f"nothing is withdrawn: {job.progress.unnamed} tokens do not say which they are"
        elif missing.absent > self._hold_above * missing.known:
            hold = True
            note = f"the list lacks {missing.absent} of {missing.known} tokens: confirm or discard"
            log.warning(
                "whitelist_run_held",
                platform=job.platform_id,
                absent=missing.absent,
                known=missing.known,
            )
        elif doubted:
            note = f"the list showed {shown} of {expected} tokens: read again"
        withdraw = bool(missing.absent) and not job.progress.unnamed and not hold
        await self._store.conclude(
            job, owners, missing, withdraw=withdraw, hold=hold, doubted=doubted, note=note
        )
        return False

    async def read_again(self, job: Job) -> None:
        """A run is one reading."""


class Withdrawing:
    """Withdraws what full lists lacked."""

    def __init__(self, store: WithdrawalStore, shared: Deleting) -> None:
        self._store = store
        self._shared = shared

    async def sweep(self, stop: asyncio.Event) -> None:
        """Work off what is to be withdrawn.

        Raises:
            StoreError: the database does not answer; somebody goes on later.
            Overloaded: likewise.
        """
        while not stop.is_set():
            withdrawal = await self._store.claim_withdrawal()
            if withdrawal is None or not await self._withdraw(withdrawal, stop):
                return
            await self._store.end_withdrawal(withdrawal)

    async def _withdraw(self, withdrawal: Withdrawal, stop: asyncio.Event) -> bool:
        """False: the rest is somebody else's."""
        place: ObjectKey | None = None
        while True:
            page = await self._store.absent(withdrawal, place)
            lacked, doubted = page.lacked, withdrawal.doubted
            keys = [each.key for each in lacked if each.before or not doubted]
            spared = [each.key for each in lacked if doubted and not each.before]
            if spared:
                await self._store.missed(spared)
            for start in range(0, len(keys), AT_ONCE):
                if stop.is_set():
                    return False
                gone = await self._delete(keys[start : start + AT_ONCE], withdrawal)
                if not await self._store.withdrew(withdrawal, gone):
                    return False
            if page.following is None:
                return True
            if not keys and not await self._store.withdrew(withdrawal, 0):
                return False
            place = page.following

    async def _delete(self, keys: Sequence[ObjectKey], withdrawal: Withdrawal) -> int:
        """Withdraw what was not touched since; how many that were."""
        deletions = (
            Deletion(key, Origin.PULL, str(uuid.uuid4()), untouched_since=withdrawal.began_at)
            for key in keys
        )
        results = await asyncio.gather(
            *(self._shared.delete(each) for each in deletions), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results.count(Changed.DELETED)
