"""What the platform sends to its peer on request: single messages, many, or a whole list."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from urllib.parse import unquote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainValidator

from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import InterfaceRole, PartyId
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.ocpi.headers import next_link, routing_headers
from ocpi_hub.party.client import Outgoing, SendResult
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.credentials import CredentialsStore, Peer
from ocpi_hub.party.exchange import CONFIGURATION_MODULES, Inbound

MAX_PAGES = 100_000
"""Pages followed in one pull; a peer whose links never end is left after that."""


def _party(value: object) -> PartyId:
    if isinstance(value, PartyId):
        return value
    if isinstance(value, str):
        return PartyId.parse(value)
    raise ValueError("write CC*PID, for instance NL*CPO")


# A party is a tuple: left to itself, pydantic would take a list for one.
PartyText = Annotated[PartyId, PlainValidator(_party)]
"""A party; in JSON written `CC*PID`."""


class SendRequest(BaseModel):
    """One OCPI request to the peer.

    `path` follows the announced endpoint and is sent as it is, so percent-encode it. `url` takes
    the place of module, role and path for links the peer handed out. `raw_body` is sent as it is;
    `body` is encoded anew, which may respell decimals. `headers` come last and win; null removes.
    `sender` (in JSON `from`) defaults to the first party of this platform. `own` changes the
    object in this platform's own table first, whatever then becomes of the request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    method: str = "GET"
    module: str
    role: InterfaceRole | None = None
    path: str = ""
    url: str | None = None
    query: dict[str, str] = {}
    body: JsonValue = None
    raw_body: str | None = None
    to: PartyText | None = None
    sender: PartyText | None = Field(None, alias="from")
    headers: dict[str, str | None] = {}
    timeout_s: float = Field(30.0, gt=0)
    own: bool = False


@dataclass(frozen=True, slots=True)
class PullResult:
    """A list read to its end, or to the first page that failed.

    Attributes:
        objects: parsed objects of all pages that were read.
        failed: the answer that ended the pull early.
    """

    pages: int
    objects: tuple[Any, ...]
    failed: SendResult | None = None


class OwnObjects(Protocol):
    """The objects that this platform owns."""

    def change(self, request: Inbound) -> None: ...


class Client(Protocol):
    """What sends a request and brings the answer."""

    async def send(self, request: Outgoing) -> SendResult: ...


class Outbox:
    """Sends to the registered peer on the endpoints it announced."""

    def __init__(
        self,
        config: PartyConfig,
        credentials: CredentialsStore,
        client: Client,
        own: OwnObjects,
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._client = client
        self._own = own

    async def send(self, request: SendRequest) -> SendResult:
        """Send one request.

        Raises:
            OperatorError: not registered, or the peer did not announce that endpoint.
            OcpiError: an own object was to change, and cannot.
        """
        if request.own:
            self._own.change(_as_inbound(request))
        peer = self._credentials.peer
        if peer is None:
            raise OperatorError("not registered with any platform")
        return await self._client.send(
            Outgoing(
                method=request.method,
                url=_url(peer, request),
                token=peer.our_token,
                module=request.module,
                role=request.role,
                body=_body(request),
                headers={**self._routing(peer, request), **request.headers},
                timeout_s=request.timeout_s,
            )
        )

    def audience(self) -> PartyId | None:
        """Who is addressed by what concerns everybody: the hub, or the only party of a platform.

        None: not registered, or the peer has several parties. Spec: 2.2.1
        transport_and_format_message_routing_broadcast_push.
        """
        peer = self._credentials.peer
        return (peer.hub or peer.only_party) if peer else None

    async def send_many(
        self, requests: Sequence[SendRequest], concurrency: int
    ) -> list[SendResult]:
        """Send all, at most `concurrency` at a time; results in the order of the requests.

        Raises:
            OperatorError, OcpiError: as `send`.
        """
        results: list[SendResult | None] = [None] * len(requests)
        pending = iter(enumerate(requests))

        async def work() -> None:
            for index, request in pending:
                results[index] = await self.send(request)

        await asyncio.gather(*(work() for _ in range(min(concurrency, len(requests)))))
        return [result for result in results if result is not None]

    async def pull(self, request: SendRequest) -> PullResult:
        """Read a list page by page, following the links the peer gives.

        Raises:
            OperatorError: as `send`.
        """
        objects: list[Any] = []
        for page in range(MAX_PAGES):
            result = await self.send(request)
            data = result.data() if result.accepted else None
            if not isinstance(data, list):
                return PullResult(page, tuple(objects), result)
            objects += data
            link = next_link(result.headers.get("link"))
            if link is None:
                return PullResult(page + 1, tuple(objects))
            request = request.model_copy(update={"url": link, "query": {}})
        return PullResult(MAX_PAGES, tuple(objects))

    def _routing(self, peer: Peer, request: SendRequest) -> Mapping[str, str]:
        if request.module in CONFIGURATION_MODULES:
            return {}
        sender = request.sender or self._config.parties[0].party
        return routing_headers(to=request.to or _addressee(peer), sender=sender)


def _addressee(peer: Peer) -> PartyId | None:
    """TO of a request that names nobody: without a hub in between it is not left to the peer.

    Spec: 2.2.1 transport_and_format_message_routing, party to party without hub.
    """
    return None if peer.hub else peer.only_party


def _url(peer: Peer, request: SendRequest) -> str:
    if request.url is not None:
        # Our token must not follow a link to some other machine.
        if _origin(request.url) not in {_origin(url) for url in peer.endpoints.values()}:
            raise OperatorError(f"{request.url} is not on a host the peer announced")
        url = request.url
    else:
        url = _endpoint(peer, request)
        if request.path:
            url = f"{url.rstrip('/')}/{request.path.lstrip('/')}"
    if not request.query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(request.query)}"


def _endpoint(peer: Peer, request: SendRequest) -> str:
    """The endpoint meant; the role may be left out where the peer has one of that module."""
    roles = [request.role] if request.role else list(InterfaceRole)
    urls = {url for role in roles if (url := peer.endpoint(request.module, role)) is not None}
    if len(urls) != 1:
        wanted = f"{request.module} {request.role or '(no role given)'}"
        raise OperatorError(f"the peer announced {len(urls)} endpoints for {wanted}")
    return urls.pop()


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _as_inbound(request: SendRequest) -> Inbound:
    """The request as if it had come in: what it would change at the peer."""
    return Inbound(
        method=request.method,
        path=request.path,
        module=request.module,
        role=request.role,
        tail=tuple(unquote(segment) for segment in request.path.split("/") if segment),
        query=request.query,
        query_string=urlencode(request.query),
        headers={},
        body=_body(request) or b"",
        ids=MessageIds("", ""),
    )


def _body(request: SendRequest) -> bytes | None:
    if request.raw_body is not None:
        return request.raw_body.encode()
    return dump(request.body) if "body" in request.model_fields_set else None
