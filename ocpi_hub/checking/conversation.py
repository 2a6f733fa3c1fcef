"""Asks the partner, remembers what it said, and stops when it has been enough."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from ocpi_hub.checking.model import Limits, Skip, Target
from ocpi_hub.clock import Clock
from ocpi_hub.domain.exchange import Answer, Exchange, OutboundClient, OutboundRequest
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi import headers
from ocpi_hub.ocpi.parse import parse_json
from ocpi_hub.ocpi.status_codes import is_success

MAX_DEPTH = 64
_PATIENCE = 2
"""Times that a request is sent again to a partner that says it has too many of them."""
_LONGEST_WAIT_S = 5.0
_LARGE = 64 * 1024
_NO_JSON = object()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent.

    Attributes:
        good: with the credentials token; others are meant to be refused.
        routed: with routing headers.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    good: bool
    routed: bool


@dataclass(frozen=True)
class Seen:
    """A request and what came of it.

    Attributes:
        most_values: a body with more JSON values is not read.
    """

    asked: Asked
    exchange: Exchange
    seconds: float
    most_values: int = Limits().answer_values

    @property
    def failure(self) -> str | None:
        """Why there is no answer; None when there is one."""
        return None if isinstance(self.exchange, Answer) else self.exchange.reason

    @property
    def http(self) -> int:
        """The HTTP status; 0 without an answer."""
        return self.exchange.http_status if isinstance(self.exchange, Answer) else 0

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the answer, names in lower case."""
        return self.exchange.headers if isinstance(self.exchange, Answer) else {}

    @property
    def body(self) -> bytes:
        return self.exchange.body if isinstance(self.exchange, Answer) else b""

    def read(self) -> None:
        """Parse the body now."""
        _ = self._read

    @functools.cached_property
    def values(self) -> int:
        """About how many JSON values the body has, if it is JSON."""
        return sum(map(self.body.count, (b",", b"[", b"{")))

    @functools.cached_property
    def _read(self) -> tuple[object, str]:
        if self.values > self.most_values:
            return _NO_JSON, f"The body has more than {self.most_values} values: too many to read"
        try:
            return parse_json(self.body, max_depth=MAX_DEPTH), ""
        except InvalidRequest as error:
            return _NO_JSON, error.message

    @property
    def is_json(self) -> bool:
        return self._read[0] is not _NO_JSON

    @property
    def value(self) -> object:
        """The JSON of the body; None when it is none."""
        return self._read[0] if self.is_json else None

    @property
    def json_fault(self) -> str:
        """Why the body cannot be read; "" when it can."""
        return self._read[1]

    @property
    def fields(self) -> Mapping[str, object]:
        """Of the envelope; empty when there is none."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def code(self) -> int | None:
        """The OCPI status code."""
        code = self.fields.get("status_code")
        return code if isinstance(code, int) and not isinstance(code, bool) else None

    @property
    def data(self) -> object:
        return self.fields.get("data")

    @property
    def succeeded(self) -> bool:
        return 200 <= self.http < 300 and self.code is not None and is_success(self.code)

    @property
    def outcome(self) -> str:
        """In a few words."""
        if self.failure is not None:
            return f"no answer: {self.failure}"
        return f"HTTP {self.http}" if self.code is None else f"HTTP {self.http} with {self.code}"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request differs from an ordinary one.

    Attributes:
        authorization: the header in place of the right one; "" leaves it out, None keeps it.
        set_headers: added to the ordinary ones.
        left_out: names of headers that are not sent.
        lower_case: names of headers are in lower case.
    """

    authorization: str | None = None
    set_headers: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    lower_case: bool = False


ORDINARY = Manner()


