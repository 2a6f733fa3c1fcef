"""Readings of a platform's token list: records, and where they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol
from uuid import UUID

from ocpi_hub.delivery.catch_up_jobs import Job
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId, PlatformId

RunId = NewType("RunId", int)


class Extent(StrEnum):
    """Which tokens a run asks for: all, or those that changed."""

    FULL = "full"
    PARTIAL = "partial"


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    HELD = "held"
    """The list lacks too much; an operator has to say whether that is right."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """A run.

    Attributes:
        source: `list`: read from its platform; `file`: brought by an operator.
        date_from: of a partial run.
        finished_at: None while it runs or is held.
        seen: tokens on the list; of these, `added` and `changed` were news and `errors` could not
            be taken.
        absent: tokens that a full list lacks, as far as nobody touched them meanwhile.
        withdrawn: of these, those that are withdrawn by now.
        note: why it failed, waits or took nothing away.
    """

    run_id: RunId
    platform_id: PlatformId
    source: str
    extent: Extent
    state: RunState
    date_from: datetime | None
    started_at: datetime
    finished_at: datetime | None
    pages: int
    seen: int
    added: int
    changed: int
    absent: int
    withdrawn: int
    errors: int
    note: str | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a platform's token list is read.

    Attributes:
        pull: a cron expression, UTC.
    """

    platform_id: PlatformId
    pull: str
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule whose time has come; `at`: the database's clock."""

    schedule: Schedule
    at: datetime


@dataclass(frozen=True, slots=True)
class LastRuns:
    """What completed runs of a platform have read.

    Attributes:
        full_at, any_at: when the last full one, and the last one of either extent, began.
        owners: whose lists the last full one read.
    """

    full_at: datetime | None = None
    any_at: datetime | None = None
    owners: frozenset[PartyId] = frozenset()


@dataclass(frozen=True, slots=True)
class Missing:
    """What a full list lacks: `absent` of `known` tokens that were there before it was read.

    Attributes:
        shown: tokens that it showed, or that were pushed meanwhile.
    """

    absent: int
    known: int
    shown: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A run whose list was read, and what it lacks is to be withdrawn, for one turn.

    Attributes:
        began_at: when the reading began.
        doubted: the list showed fewer tokens than it was to have.
        lease_id: of this turn; who has another one changes nothing.
    """

    run_id: RunId
    owners: Sequence[PartyId]
    began_at: datetime
    doubted: bool
    lease_id: UUID


@dataclass(frozen=True, slots=True)
class Lacked:
    """A token that a list lacked; `before`: an earlier one had lacked it, and none had it since."""

    key: ObjectKey
    before: bool


@dataclass(frozen=True, slots=True)
class LackedPage:
    """Some of what a list lacked; `following`: where to go on, None at the end."""

    lacked: Sequence[Lacked]
    following: ObjectKey | None


class WhitelistListStore(Protocol):
    """What the reading of a list needs besides `CatchUpStore`. All methods raise StoreError."""

    async def listed(self, keys: Sequence[ObjectKey]) -> None:
        """A full list shows these tokens, as the hub has them."""
        ...

    async def missing(self, job: Job, owners: Sequence[PartyId]) -> Missing | None:
        """What the lists of these owners lack; None if the run is somebody else's now."""
        ...

    async def conclude(
        self,
        job: Job,
        owners: Sequence[PartyId],
        missing: Missing,
        *,
        withdraw: bool,
        hold: bool,
        doubted: bool,
        note: str | None,
    ) -> None:
        """What is to come of a full list once the reading has ended.

        Args:
            withdraw: what is absent.
            hold: an operator decides about it first.
            doubted: see `Withdrawal`.
        """
        ...


class WithdrawalStore(Protocol):
    """Runs that withdraw. All methods raise StoreError."""

    async def claim_withdrawal(self) -> Withdrawal | None: ...

    async def absent(self, withdrawal: Withdrawal, place: ObjectKey | None = None) -> LackedPage:
        """Tokens the list lacked and nobody touched since: a few thousand, from a place on."""
        ...

    async def missed(self, keys: Sequence[ObjectKey]) -> None:
        """A full list lacked these tokens, which are not withdrawn for it."""
        ...

    async def withdrew(self, withdrawal: Withdrawal, tokens: int) -> bool:
        """Count and renew the lease; false when the run is somebody else's now."""
        ...

    async def end_withdrawal(self, withdrawal: Withdrawal) -> None:
        """The run is done. A list that is doubted is read once more, soon."""
        ...
