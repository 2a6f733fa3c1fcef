"""Says when what is known of an eMSP's tokens becomes too old to answer from.

A relation of mode whitelist is answered from stored tokens as long as they are known well enough
(`whitelist_max_age_s`); after that the eMSP is asked in real time, or nobody. Every change is
logged once, by the process that notes it in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from typing import Final, Protocol

from ocpi_hub.delivery.inbound_catch_up import list_owners
from ocpi_hub.delivery.sweeping import keep_sweeping
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import EVERYBODY
from ocpi_hub.domain.party import Module, PartyId, RelationMode
from ocpi_hub.domain.value import value
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

CHECK_S: Final = 30.0


class Freshness(StrEnum):
    """How what is known compares with what the relation allows."""

    FRESH = "fresh"
    NEAR = "near"
    STALE = "stale"
    UNKNOWN = "unknown"
    """Nothing is known of the eMSP's tokens yet."""


@value
class Judged:
    """A relation of mode whitelist.

    Attributes:
        cpo: `*` for all that have none of their own, where that is the default.
        age_s: of what is known; None: nothing is.
    """

    cpo: str
    emsp: PartyId
    freshness: Freshness
    age_s: float | None
    max_age_s: float


class StalenessStore(Protocol):
    """Where it is kept what was said. All methods raise StoreError."""

    async def ages_s(self) -> Mapping[PartyId, float | None]:
        """How old what is known of each party's tokens is; None: nothing is known."""
        ...

    async def note(self, judged: Collection[Judged]) -> Collection[tuple[str, str]]:
        """Put these in the place of all others. CPO and eMSP of those that are not as they were;
        one that is new counts as fresh before."""
        ...


def judge(
    directory: Directory,
    ages_s: Mapping[PartyId, float | None],
    *,
    max_age_s: float,
    near_share: float,
) -> Iterator[Judged]:
    """All relations of mode whitelist.

    Args:
        max_age_s: of relations that say nothing else.
        near_share: of it, from which on it is nearly reached.
    """
    for cpo, emsp, own in _whitelisted(directory):
        age_s = ages_s.get(emsp)
        limit = max_age_s if own is None else own
        yield Judged(cpo, emsp, _freshness(age_s, limit, near_share), age_s, limit)


def _whitelisted(directory: Directory) -> Iterator[tuple[str, PartyId, int | None]]:
    for relation in directory.relations.values():
        if relation.mode is RelationMode.WHITELIST:
            yield str(relation.cpo), relation.emsp, relation.whitelist_max_age_s
    if directory.default_relation is RelationMode.WHITELIST:
        for platform in directory.platforms.values():
            for emsp in list_owners(platform, Module.TOKENS.value):
                yield EVERYBODY, emsp, None


def _freshness(age_s: float | None, max_age_s: float, near_share: float) -> Freshness:
    if age_s is None:
        return Freshness.UNKNOWN
    if age_s > max_age_s:
        return Freshness.STALE
    return Freshness.NEAR if age_s >= near_share * max_age_s else Freshness.FRESH


class WhitelistStaleness:
    """Every process may run it; see `judge` for the arguments."""

    def __init__(
        self,
        store: StalenessStore,
        directory: Callable[[], Directory],
        *,
        max_age_s: float,
        near_share: float,
    ) -> None:
        self._store = store
        self._directory = directory
        self._max_age_s = max_age_s
        self._near_share = near_share

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set."""
        await keep_sweeping(stop, self.sweep, "whitelist alarms", every_s=CHECK_S)

    async def sweep(self, _stop: asyncio.Event) -> None:
        """Look once.

        Raises:
            StoreError: the database does not answer.
        """
        judged = {
            (each.cpo, str(each.emsp)): each
            for each in judge(
                self._directory(),
                await self._store.ages_s(),
                max_age_s=self._max_age_s,
                near_share=self._near_share,
            )
        }
        for pair in sorted(await self._store.note(judged.values())):
            _say(judged[pair])


def _say(judged: Judged) -> None:
    level = log.info if judged.freshness is Freshness.FRESH else log.warning
    level(
        "whitelist_knowledge",
        cpo=judged.cpo,
        emsp=str(judged.emsp),
        state=judged.freshness.value,
        age_s=None if judged.age_s is None else round(judged.age_s),
        max_age_s=judged.max_age_s,
    )
