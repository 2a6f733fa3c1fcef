"""Requests whose results come later: commands and charging profiles.

    eMSP ──request, its response_url──► hub ──the same, a URL of the hub──► CPO
         ◄──────── what the CPO says at once, as it came ────────
    eMSP ◄──the result, at its response_url── hub ◄──the result, at the hub's URL── CPO
         ──────── what the eMSP answers, as it came ────────►

The CPO has no credentials at the eMSP's host, so its result has to come through the hub. The hub's
URL cannot be guessed, and is of use to the platform of the party that was asked only. Results are
passed on while the CPO waits, and kept nowhere: OCPI knows no retries for them.
docs/decisions/0012 has the reasons.

Spec: 2.2.1 mod_commands_flow, mod_charging_profiles_flow.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ocpi_hub.clock import Clock
from ocpi_hub.delivery.answer_url import AnswerUrl, AnswerUrlStore
from ocpi_hub.delivery.answer_url_limit import AnswerUrlLimit
from ocpi_hub.delivery.leg import Leg, endpoint_url
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, Exchange, NoAnswer, Unreachable
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.party import InterfaceRole
from ocpi_hub.errors import (
    ConfigError,
    InvalidRequest,
    NotFound,
    Overloaded,
    ReceiverNotConnected,
    StoreError,
)
from ocpi_hub.ocpi.envelope import Envelope, parse_envelope
from ocpi_hub.ocpi.places import leads_below
from ocpi_hub.ocpi.response_url import RESPONSE_URL
from ocpi_hub.routing.route import ToParty, to_party
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

MAX_URL = 255
"""Characters of an OCPI URL. Spec: 2.2.1 types_url_type."""

_ID_BYTES = 24
_MAX_ID = 64
_ACCEPTED = "ACCEPTED"
_LONGEST_S = 2**31
"""More than any mapping is kept; what partners name may be too large for anything."""
_LONGEST_PATH = "/ocpi/2.2.1/sender/commands/CANCEL_RESERVATION/"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose result comes later.

    Attributes:
        action, subject, until: see `AnswerUrl`.
        path: what comes in front of the id in the hub's URL.
        leg: the onward leg with this `response_url` in place of the requester's.
    """

    response_url: str
    action: str
    subject: str
    path: tuple[str, ...]
    leg: Callable[[str], Leg]
    until: datetime | None = None


