"""One attempt to deliver a directed object: send, judge, record.

A CDR goes out by POST. A session goes out by PUT, or as the PATCH that its attempt carries; a
receiver that cannot make anything of a PATCH gets the whole session within the same attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.custody import Attempt, AttemptReport
from ocpi_hub.delivery.errands import Errands
from ocpi_hub.delivery.leg import Leg, absolute_url, endpoint_url, outbound_request
from ocpi_hub.delivery.verdict import (
    Delivered,
    Failed,
    NotSent,
    Refused,
    Unknown,
    Verdict,
    judge,
)
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, Exchange, LegKind, OutboundClient
from ocpi_hub.domain.objects import DirectedState, LastAnswer
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Platform
from ocpi_hub.errors import OcpiError, Overloaded, StoreError
from ocpi_hub.ocpi.envelope import parse_envelope
from ocpi_hub.ocpi.json_text import fingerprint, members
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

NO_USE_FOR_PATCH: Final = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)
"""What a receiver answers that lacks the session, or knows no PATCH."""


class VerdictStore(Protocol):
    """The part of custody that takes verdicts."""

    async def record(self, report: AttemptReport) -> DirectedState:
        """Commit a verdict. Raises: StoreError: it is not."""
        ...


@dataclass(slots=True)
class Promise:
    """What the sender of an object has been told while an attempt is under way.

    Attributes:
        acknowledged: 1000.
        settling: the verdict is in and about to be committed.
    """

    acknowledged: bool
    settling: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended.

    Attributes:
        exchange: the last one; None when nothing was sent.
        state: of the object after it; None when the verdict could not be committed.
    """

    exchange: Exchange | None
    verdict: Verdict
    state: DirectedState | None


