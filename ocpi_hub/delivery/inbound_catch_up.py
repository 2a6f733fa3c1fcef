"""Inbound catch-up: fetching what owners could not push (decision D-14).

Owners do not retry. When the hub was down, or a platform was away, the hub reads the owner's list
from the last contact on, with some overlap. What is known already changes nothing; CDRs found
enter custody like any other and are delivered by the worker.

Spec: 2.2.1 transport_and_format_offline_behaviour, mod_cdrs_pull_model.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ocpi_hub.clearing.holds import HoldLimits, hold_reason
from ocpi_hub.delivery.custody import CustodyStore, Intake, Repeat, Start
from ocpi_hub.delivery.leg import Leg, absolute_url, endpoint_url, outbound_request
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, OutboundClient, OutboundRequest
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, Platform, PlatformId, Role
from ocpi_hub.errors import HubError, InvalidRequest, OcpiError, StoreError, StoreUnavailable
from ocpi_hub.ocpi.envelope import parse_envelope, timestamp
from ocpi_hub.ocpi.headers import next_link
from ocpi_hub.ocpi.json_text import elements, fingerprint, members
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.routing.route import to_party
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

MODULES = (Module.CDRS.value,)
"""Modules that are fetched."""

MAX_PAGES = 10_000
RETRY = timedelta(seconds=30)
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """One list to read.

    Attributes:
        attempts: how often it was begun, this time included.
    """

    platform_id: PlatformId
    module: str
    date_from: datetime
    requested_at: datetime
    attempts: int


class CatchUpStore(Protocol):
    """Where requested catch-ups are kept. All methods raise StoreUnavailable."""

    async def claim(self) -> Job | None: ...

    async def end(self, job: Job) -> None: ...

    async def release(self, job: Job, pause: timedelta, error: str) -> None: ...


class Unreadable(HubError):
    """A list could not be read; the text says where and why."""


@dataclass(slots=True)
class Tally:
    """What a catch-up found."""

    seen: int = 0
    taken: int = 0
    broken: int = 0


class InboundCatchUp:
    """Works off requested catch-ups, one at a time per process."""

    def __init__(
        self,
        store: CatchUpStore,
        custody: CustodyStore,
        client: OutboundClient,
        directory: Callable[[], Directory],
        *,
        timeout_s: float,
        max_depth: int,
        holds: HoldLimits,
        found: Callable[[], None],
    ) -> None:
        self._store = store
        self._custody = custody
        self._client = client
        self._directory = directory
        self._timeout_s = timeout_s
        self._max_depth = max_depth
        self._holds = holds
        self._found = found

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                job = await self._store.claim()
                if job is not None:
                    await self._work(job)
                    continue
            except StoreUnavailable as error:
                log.warning("catch_up_waits_for_database", error=str(error))
            try:
                await asyncio.wait_for(stop.wait(), POLL_S)
            except TimeoutError:
                continue

    async def _work(self, job: Job) -> None:
        directory = self._directory()
        platform = directory.platforms.get(job.platform_id)
        if platform is None:
            await self._store.end(job)
            return
        owners = sorted({held.party for held in platform.roles if held.role is Role.CPO})
        tally = Tally()
        try:
            for owner in owners:
                await self._read_all(job, platform, owner, directory, tally)
        except (Unreadable, OcpiError) as error:
            log.warning("catch_up_failed", platform=job.platform_id, reason=str(error))
            await self._store.release(job, RETRY * min(job.attempts, 20), str(error)[:500])
            return
        await self._store.end(job)
        log.info(
            "caught_up",
            platform=job.platform_id,
            module=job.module,
            date_from=job.date_from.isoformat(),
            seen=tally.seen,
            taken=tally.taken,
            broken=tally.broken,
        )

    async def _read_all(
        self, job: Job, platform: Platform, owner: PartyId, directory: Directory, tally: Tally
    ) -> None:
        request = outbound_request(
            self._leg(job, platform, owner, directory.hub), deadline_s=self._timeout_s
        )
        for _ in range(MAX_PAGES):
            answer = await self._page(request)
            for text in _data_elements(answer.body):
                tally.seen += 1
                await self._take(text, platform, directory, tally)
            following = next_link(answer.headers.get("link"))
            if following is None:
                return
            url = absolute_url(request.url, following)
            if url is None:
                raise Unreadable("`Link` is no URL")
            request = outbound_request(
                self._leg(job, platform, owner, directory.hub), deadline_s=self._timeout_s, url=url
            )
        raise Unreadable(f"the list of {owner} has more than {MAX_PAGES} pages")

    def _leg(self, job: Job, platform: Platform, owner: PartyId, hub: PartyId) -> Leg:
        endpoint_url(platform, job.module, InterfaceRole.SENDER)
        return Leg(
            receiver=owner,
            platform=platform,
            sender=hub,
            module=job.module,
            interface_role=InterfaceRole.SENDER,
            method="GET",
            correlation_id=str(uuid.uuid4()),
            query=(("date_from", timestamp(job.date_from)),),
        )

    async def _page(self, request: OutboundRequest) -> Answer:
        exchange = await self._client.send(request)
        if not isinstance(exchange, Answer):
            raise Unreadable(exchange.reason)
        envelope = parse_envelope(exchange.body)
        if exchange.http_status != 200 or envelope is None or not is_success(envelope.status_code):
            code = envelope.status_code if envelope else "no envelope"
            raise Unreadable(f"HTTP {exchange.http_status}, {code}")
        return exchange

    async def _take(
        self, text: str, platform: Platform, directory: Directory, tally: Tally
    ) -> None:
        """One object of a list: into custody, or skipped with a word in the log (TF-19)."""
        try:
            intake = self._intake(text, platform, directory)
        except OcpiError as error:
            tally.broken += 1
            log.warning("listed_object_skipped", platform=platform.platform_id, reason=str(error))
            return
        try:
            taken = await self._custody.take_in(intake)
        except StoreUnavailable:
            raise
        except StoreError as error:
            tally.broken += 1
            log.error("listed_object_not_stored", platform=platform.platform_id, error=str(error))
            return
        if taken.repeat in (None, Repeat.REPLACE):
            tally.taken += 1
            self._found()

    def _intake(self, text: str, platform: Platform, directory: Directory) -> Intake:
        """Raises OcpiError for what cannot be taken."""
        body = text.encode()
        cdr = parse_object(body, CDR, max_depth=self._max_depth).value
        owner = PartyId(cdr.country_code, cdr.party_id)
        if all(held.party != owner for held in platform.roles if held.active):
            raise InvalidRequest(f"{owner} is not a party of this platform")
        payer = PartyId(cdr.cdr_token.country_code, cdr.cdr_token.party_id)
        target = to_party(owner, payer, directory)
        reason = hold_reason(cdr, self._holds)
        pushable = (Module.CDRS.value, InterfaceRole.RECEIVER) in target.platform.endpoints
        start = Start.WAIT if pushable else Start.PULL
        return Intake(
            key=ObjectKey(Module.CDRS.value, owner, cdr.id),
            receiver=payer,
            body=text,
            fingerprint=fingerprint(body),
            last_updated=cdr.last_updated,
            correlation_id=str(uuid.uuid4()),
            start=Start.HOLD if reason else start,
            attempt_id=uuid.uuid4(),
            reason=reason,
            resend=False,
        )


def _data_elements(body: bytes) -> Iterator[str]:
    """The texts of the objects in an envelope's `data`, untouched."""
    try:
        data = dict(members(body.decode())).get("data", "[]")
        yield from elements(data)
    except ValueError:
        raise Unreadable("`data` is not a list") from None
