"""Message records: what is noted when a request ends, and what becomes of it.

Whoever serves or sends a request only notes what is at hand (`Recorder`), which costs microseconds
and never waits. Masking and storing happen later, in the writer's turn (`shaped`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.header_privacy import recorded_headers
from ocpi_hub.delivery.message_privacy import (
    Mask,
    recordable_body,
    recorded_body,
    recorded_error,
    recorded_target,
)
from ocpi_hub.domain.exchange import (
    Answer,
    Busy,
    Exchange,
    LegInfo,
    NoAnswer,
    OutboundClient,
    OutboundRequest,
    Unreachable,
)
from ocpi_hub.domain.message import Reply
from ocpi_hub.domain.message_record import MessageRecord, Outcome, SeenLeg
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.ocpi.envelope import parse_envelope

Offer = Callable[[SeenLeg], object]
"""Takes a leg for its record, or drops it. Never waits, never fails."""

BODIES_UP_TO = 1000
"""Records that may wait to be written; while there are more, bodies are left out."""

_STATUS = re.compile(rb'"status_code"\s*:\s*([1-9]\d{3})(?!\d)')
_WINDOW = 1024
_PARSED = 65_536
_METHOD = 20


class Recorder:
    """Notes requests that have ended.

    Args:
        body_bytes: of each body, at most; 0: neither headers nor bodies are recorded.
        waiting: how many records wait to be written.
    """

    def __init__(
        self,
        offer: Offer,
        clock: Clock,
        *,
        body_bytes: int,
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        self._offer = offer
        self._clock = clock
        self._body_bytes = body_bytes
        self._waiting = waiting
        self._read: tuple[bytes, int | None] = b"", None

    def inbound(
        self,
        about: LegInfo,
        method: str,
        target: str,
        body: bytes,
        reply: Reply,
        *,
        elapsed_s: float,
        error: str | None,
        headers: Mapping[str, str] | None = None,
        answer_headers: Mapping[str, str] | None = None,
    ) -> None:
        """A request of a platform was answered.

        Args:
            target: path and query as they came.
            error: the hub's own words for why it failed.
            headers, answer_headers: as they came, and as they go out.
        """
        # By position, here and below: twice for each request, names cost as much as the rest.
        self._note(
            about,
            method,
            target,
            body,
            reply.http_status,
            reply.body,
            elapsed_s,
            Outcome.ANSWERED,
            error,
            headers,
            answer_headers,
        )

    def outbound(self, request: OutboundRequest, exchange: Exchange, *, elapsed_s: float) -> None:
        """A request of the hub has ended."""
        about = request.about
        if about is None:
            return
        http: int | None = None
        answer: bytes | None = None
        error: str | None = None
        answer_headers: Mapping[str, str] | None = None
        match exchange:
            case Answer():
                outcome, http, answer = Outcome.ANSWERED, exchange.http_status, exchange.body
                answer_headers = exchange.headers
            case Busy():
                outcome, error = Outcome.BUSY, exchange.reason
            case Unreachable():
                outcome, error = Outcome.UNREACHABLE, exchange.reason
            case NoAnswer():
                outcome, error = Outcome.NO_ANSWER, exchange.reason
            case _:
                assert_never(exchange)
        self._note(
            about,
            request.method,
            request.url,
            request.body or b"",
            http,
            answer,
            elapsed_s,
            outcome,
            error,
            request.headers,
            answer_headers,
        )

    def _note(
        self,
        about: LegInfo,
        method: str,
        url: str,
        body: bytes,
        http: int | None,
        answer: bytes | None,
        elapsed_s: float,
        outcome: Outcome,
        error: str | None,
        headers: Mapping[str, str] | None,
        answer_headers: Mapping[str, str] | None,
    ) -> None:
        seen = SeenLeg(
            about,
            method,
            url,
            self._clock.now(),
            elapsed_s,
            outcome,
            http,
            None if answer is None else self._status_code(answer),
            error,
            len(body),
            None if answer is None else len(answer),
        )
        most = self._body_bytes
        if most and self._waiting() <= BODIES_UP_TO:
            with_bodies = recordable_body(about.module)
            seen = replace(
                seen,
                request_body=body[:most] if with_bodies else None,
                response_body=answer[:most] if with_bodies and answer is not None else None,
                cut=with_bodies and (len(body) > most or len(answer or b"") > most),
                request_headers=headers,
                response_headers=answer_headers,
            )
        self._offer(seen)

    def _status_code(self, body: bytes) -> int | None:
        """What is passed on as it came is noted twice, one right after the other."""
        if body is not self._read[0]:
            self._read = body, status_code(body)
        return self._read[1]


class RecordedClient:
    """An outbound client whose requests are noted.

    Args:
        answered: told about platforms that answer.
    """

    def __init__(
        self,
        client: OutboundClient,
        recorder: Recorder,
        clock: Clock,
        *,
        answered: Callable[[PlatformId], None] | None = None,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._answered = answered

    async def send(self, request: OutboundRequest) -> Exchange:
        started = self._clock.monotonic()
        exchange: Exchange = NoAnswer("the request could not be made")
        try:
            exchange = await self._client.send(request)
        except asyncio.CancelledError:
            exchange = NoAnswer("the hub stopped waiting")
            raise
        finally:
            elapsed_s = self._clock.monotonic() - started
            self._recorder.outbound(request, exchange, elapsed_s=elapsed_s)
        if (
            self._answered is not None
            and isinstance(exchange, Answer)
            and exchange.http_status < 500
        ):
            self._answered(PlatformId(request.limit_key))
        return exchange


def status_code(body: bytes) -> int | None:
    """The status code of an envelope, without reading all of a large one."""
    if len(body) <= 2 * _WINDOW:
        found = set(_STATUS.findall(body))
    else:
        found = {*_STATUS.findall(body[:_WINDOW]), *_STATUS.findall(body[-_WINDOW:])}
    if len(found) == 1:
        return int(found.pop())
    if len(body) > _PARSED:
        return None
    envelope = parse_envelope(body)
    return envelope.status_code if envelope else None


def shaped(seen: SeenLeg, mask: Mask, hidden: tuple[str, ...] = ()) -> MessageRecord:
    """The record of a leg, with everything masked that has to be.

    Args:
        hidden: names of fields in bodies that are masked besides those that always are.
    """
    about = seen.about
    path, secrets = recorded_target(about, seen.url, mask)
    request, response = seen.request_body, seen.response_body
    # By position: made twice for each request, and names cost as much again as the values.
    return MessageRecord(
        seen.ended_at - timedelta(seconds=seen.elapsed_s),
        about.kind,
        about.platform_id,
        about.sender,
        about.receiver,
        about.module,
        about.interface_role,
        seen.method[:_METHOD],
        path,
        seen.http,
        seen.ocpi,
        round(seen.elapsed_s * 1000, 2),
        about.ids.correlation_id,
        about.ids.request_id,
        seen.request_bytes,
        seen.response_bytes,
        seen.outcome,
        None if seen.error is None else recorded_error(seen.error, secrets, mask),
        request and recorded_body(about.module, request, mask, hidden),
        response and recorded_body(about.module, response, mask, hidden),
        seen.cut,
        None if seen.request_headers is None else recorded_headers(seen.request_headers),
        None if seen.response_headers is None else recorded_headers(seen.response_headers),
    )