class AsynchronousAnswers:
    """Passes such requests on, and their results back.

    Args:
        keep_s: seconds for which a mapping is kept as a rule.
        limit: on what one platform may wait for.

    Raises:
        ConfigError: `public_url` leaves no room for the hub's URLs.
    """

    def __init__(
        self,
        store: AnswerUrlStore,
        relay: Relay,
        policy: UrlPolicy,
        clock: Clock,
        *,
        public_url: str,
        keep_s: float,
        limit: AnswerUrlLimit,
    ) -> None:
        room = MAX_URL - len(_LONGEST_PATH) - len(_new_id())
        if len(public_url) > room:
            raise ConfigError(f"public_url must have at most {room} characters")
        self._store = store
        self._relay = relay
        self._policy = policy
        self._clock = clock
        self._public_url = public_url
        self._keep_s = keep_s
        self._limit = limit

    async def ask(self, message: Message, target: ToParty, asked: Asked) -> Reply:
        """Pass a request on and return what the receiver says at once, as it came.

        Raises:
            InvalidRequest: the hub may not call the `response_url`.
            ReceiverNotConnected, ReceiverTimeout, HubRoutingError: as `Relay.pass_on`.
            TooManyRequests: the platform waits for too many results already.
            StoreError, Overloaded: the mapping could not be kept; nothing was sent.
        """
        self._check_url(asked.response_url)
        if not target.online:
            raise ReceiverNotConnected(f"{target.receiver} is OFFLINE")
        endpoint_url(target.platform, message.module, message.interface_role)
        await self._limit.take(message.platform)
        answer = AnswerUrl(
            answer_id=_new_id(),
            url=asked.response_url,
            module=message.module,
            action=asked.action,
            subject=asked.subject.upper(),
            requester=message.sender,
            receiver=target.receiver,
            correlation_id=message.ids.correlation_id,
            until=asked.until,
        )
        await self._store.keep(answer)
        url = "/".join(
            (
                f"{self._public_url}/ocpi/{message.version}/sender/{message.module}",
                *asked.path,
                answer.answer_id,
            )
        )
        started = self._clock.monotonic()
        exchange = await self._relay.send(asked.leg(url))
        await self._settle(answer, exchange, self._clock.monotonic() - started)
        return self._relay.reply(exchange, message, target)

    async def expected(self, message: Message, directory: Directory, answer_id: str) -> AnswerUrl:
        """The request to which a result belongs.

        Raises:
            NotFound: there is none, or its result is not this platform's to send: the caller does
                not learn which.
        """
        answer = await self._store.find(answer_id) if len(answer_id) <= _MAX_ID else None
        if answer is not None and answer.module == message.module:
            asked = directory.platform_of(answer.receiver)
            if asked is not None and asked.platform_id == message.platform.platform_id:
                return answer
        raise NotFound("No result is expected at this URL")

    async def pass_back(self, message: Message, answer: AnswerUrl, directory: Directory) -> Reply:
        """Pass a result on to the requester and return its answer as it came (CM-08).

        Raises:
            UnknownReceiver: the requester is gone.
            ReceiverNotConnected, ReceiverTimeout, HubRoutingError: as `Relay.pass_on`; the result
                is not sent again.
        """
        target = to_party(answer.receiver, answer.requester, directory)
        # The id of the result's own message is the one that both ends see (TF-33).
        log.info(
            "asynchronous_result",
            module=message.module,
            action=answer.action,
            requester=str(answer.requester),
            receiver=str(answer.receiver),
            asked_correlation_id=answer.correlation_id,
        )
        if not target.online:
            raise ReceiverNotConnected(f"{target.receiver} is OFFLINE")
        leg = Leg(
            receiver=answer.requester,
            platform=target.platform,
            sender=answer.receiver,
            module=message.module,
            interface_role=InterfaceRole.SENDER,
            method="POST",
            correlation_id=message.ids.correlation_id,
            body=message.body,
            sender_key=message.platform.platform_id,
        )
        return self._relay.reply(await self._relay.send(leg, url=answer.url), message, target)

    def _check_url(self, url: str) -> None:
        """Refuse early what could not be called later; it is checked again when it is (D-10).

        Raises:
            InvalidRequest: the hub must not call it, or it is one of the hub's own URLs.
        """
        reason = self._policy.check(url)
        if reason is None and leads_below(url, f"{self._public_url}/ocpi"):
            reason = "the URL is one of this hub"
        if reason is not None:
            raise InvalidRequest(f"{RESPONSE_URL}: {reason}")

    async def _settle(self, answer: AnswerUrl, exchange: Exchange, elapsed_s: float) -> None:
        """Forget a mapping that nobody needs, and keep one that is needed for longer."""
        timeout_s = result_within_s(exchange)
        try:
            if timeout_s is None:
                await self._store.end(answer.answer_id)
            elif timeout_s + elapsed_s > self._keep_s:
                await self._store.extend(answer.answer_id, timeout_s)
        except (StoreError, Overloaded) as error:
            # What the receiver said is more important; the mapping lives as long as the rest.
            log.warning("answer_url_not_settled", error=type(error).__name__)


def result_within_s(exchange: Exchange) -> int | None:
    """Seconds within which a result may follow by the receiver's own word; 0: it did not say.

    None: no result can follow, because the request did not arrive or was not accepted (CM-10). What
    leaves that open counts as accepted: an answer that is no OCPI, or that of another hub which had
    no answer in time.
    """
    match exchange:
        case Unreachable():
            return None
        case NoAnswer():
            return 0
        case Answer(body=body):
            return _within_s(parse_envelope(body))


def _within_s(envelope: Envelope | None) -> int | None:
    if envelope is None:
        return 0
    data = envelope.data if isinstance(envelope.data, dict) else {}
    result, timeout = data.get("result"), data.get("timeout")
    refused = isinstance(result, str) and result.upper() != _ACCEPTED
    if refused or 2000 <= envelope.status_code < 4000:
        return None
    return min(max(timeout, 0), _LONGEST_S) if isinstance(timeout, int) else 0


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)