class DirectedAttempts:
    """Makes attempts.

    Args:
        directory: gives the current snapshot.
        attempt_s: seconds one attempt may take; shorter than the lease.
        rest_s: seconds in which this process does not try a silent receiver within requests.
    """

    def __init__(
        self,
        store: VerdictStore,
        client: OutboundClient,
        errands: Errands,
        directory: Callable[[], Directory],
        clock: Clock,
        *,
        attempt_s: float,
        rest_s: float,
    ) -> None:
        self._store = store
        self._client = client
        self._errands = errands
        self._directory = directory
        self._clock = clock
        self._attempt_s = attempt_s
        self._rest_s = rest_s
        self._resting: dict[PartyId, float] = {}

    def is_resting(self, receiver: PartyId) -> bool:
        """Whether a receiver was silent a moment ago."""
        return self._resting.get(receiver, 0.0) > self._clock.monotonic()

    async def start(
        self, attempt: Attempt, platform: Platform, promise: Promise
    ) -> asyncio.Task[Ended] | None:
        """Begin an attempt as an errand; None when the hub is stopping: it is given back then."""
        try:
            return self._errands.start(self.make(attempt, platform, promise))
        except Overloaded:
            await self.give_back(attempt)
            return None

    async def make(self, attempt: Attempt, platform: Platform, promise: Promise) -> Ended:
        """Send, judge, record. Returns once the verdict is committed."""
        exchange: Exchange | None = None
        verdict: Verdict = Unknown(LastAnswer(None, None, "the hub stopped during the attempt"))
        try:
            exchange, verdict = await self._send(attempt, platform)
        finally:
            # A cancelled attempt is recorded too: it may have reached the receiver.
            told, promise.settling = promise.acknowledged, True
            state = await self._record(attempt, verdict, acknowledged=told)
        if isinstance(verdict, Refused) and promise.acknowledged and not told:
            # The sender got its 1000 while the refusal was being committed.
            state = await self._commit(AttemptReport(attempt, verdict, acknowledged=True))
        if state is DirectedState.UNCERTAIN and isinstance(verdict, Refused) and verdict.location:
            await self._settle_by_get(attempt, platform, verdict.location)
        return Ended(exchange, verdict, state)

    async def give_back(self, attempt: Attempt) -> None:
        """An attempt that cannot begin any more, so that nobody waits for its lease to run out."""
        verdict = Failed(LastAnswer(None, None, "the hub was stopping"))
        await self._commit(AttemptReport(attempt, verdict, acknowledged=True))

    async def _send(self, attempt: Attempt, platform: Platform) -> tuple[Exchange | None, Verdict]:
        if (attempt.key.module, InterfaceRole.RECEIVER) not in platform.endpoints:
            nowhere = f"{attempt.receiver} announces no {attempt.key.module} RECEIVER any more"
            return None, NotSent(LastAnswer(None, None, nowhere), to_pull=True)
        began = self._clock.monotonic()
        exchange, verdict = await self._push(attempt, platform, self._attempt_s)
        left_s = self._attempt_s - (self._clock.monotonic() - began)
        if attempt.patch is None or verdict.answer.http not in NO_USE_FOR_PATCH or left_s <= 0:
            return exchange, verdict
        return await self._push(attempt, platform, left_s, whole=True)

    async def _push(
        self, attempt: Attempt, platform: Platform, deadline_s: float, *, whole: bool = False
    ) -> tuple[Exchange | None, Verdict]:
        """One request; `whole`: of a session its whole text, whatever the attempt carries."""
        if attempt.key.module != Module.SESSIONS:
            leg = self._leg(attempt, platform, "POST", attempt.body)
        elif attempt.patch is None or whole:
            leg = self._leg(attempt, platform, "PUT", attempt.body, _session_path(attempt))
        else:
            leg = self._leg(attempt, platform, "PATCH", attempt.patch, _session_path(attempt))
        try:
            exchange = await self._client.send(outbound_request(leg, deadline_s=deadline_s))
        except OcpiError as error:
            return None, Failed(LastAnswer(None, None, error.message))
        except ValueError as error:
            log.error("attempt_cannot_be_built", receiver=str(attempt.receiver), error=str(error))
            return None, Failed(LastAnswer(None, None, "the request cannot be built"))
        return exchange, judge(exchange)

    def _leg(
        self,
        attempt: Attempt,
        platform: Platform,
        method: str,
        body: str,
        path: tuple[str, ...] = (),
    ) -> Leg:
        return Leg(
            receiver=attempt.receiver,
            platform=platform,
            sender=attempt.key.owner,
            module=attempt.key.module,
            interface_role=InterfaceRole.RECEIVER,
            method=method,
            correlation_id=attempt.correlation_id,
            path=path,
            body=body.encode(),
            sender_key=self._platform_key(attempt.key.owner),
            kind=LegKind.CUSTODY,
        )

    def _platform_key(self, owner: PartyId) -> str:
        platform = self._directory().platform_of(owner)
        return platform.platform_id if platform else ""

    async def _record(
        self, attempt: Attempt, verdict: Verdict, *, acknowledged: bool
    ) -> DirectedState | None:
        reached = isinstance(verdict, Delivered | Refused)
        if reached:
            self._resting.pop(attempt.receiver, None)
        elif verdict.answer.http is None and not isinstance(verdict, NotSent):
            self._resting[attempt.receiver] = self._clock.monotonic() + self._rest_s
        log.info(
            "directed_attempt_ended",
            module=attempt.key.module,
            owner=str(attempt.key.owner),
            object_id=attempt.key.object_id,
            receiver=str(attempt.receiver),
            outcome=type(verdict).__name__.lower(),
            http_status=verdict.answer.http,
            status_code=verdict.answer.ocpi,
            correlation_id=attempt.correlation_id,
        )
        return await self._commit(AttemptReport(attempt, verdict, acknowledged))

    async def _commit(self, report: AttemptReport) -> DirectedState | None:
        try:
            return await self._store.record(report)
        except (StoreError, Overloaded) as error:
            # The lease runs out, and the attempt is then on record with an unknown outcome.
            object_id = report.attempt.key.object_id
            log.error("verdict_not_recorded", object_id=object_id, error=str(error))
            return None

    async def _settle_by_get(self, attempt: Attempt, platform: Platform, location: str) -> None:
        """Ask the receiver whether it has the object that it refused after an unknown outcome."""
        endpoint = endpoint_url(platform, attempt.key.module, InterfaceRole.RECEIVER)
        url = absolute_url(endpoint, location)
        if url is None:
            return
        request = outbound_request(
            self._leg(attempt, platform, "GET", ""),
            deadline_s=self._attempt_s,
            url=url,
        )
        exchange = await self._client.send(request)
        if isinstance(exchange, Answer) and _is_copy(exchange, attempt):
            verdict = Delivered(LastAnswer(exchange.http_status, 1000, "found at the receiver"))
            await self._record(attempt, verdict, acknowledged=True)


def _session_path(attempt: Attempt) -> tuple[str, ...]:
    """Owner and id of a session as its owner spells them."""
    if attempt.path:
        return attempt.path
    fields = dict(members(attempt.body))
    return tuple(str(json.loads(fields[name])) for name in ("country_code", "party_id", "id"))


def _is_copy(answer: Answer, attempt: Attempt) -> bool:
    """Whether an answer shows the object of an attempt, as the receiver keeps it."""
    envelope = parse_envelope(answer.body)
    if envelope is None or not is_success(envelope.status_code) or answer.http_status != 200:
        return False
    with contextlib.suppress(ValueError):
        data = dict(members(answer.body.decode())).get("data", "null")
        return fingerprint(data) == fingerprint(attempt.body)
    return False
