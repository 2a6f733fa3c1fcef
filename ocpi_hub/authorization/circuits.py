"""Circuits: platforms that did not answer the last authorizations are not waited for.

Liveness needs minutes to notice that a platform is away; until then every driver would wait for the
whole budget. So `failures` questions in a row without an answer open the platform's circuit, and
with it open the platform counts as OFFLINE. The hub itself then asks for the platform's versions
from time to time (`circuit_keeper.py`). When that is answered, one process lets one authorization
through at a time: its answer closes the circuit, its silence opens it again.

Everything here is memory, and costs a request next to nothing. Other processes learn of it through
the keeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from enum import StrEnum

from ocpi_hub.domain.exchange import Answer, Busy, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.party import PlatformId


class News(StrEnum):
    """What other processes have to be told about a circuit."""

    OPENED = "opened"
    REOPENED = "reopened"
    CLOSED = "closed"


class Circuits:
    """The circuits as one process knows them.

    Args:
        failures: questions in a row without an answer that open a circuit; 0: it never opens.

    Attributes:
        away: platforms that are not to be asked now. Replaced when it changes, never changed.
        wake: set when there is news.
    """

    def __init__(self, *, failures: int) -> None:
        self.away: frozenset[PlatformId] = frozenset()
        self.wake = asyncio.Event()
        self._limit = failures
        self._failures: dict[PlatformId, int] = {}
        self._open: set[PlatformId] = set()
        # Whether somebody is being asked.
        self._trials: dict[PlatformId, bool] = {}
        self._news: dict[PlatformId, News] = {}

    # For whoever asks ----------------------------------------------------------------------------

    def admit(self, platform_id: PlatformId) -> bool:
        """Whether a platform may be asked; whoever was admitted says how it ended."""
        if platform_id in self.away:
            return False
        if platform_id in self._trials:
            self._trials[platform_id] = True
            self._refresh()
        return True

    def ended(self, platform_id: PlatformId, answered: bool | None) -> None:
        """A question has ended.

        Args:
            answered: None: the end tells nothing about the platform.
        """
        if answered:
            if self._failures or self._trials or self._open:
                self._close(platform_id)
        elif answered is None:
            if self._trials.get(platform_id):
                self._trials[platform_id] = False
                self._refresh()
        elif platform_id in self._trials:
            del self._trials[platform_id]
            self._begin(platform_id, News.REOPENED)
        elif self._limit and platform_id not in self._open:
            self._failures[platform_id] = self._failures.get(platform_id, 0) + 1
            if self._failures[platform_id] >= self._limit:
                self._begin(platform_id, News.OPENED)

    def _close(self, platform_id: PlatformId) -> None:
        self._failures.pop(platform_id, None)
        if platform_id in self._trials or platform_id in self._open:
            self._trials.pop(platform_id, None)
            self._open.discard(platform_id)
            self._tell(platform_id, News.CLOSED)

    def _begin(self, platform_id: PlatformId, news: News) -> None:
        self._failures.pop(platform_id, None)
        self._open.add(platform_id)
        self._tell(platform_id, news)

    def _tell(self, platform_id: PlatformId, news: News) -> None:
        self._news[platform_id] = news
        self._refresh()
        self.wake.set()

    def _refresh(self) -> None:
        busy = [platform_id for platform_id, asked in self._trials.items() if asked]
        self.away = frozenset((*self._open, *busy))

    # For the keeper ------------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        return self._limit > 0

    @property
    def open(self) -> Collection[PlatformId]:
        """Platforms that nobody may ask; a copy."""
        return tuple(self._open)

    def take_news(self) -> Mapping[PlatformId, News]:
        """What has happened since the last time."""
        news, self._news = self._news, {}
        return news

    def put_back(self, news: Mapping[PlatformId, News]) -> None:
        """It could not be told; what has happened since counts more."""
        self._news = {**news, **self._news}

    def follow(self, opened: Collection[PlatformId]) -> None:
        """Take over which circuits are open everywhere."""
        for platform_id in self._open - set(opened) - self._news.keys():
            self._open.discard(platform_id)
            self._suspect(platform_id)
        mine = self._trials.keys() | self._news.keys()
        self._open |= set(opened) - mine
        self._refresh()

    def try_out(self, platform_id: PlatformId) -> None:
        """Let one authorization through at a time."""
        if platform_id in self._open:
            self._open.discard(platform_id)
            self._trials[platform_id] = False
            self._refresh()

    def end_trial(self, platform_id: PlatformId) -> None:
        """Nobody asked meanwhile: it is closed on the platform's word about its versions."""
        if self._trials.get(platform_id) is False:
            self.forget(platform_id)

    def forget(self, platform_id: PlatformId) -> None:
        """Close a circuit without an answer to an authorization."""
        self._trials.pop(platform_id, None)
        self._open.discard(platform_id)
        self._suspect(platform_id)
        self._tell(platform_id, News.CLOSED)

    def _suspect(self, platform_id: PlatformId) -> None:
        """Nothing is proved yet: the next failure opens it again."""
        if self._limit > 1:
            self._failures[platform_id] = self._limit - 1


def answered(exchange: Exchange, *, patient: bool) -> bool | None:
    """Whether an exchange says that a platform answers; None: it does not tell.

    Args:
        patient: the platform had time enough, so that silence means something.
    """
    match exchange:
        case Answer():
            return True
        case Busy():
            return None
        case Unreachable() | NoAnswer():
            return False if patient else None
