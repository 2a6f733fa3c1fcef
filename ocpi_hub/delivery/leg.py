"""One onward request to a party: URL, headers, body.

Spec: 2.2.1 transport_and_format_interface_endpoints, transport_and_format_message_routing,
transport_and_format_unique_messageg_ids.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, urljoin

from ocpi_hub.domain.exchange import Answer, LegInfo, LegKind, OutboundRequest
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import InterfaceRole, PartyId, Platform, Quirk
from ocpi_hub.domain.value import value
from ocpi_hub.errors import HubRoutingError, InvalidRequest, ReceiverNotConnected
from ocpi_hub.ocpi import headers

_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")
_UNRESERVED_PATH = re.compile(r"[A-Za-z0-9_.~/-]*")


@value
class Leg:
    """What is sent to one party.

    Attributes:
        sender: FROM of the onward leg: the original sender, or the hub for broadcasts.
        path: segments after the endpoint's URL, percent-decoded.
        sender_key: see `OutboundRequest`; "": the sender itself.
        urgent: see `OutboundRequest`.
        kind: why it is sent.
    """

    receiver: PartyId
    platform: Platform
    sender: PartyId
    module: str
    interface_role: InterfaceRole
    method: str
    correlation_id: str
    path: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    sender_key: str = ""
    urgent: bool = False
    kind: LegKind = LegKind.RELAY


def endpoint_url(platform: Platform, module: str, interface_role: InterfaceRole) -> str:
    """The URL that a platform announced (TF-34).

    Raises:
        HubRoutingError: it announced none (RT-15).
    """
    url = platform.endpoints.get((module, interface_role))
    if url is None:
        raise HubRoutingError(f"The receiver's platform offers no {module} {interface_role}")
    return url


def outbound_request(
    leg: Leg,
    *,
    deadline_s: float,
    url: str | None = None,
    late: Callable[[Answer], None] | None = None,
) -> OutboundRequest:
    """The HTTP request of a leg.

    Args:
        deadline_s: seconds for all of it.
        url: use this URL of the receiver instead of endpoint and path.
        late: see `OutboundRequest`.

    Raises:
        HubRoutingError: the platform offers no such interface.
        ReceiverNotConnected: the hub holds no credentials token for it.
        InvalidRequest: see `join_url`.
    """
    platform = leg.platform
    if platform.our_token is None:
        raise ReceiverNotConnected(f"{leg.receiver} is not connected")
    target = url or join_url(
        endpoint_url(platform, leg.module, leg.interface_role),
        _cased(leg),
        leg.query,
        trailing_slash=Quirk.TRAILING_SLASH in platform.quirks,
    )
    ids = MessageIds(headers.message_id(), leg.correlation_id)
    all_headers = {
        **_constant_headers(platform.our_token, platform.quirks, leg.receiver, leg.sender),
        headers.REQUEST_ID: ids.request_id,
        headers.CORRELATION_ID: ids.correlation_id,
    }
    if leg.body:
        all_headers["Content-Type"] = "application/json"
    about = LegInfo(
        leg.kind,
        platform.platform_id,
        leg.sender,
        leg.receiver,
        leg.module,
        leg.interface_role,
        ids,
        platform.endpoints.get((leg.module, leg.interface_role)),
    )
    return OutboundRequest(
        leg.method,
        target,
        platform.platform_id,
        deadline_s,
        all_headers,
        leg.body or None,
        leg.sender_key or str(leg.sender),
        leg.urgent,
        about,
        late,
    )


@functools.lru_cache(maxsize=4096)
def _constant_headers(
    our_token: str, quirks: frozenset[Quirk], receiver: PartyId, sender: PartyId
) -> Mapping[str, str]:
    """What is the same in all requests of one party to another."""
    made = {headers.AUTHORIZATION: headers.authorization(our_token, raw=Quirk.RAW_TOKEN in quirks)}
    if Quirk.NO_ROUTING_HEADERS not in quirks:
        routing = headers.routing_headers(to=receiver, sender=sender)
        lower = Quirk.LOWERCASE_IDS in quirks
        made |= {name: v.lower() if lower else v for name, v in routing.items()}
    return made


def configuration_request(
    platform: Platform,
    module: str,
    interface_role: InterfaceRole,
    *,
    method: str,
    path: tuple[str, ...],
    body: bytes | None,
    deadline_s: float,
) -> OutboundRequest:
    """A request of the hub itself on a configuration module: without routing headers (RT-02).

    Args:
        path: party ids after the endpoint's URL.
        deadline_s: seconds for all of it.

    Raises:
        HubRoutingError: the platform offers no such interface.
        ReceiverNotConnected: the hub holds no credentials token for it.
        InvalidRequest: see `join_url`.
    """
    if platform.our_token is None:
        raise ReceiverNotConnected(f"{platform.platform_id} is not connected")
    lower = Quirk.LOWERCASE_IDS in platform.quirks
    endpoint, ids = endpoint_url(platform, module, interface_role), headers.message_ids({})
    return OutboundRequest(
        method=method,
        url=join_url(
            endpoint,
            tuple(segment.lower() if lower else segment for segment in path),
            trailing_slash=Quirk.TRAILING_SLASH in platform.quirks,
        ),
        limit_key=platform.platform_id,
        deadline_s=deadline_s,
        headers={
            headers.AUTHORIZATION: headers.authorization(
                platform.our_token, raw=Quirk.RAW_TOKEN in platform.quirks
            ),
            **headers.id_headers(ids),
            **({} if body is None else {"Content-Type": "application/json"}),
        },
        body=body,
        sender_key=module,
        about=LegInfo(
            LegKind.PUSH,
            platform.platform_id,
            None,
            None,
            module,
            interface_role,
            ids,
            endpoint,
        ),
    )


def join_url(
    base: str,
    path: tuple[str, ...],
    query: Iterable[tuple[str, str]] = (),
    *,
    trailing_slash: bool = False,
) -> str:
    """Endpoint URL, encoded path segments and query, whatever slash the endpoint ends in.

    Raises:
        InvalidRequest: a segment would lead out of the endpoint, with the hub's credentials.
    """
    if not {".", ".."}.isdisjoint(path):
        raise InvalidRequest("an id in the URL must not be . or ..")
    segments = "/".join(["", *path])
    if not _UNRESERVED_PATH.fullmatch(segments) or segments.count("/") != len(path):
        segments = "".join([f"/{_quoted(segment)}" for segment in path])
    encoded = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in query])
    # An endpoint without a path to add is called exactly as announced.
    url = f"{base.rstrip('/')}{segments}" if segments else base
    if trailing_slash and not url.endswith("/"):
        url += "/"
    return f"{url}?{encoded}" if encoded else url


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


def absolute_url(base: str, reference: str) -> str | None:
    """The URL that a partner's `Location` or `Link` means; None when it is none."""
    try:
        return urljoin(base, reference)
    except ValueError:
        return None


def _cased(leg: Leg) -> tuple[str, ...]:
    """Country code and party id lead the path of client owned objects, in the partner's case."""
    path = leg.path
    owned = leg.interface_role is InterfaceRole.RECEIVER and len(path) >= 3
    if owned and Quirk.LOWERCASE_IDS in leg.platform.quirks:
        return (path[0].lower(), path[1].lower(), *path[2:])
    return path
