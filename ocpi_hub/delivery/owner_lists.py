"""One page of an owner's list, by the SENDER interface its platform announced."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from ocpi_hub.delivery.leg import Leg, absolute_url, endpoint_url, outbound_request
from ocpi_hub.delivery.listed import data_elements
from ocpi_hub.domain.exchange import Answer, LegKind, OutboundClient, OutboundRequest
from ocpi_hub.domain.party import InterfaceRole, PartyId, Platform
from ocpi_hub.errors import HubError
from ocpi_hub.ocpi.envelope import parse_envelope, timestamp
from ocpi_hub.ocpi.headers import next_link
from ocpi_hub.ocpi.status_codes import is_success

LARGE: Final = 65_536
"""Bytes of a page above which it is read beside the event loop."""
MOST_OBJECTS: Final = 100_000
"""Of a page: more are not read, however small."""
MOST_VALUES: Final = 800_000
"""Of a page, all fields of its objects counted; a page of full size has fewer."""


class Unreadable(HubError):
    """A list could not be read; the text says where and why.

    Attributes:
        answered: there was an answer, so that the same request would get it again.
        retry_after_s: how long the partner asks to be left alone.
    """

    def __init__(self, reason: str, *, answered: bool = True, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.answered = answered
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class OwnerList:
    """A list to read.

    Attributes:
        hub: who asks.
        date_from: None: everything.
    """

    owner: PartyId
    platform: Platform
    hub: PartyId
    module: str
    date_from: datetime | None


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page.

    Attributes:
        texts: of its objects, untouched.
        url: where it was.
        following: where the next one is; None after the last.
        total: how many objects the whole list has, if the partner says so.
    """

    texts: list[str]
    url: str
    following: str | None
    total: int | None = None


class OwnerLists:
    """Reads pages; `timeout_s` are the seconds that one may take."""

    def __init__(self, client: OutboundClient, *, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def page(
        self, wanted: OwnerList, url: str | None, stop: asyncio.Event
    ) -> ListPage | None:
        """The page at `url`, or the first; None when the service stops meanwhile.

        Raises:
            Unreadable: there is none, or one that leads astray.
            OcpiError: the platform cannot be asked.
        """
        request = self._request(wanted, url)
        answer = await self._answer(request, stop)
        if answer is None:
            return None
        texts = await _apart(_read, answer)
        following = _following(answer, request, wanted)
        return ListPage(texts, request.url, following, _count(answer.headers.get("x-total-count")))

    def _request(self, wanted: OwnerList, url: str | None) -> OutboundRequest:
        dated = wanted.date_from
        leg = Leg(
            receiver=wanted.owner,
            platform=wanted.platform,
            sender=wanted.hub,
            module=wanted.module,
            interface_role=InterfaceRole.SENDER,
            method="GET",
            correlation_id=str(uuid.uuid4()),
            query=(("date_from", timestamp(dated)),) if dated else (),
            kind=LegKind.CATCH_UP,
        )
        # A stored URL is good as long as the platform's endpoint has not moved since.
        known = url is not None and _origin(url) == _origin(_endpoint(wanted))
        return outbound_request(leg, deadline_s=self._timeout_s, url=url if known else None)

    async def _answer(self, request: OutboundRequest, stop: asyncio.Event) -> Answer | None:
        sending = asyncio.ensure_future(self._client.send(request))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                return None
            exchange = sending.result()
        finally:
            stopping.cancel()
            sending.cancel()
        if not isinstance(exchange, Answer):
            raise Unreadable(exchange.reason, answered=False)
        return exchange


async def _apart(read: Callable[[Answer], list[str]], answer: Answer) -> list[str]:
    """What is read in an answer; a large one must not hold up all others on the event loop."""
    if len(answer.body) <= LARGE:
        return read(answer)
    return await asyncio.to_thread(read, answer)


def _read(answer: Answer) -> list[str]:
    """The objects of a page.

    Raises:
        Unreadable: it is none, or made to keep its reader busy.
    """
    if answer.body.count(b",") > MOST_VALUES:
        raise Unreadable(f"a page with more than {MOST_VALUES} values")
    envelope = parse_envelope(answer.body)
    if answer.http_status != 200 or envelope is None or not is_success(envelope.status_code):
        code = envelope.status_code if envelope else "no envelope"
        raise Unreadable(
            f"HTTP {answer.http_status}, {code}",
            answered=answer.http_status != HTTPStatus.TOO_MANY_REQUESTS,
            retry_after_s=_seconds(answer.headers.get("retry-after")),
        )
    if isinstance(envelope.data, list) and len(envelope.data) > MOST_OBJECTS:
        raise Unreadable(f"a page with more than {MOST_OBJECTS} objects")
    try:
        return data_elements(answer.body)
    except ValueError:
        raise Unreadable("`data` is not a list") from None


def _seconds(retry_after: str | None) -> float:
    """A Retry-After in seconds; one that is a date counts for nothing."""
    return float(_count(retry_after) or 0)


def _count(header: str | None) -> int | None:
    """A whole number in a header."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _following(answer: Answer, request: OutboundRequest, wanted: OwnerList) -> str | None:
    """The page after this one, which the hub's credentials may be sent to."""
    link = next_link(answer.headers.get("link"))
    if link is None:
        return None
    url = absolute_url(request.url, link)
    if url is None or _origin(url) is None or _origin(url) != _origin(_endpoint(wanted)):
        raise Unreadable("`Link` does not lead to the announced endpoint's server")
    return url


def _endpoint(wanted: OwnerList) -> str:
    return endpoint_url(wanted.platform, wanted.module, InterfaceRole.SENDER)


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme,
            parts.hostname,
            parts.port or {"http": 80, "https": 443}.get(parts.scheme),
        )
    except ValueError:
        return None
