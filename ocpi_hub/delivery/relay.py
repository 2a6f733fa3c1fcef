"""Passing a message on and its answer back, without keeping anything.

Spec: 2.2.1 transport_and_format_message_routing, status_codes_4xxx_hub_errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from ocpi_hub.delivery.leg import Leg, outbound_request
from ocpi_hub.delivery.links import PageLinks, foreign_query
from ocpi_hub.domain.exchange import Answer, Busy, Exchange, NoAnswer, OutboundClient, Unreachable
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.errors import HubRoutingError, ReceiverNotConnected, ReceiverTimeout
from ocpi_hub.ocpi.envelope import parse_envelope
from ocpi_hub.routing.route import ToParty
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

_NEVER_RELAYED = frozenset({401, 403, 429})
_PASSED_HEADERS = ("x-total-count", "x-limit")
_SPELLING = {"x-total-count": "X-Total-Count", "x-limit": "X-Limit"}


def leg_of(
    message: Message,
    target: ToParty,
    *,
    query: tuple[tuple[str, str], ...] | None = None,
    body: bytes | None = None,
    urgent: bool = False,
) -> Leg:
    """The onward leg of a direct or open-routed message: same FROM, same correlation (RT-06).

    A platform has one share of a receiver's limit, however many parties it hosts.

    Args:
        query, body: in place of the message's own.
    """
    return Leg(
        target.receiver,
        target.platform,
        message.sender,
        message.module,
        message.interface_role,
        message.method,
        message.ids.correlation_id,
        message.path,
        foreign_query(message.query) if query is None else query,
        message.body if body is None else body,
        sender_key=message.platform.platform_id,
        urgent=urgent,
    )


class Relay:
    """Sends legs and turns what comes back into replies.

    Args:
        timeout_s: seconds a relayed request may take in all.
        links: rewrites `Link` of relayed lists.
    """

    def __init__(self, client: OutboundClient, links: PageLinks, *, timeout_s: float) -> None:
        self._client = client
        self._links = links
        self._timeout_s = timeout_s

    def send(
        self,
        leg: Leg,
        *,
        deadline_s: float | None = None,
        url: str | None = None,
        late: Callable[[Answer], None] | None = None,
    ) -> Awaitable[Exchange]:
        """Send one leg.

        Args:
            url, late: see `outbound_request`.

        Raises:
            HubRoutingError: the receiver offers no such interface.
            ReceiverNotConnected: the hub has no credentials for it.
        """
        return self._client.send(
            outbound_request(leg, deadline_s=deadline_s or self._timeout_s, url=url, late=late)
        )

    async def pass_on(self, message: Message, target: ToParty) -> Reply:
        """Relay a message and return the receiver's answer as it came (RT-17).

        Raises:
            ReceiverNotConnected: known to be OFFLINE, or not reached: 4003.
            ReceiverTimeout: no answer, or too many requests wait for this receiver: 4002.
            HubRoutingError: an answer that must not be passed on: 4000.
        """
        return self.reply(await self.exchange(message, target), message, target)

    async def exchange(self, message: Message, target: ToParty) -> Exchange:
        """Send a message on.

        Raises:
            ReceiverNotConnected: the receiver is known to be OFFLINE.
            HubRoutingError: it offers no such interface.
        """
        if not target.online:
            raise ReceiverNotConnected(f"{target.receiver} is OFFLINE")
        page = self._links.page_url(message, target) if _is_list(message) else None
        request = outbound_request(leg_of(message, target), deadline_s=self._timeout_s, url=page)
        return await self._client.send(request)

    def reply(self, exchange: Exchange, message: Message, target: ToParty) -> Reply:
        """The reply for the requester. Raises as `pass_on`."""
        answer = answered(exchange, target)
        if _is_withheld(answer.http_status):
            # RT-18: a 401 would blame the requester's own credentials.
            log.warning(
                "receiver_answer_withheld",
                receiver=str(target.receiver),
                module=message.module,
                http_status=answer.http_status,
            )
            raise HubRoutingError(f"{target.receiver} answered HTTP {answer.http_status}")
        if parse_envelope(answer.body) is None:
            raise HubRoutingError(
                f"{target.receiver} answered HTTP {answer.http_status} without an OCPI envelope"
            )
        return Reply(
            answer.http_status,
            answer.body,
            headers=self._headers(answer.headers, message, target),
            sender=target.receiver,
        )

    def _headers(
        self, received: Mapping[str, str], message: Message, target: ToParty
    ) -> dict[str, str]:
        passed = {_SPELLING[name]: received[name] for name in _PASSED_HEADERS if name in received}
        link = self._links.rewritten(received.get("link"), message, target)
        return passed | ({"Link": link} if link else {})


def _is_list(message: Message) -> bool:
    return message.method == "GET" and not message.path


def _is_withheld(http_status: int) -> bool:
    """A redirect would lead the requester to a host where it has no credentials."""
    return http_status in _NEVER_RELAYED or 300 <= http_status < 400 or http_status >= 500


def answered(exchange: Exchange, target: ToParty) -> Answer:
    """The answer, or the hub error that stands for its absence.

    Raises:
        ReceiverNotConnected: the request did not reach the receiver.
        ReceiverTimeout: it may have, but no answer came; or it waited in the hub for too long,
            which says nothing about the receiver's connection.
    """
    match exchange:
        case Answer():
            return exchange
        case Busy(reason=reason):
            raise ReceiverTimeout(f"{target.receiver} was not asked: {reason}")
        case Unreachable(reason=reason):
            raise ReceiverNotConnected(f"{target.receiver} cannot be reached: {reason}")
        case NoAnswer(reason=reason):
            raise ReceiverTimeout(f"{target.receiver} did not answer: {reason}")
