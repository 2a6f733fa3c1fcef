"""Mild faults of what partners send: noticed, counted, merged into one table.

    handlers, owners' lists ──► Quality, in memory ──every FLUSH_S──► table `quality`
                                  ▲
                  Tariffs that are named, looked for after a while

Counting costs a request microseconds and never waits. What is counted together is a platform, a
module and a rule, so neither memory nor table grows with what a partner makes up. Every process
counts by itself and adds to the table; at an orderly stop it adds what is left, and a kill loses
what was counted since the last time. A commit whose answer was lost may be counted twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.dating import is_ahead
from ocpi_hub.delivery.named_tariffs import NamedTariffs
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module
from ocpi_hub.domain.quality import Example, Subject, Tally, TallyKey
from ocpi_hub.domain.value import value
from ocpi_hub.errors import StoreError
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.faults import Finding, Rule
from ocpi_hub.ocpi.named_tariffs import named_tariffs
from ocpi_hub.ocpi.parse import Parsed
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

FLUSH_S: Final = 2.0
TARIFFS_AT_ONCE: Final = 1000
MAX_TEXT: Final = 300
"""Characters of each part of an example."""

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
STALE: Final = Finding(Rule.STALE, "last_updated", "older than what the hub holds")


class QualityStore(Protocol):
    """Where the counts are kept. Both methods raise StoreError."""

    async def add(self, tallies: Mapping[TallyKey, Tally]) -> None:
        """Add to what is counted; platforms that are not there any more are left out."""
        ...

    async def held(self, tariffs: Collection[ObjectKey]) -> Collection[ObjectKey]:
        """Those of these Tariffs that the hub holds, whoever they are for."""
        ...


@value
class Noticed:
    """What is to be counted about an object, without the object: it may be long until then.

    Attributes:
        tariffs: ids of Tariffs that it names, each with the field.
    """

    findings: tuple[Finding, ...]
    tariffs: Mapping[str, str]
    last_updated: datetime | None


NOTHING: Final = Noticed((), _NONE, None)


def noticed(parsed: Parsed[OcpiModel] | None) -> Noticed:
    """What there is to count about an object, or about the body of a PATCH."""
    if parsed is None:
        return NOTHING
    last_updated = getattr(parsed.value, "last_updated", None)
    if not isinstance(last_updated, datetime):
        last_updated = None  # a class without it may have been given anything by that name
    return Noticed(parsed.findings, named_tariffs(parsed.value), last_updated)


class Quality:
    """Counts mild faults; a writer like others, which ends last.

    Args:
        mask: turns a token's uid into its keyed hash.
        counted: told each fault at once: module, rule, how often.
        tariff_wait_s: how long a Tariff that is named has time to arrive.
    """

    name = "quality"

    def __init__(
        self,
        store: QualityStore,
        clock: Clock,
        *,
        mask: Callable[[str], str],
        counted: Callable[[str, str, int], None] = lambda _module, _rule, _times: None,
        tariff_wait_s: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._mask = mask
        self._counted = counted
        self._tallies: dict[TallyKey, Tally] = {}
        self._tariffs = NamedTariffs(wait_s=tariff_wait_s)

    @property
    def queued(self) -> int:
        """Rows that wait to be written."""
        return len(self._tallies)

    @property
    def waiting_tariffs(self) -> int:
        """Tariffs that are still to be looked for."""
        return len(self._tariffs)

    def accepted(self, subject: Subject, seen: Noticed) -> None:
        """An object was accepted: each rule that it breaks counts once."""
        now = self._clock.now()
        first: dict[Rule, Finding] = {}
        for finding in seen.findings:
            first.setdefault(finding.rule, finding)
        if seen.last_updated is not None and is_ahead(seen.last_updated, now):
            ahead = int((seen.last_updated - now).total_seconds())
            first[Rule.AHEAD] = Finding(Rule.AHEAD, "last_updated", f"{ahead} seconds ahead")
        for finding in first.values():
            self._count(subject, finding, now)
        if first:
            log.debug(
                "object_deviates",
                platform=subject.platform_id,
                module=subject.module,
                rules=[f"{finding.rule}:{finding.path}" for finding in first.values()],
            )
        if seen.tariffs:
            # It waits for a while, and so may many others.
            short = replace(subject, object_id=subject.object_id[:MAX_TEXT])
            self._tariffs.note(short, seen.tariffs, now, self._clock.monotonic())

    def deviates(self, subject: Subject, finding: Finding) -> None:
        """Something else is to be counted about what arrived."""
        self._count(subject, finding, self._clock.now())

    async def run(self, stop: asyncio.Event) -> None:
        """Write every few seconds until `stop` is set, then what is left."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Look for Tariffs that are due, and write what is counted; what cannot be stays."""
        try:
            await self._look_for_tariffs()
        except StoreError as error:
            log.warning("tariffs_not_looked_for", error=str(error))
        taken, self._tallies = self._tallies, {}
        if not taken:
            return
        try:
            await self._store.add(taken)
        except StoreError as error:
            log.warning("quality_not_written", rows=len(taken), error=str(error))
            for key, tally in taken.items():
                later = self._tallies.get(key)
                self._tallies[key] = tally.plus(later) if later else tally

    async def _look_for_tariffs(self) -> None:
        """Count what is named and not there; the rest next time."""
        due = self._tariffs.due(self._clock.monotonic(), TARIFFS_AT_ONCE)
        if not due:
            return
        held = frozenset(await self._store.held({named.tariff for named in due}))
        self._tariffs.done(due)
        for named in due:
            if named.tariff not in held:
                shape = f"names a Tariff of {named.tariff.owner} that the hub does not hold"
                finding = Finding(Rule.UNKNOWN_TARIFF, named.path, shape)
                self._count(
                    named.subject, finding, named.first_at, last_at=named.last_at, times=named.times
                )

    def _count(
        self,
        subject: Subject,
        finding: Finding,
        at: datetime,
        *,
        last_at: datetime | None = None,
        times: int = 1,
    ) -> None:
        key = TallyKey(subject.platform_id, subject.module, finding.rule.value)
        self._counted(key.module, key.rule, times)
        known = self._tallies.get(key)
        if known is None:
            example = self._example(subject, finding)
            self._tallies[key] = Tally(times, at, last_at or at, example)
            return
        self._tallies[key] = Tally(
            known.count + times,
            min(known.first_at, at),
            max(known.last_at, last_at or at),
            known.example,
        )

    def _example(self, subject: Subject, finding: Finding) -> Example:
        object_id = subject.object_id
        if subject.module == Module.TOKENS and object_id:
            object_id = f"~{self._mask(object_id)}"
        return Example(_plain(object_id), _plain(finding.path), _plain(finding.message))


def _plain(text: str) -> str:
    """As it may stand in a table, a terminal and a log."""
    return "".join(character for character in text[:MAX_TEXT] if character.isprintable())
