"""An owner's full list is the new truth: what is not on it is not valid any more (LO-08).

That holds for lists that were read without `date_from`, to their end, and with nothing broken on
them: what cannot be read cannot be told from what is missing. Only what the hub knows from such
lists goes by them. What was pushed stays until its owner says otherwise: many platforms push, and
serve a list that lacks something. An object that slips through between two pages while its owner's
list changes is missing by mistake, so two readings in a row have to lack it. The second one follows
soon, once. Nothing goes that was pushed or listed meanwhile.

A Tariff is deleted, and receivers get DELETE. A Location is left out of the hub's lists; OCPI has
no message for it. Tokens go by the runs of the whitelist exchange alone (`whitelist_lists.py`).

Spec: 2.2.1 mod_locations_get_method, mod_tariffs_get_method.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from ocpi_hub.delivery.catch_up_jobs import Job
from ocpi_hub.delivery.shared import Changed, Deletion
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

AT_ONCE: Final = 200
"""Objects that are withdrawn together, so that they share a few commits."""
GOES_BY_LIST: Final = frozenset({Module.LOCATIONS.value, Module.TARIFFS.value})


@dataclass(frozen=True, slots=True)
class Absent:
    """What a full list did not show.

    Attributes:
        gone: what the full list before did not show either.
        doubtful: how many objects are missing for the first time.
        since: the beginning of the reading.
        repeated: another full reading came shortly before.
    """

    gone: Sequence[ObjectKey]
    doubtful: int
    since: datetime
    repeated: bool


class FullListStore(Protocol):
    """Where it is noted what full lists show. All methods raise StoreError."""

    async def listed(self, keys: Sequence[ObjectKey]) -> None:
        """A full list shows these objects, as the hub has them."""
        ...

    async def absent(self, job: Job, owners: Sequence[PartyId]) -> Absent | None:
        """What the lists of these owners, just read to their end, did not show; None if the job
        is somebody else's now, or if what the lists showed is not known for sure."""
        ...

    async def read_again(self, job: Job) -> None:
        """Have the list read once more, in full."""
        ...


class Deleting(Protocol):
    """The part of `delivery.shared.SharedStore` that is needed here."""

    async def delete(self, deletion: Deletion) -> Changed: ...


class FullLists:
    """Withdraws what owners' full lists do not show."""

    def __init__(self, store: FullListStore, shared: Deleting) -> None:
        self._store = store
        self._shared = shared

    async def listed(self, job: Job, keys: Sequence[ObjectKey]) -> None:
        """A page of a list shows these objects, which are known already.

        Raises:
            StoreError: that could not be noted.
        """
        if keys and _counts(job):
            await self._store.listed(keys)

    async def compare(self, job: Job, owners: Sequence[PartyId], broken: int) -> bool:
        """Lists were read to their end: withdraw what has gone. Whether to read them again.

        Args:
            owners: whose lists they are.
            broken: objects on them that could not be taken.

        Raises:
            StoreError: not everything is withdrawn; whoever compares next goes on.
            Overloaded: likewise.
        """
        if broken or not _counts(job):
            return False
        absent = await self._store.absent(job, owners)
        if absent is None:
            return False
        gone = 0
        for start in range(0, len(absent.gone), AT_ONCE):
            gone += await self._withdraw(absent.gone[start : start + AT_ONCE], absent.since)
        if gone or absent.doubtful:
            log.info(
                "full_list_compared",
                platform=job.platform_id,
                module=job.module,
                withdrawn=gone,
                doubtful=absent.doubtful,
            )
        return absent.doubtful > 0 and not absent.repeated

    async def _withdraw(self, keys: Sequence[ObjectKey], since: datetime) -> int:
        """Withdraw what was not touched since; how many that were."""
        deletions = (
            Deletion(key, Origin.PULL, str(uuid.uuid4()), untouched_since=since) for key in keys
        )
        results = await asyncio.gather(
            *(self._shared.delete(each) for each in deletions), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results.count(Changed.DELETED)

    async def read_again(self, job: Job) -> None:
        """Once the job has ended.

        Raises:
            StoreError: the second reading was not requested.
        """
        await self._store.read_again(job)


def _counts(job: Job) -> bool:
    return job.date_from is None and job.module in GOES_BY_LIST