class Conversation:
    """All requests of one run, one after the other.

    Attributes:
        said: every exchange so far.
        raw: the token travels without Base64.
        sender: FROM on functional modules.
    """

    def __init__(
        self, client: OutboundClient, target: Target, limits: Limits, clock: Clock
    ) -> None:
        self._client = client
        self._token = target.token
        self.sender = target.sender
        self._limits = limits
        self._clock = clock
        self._until = clock.monotonic() + limits.total_s
        self._remembered: dict[tuple[object, ...], Seen] = {}
        self._bytes = 0
        self._values = 0
        self.said: list[Seen] = []
        self.raw = target.raw

    async def ask(
        self,
        url: str,
        *,
        to: PartyId | None = None,
        routed: bool = False,
        method: str = "GET",
        body: bytes | None = None,
        manner: Manner = ORDINARY,
        again: bool = False,
        takes_back: bool = False,
    ) -> Seen:
        """Send a request, or say what came of the same one before.

        Args:
            to, routed: a functional module's requests carry routing headers.
            again: send it although it was sent before.
            takes_back: what a check has written; sent even if the run may ask nothing more.

        Raises:
            Skip: the run has asked for all it may.
        """
        sent = self._headers(to, body, manner, routed=routed)
        unique = {headers.REQUEST_ID.lower(), headers.CORRELATION_ID.lower()}
        named = tuple((name, text) for name, text in sent.items() if name.lower() not in unique)
        key = (method, url, body, named, manner.left_out, tuple(manner.set_headers.items()))
        if not again and key in self._remembered:
            return self._remembered[key]
        asked = Asked(method, url, sent, body, manner.authorization is None, routed)
        seen = await (self._send(asked) if takes_back else self._patiently(asked))
        self._remembered[key] = seen
        return seen

    def _headers(
        self, to: PartyId | None, body: bytes | None, manner: Manner, *, routed: bool
    ) -> dict[str, str]:
        sent = headers.id_headers(MessageIds(headers.new_id(), headers.new_id()))
        if manner.authorization is None:
            sent[headers.AUTHORIZATION] = headers.authorization(self._token, raw=self.raw)
        elif manner.authorization:
            sent[headers.AUTHORIZATION] = manner.authorization
        if routed:
            sent |= headers.routing_headers(to=to, sender=self.sender)
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent |= manner.set_headers
        return {
            name.lower() if manner.lower_case else name: text
            for name, text in sent.items()
            if name not in manner.left_out
        }

    async def _patiently(self, asked: Asked) -> Seen:
        for _ in range(_PATIENCE):
            self._require_room()
            seen = await self._send(asked)
            wait = _asked_to_wait(seen)
            if wait is None:
                return seen
            await self._clock.sleep(min(wait, _LONGEST_WAIT_S, self._left_s()))
        self._require_room()
        seen = await self._send(asked)
        if _asked_to_wait(seen) is not None:
            raise Skip(f"the partner limits how often it may be asked (HTTP {seen.http})")
        return seen

    def _require_room(self) -> None:
        limits = self._limits
        if len(self.said) >= limits.requests:
            raise Skip(f"a run sends at most {limits.requests} requests")
        if self._bytes >= limits.total_bytes:
            raise Skip(f"a run reads at most {limits.total_bytes >> 20} MB")
        if self._values >= limits.total_values:
            raise Skip(f"a run reads at most {limits.total_values} values")
        if self._left_s() <= 0:
            raise Skip(f"a run takes at most {limits.total_s:g} seconds")

    async def _send(self, asked: Asked) -> Seen:
        deadline_s = min(self._limits.request_s, self._left_s()) or self._limits.request_s
        request = OutboundRequest(
            asked.method, asked.url, "check", deadline_s, asked.headers, asked.body
        )
        began = self._clock.monotonic()
        exchange = await self._client.send(request)
        took, most = self._clock.monotonic() - began, self._limits.answer_values
        seen = Seen(asked, exchange, took, most)
        self._bytes += len(seen.body)
        self._values += min(seen.values, most)
        if len(seen.body) > _LARGE:
            # Others on this loop do not wait while it is read.
            await asyncio.to_thread(seen.read)
        self.said.append(seen)
        return seen

    def _left_s(self) -> float:
        return max(0.0, self._until - self._clock.monotonic())


def _asked_to_wait(seen: Seen) -> float | None:
    """Seconds after which to ask again, of a partner that has too much to do."""
    after = seen.headers.get("retry-after", "")
    if seen.http != 429 and not (seen.http == 503 and after):
        return None
    return float(after) if after.isdecimal() and len(after) < 6 else 1.0
