"""Custom modules: forwarded between parties whose platforms have both agreed on them. Pure.

The hub knows nothing of what such a module does: TO says who receives a message, and nothing else
can. The path is whatever the partners made up, and goes out with the hub's credentials for the
receiver's platform, so it must stay within what the receiver announced for this module.

Spec: 2.2.1 version_information_endpoint_custom_modules, transport_and_format_message_routing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message
from ocpi_hub.domain.party import Module, Platform
from ocpi_hub.errors import (
    HubRoutingError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotPermitted,
    UnknownReceiver,
)
from ocpi_hub.ocpi.places import DECODINGS, simplest
from ocpi_hub.routing.route import ToParty, to_party

METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
"""All that OCPI knows. Spec: 2.2.1 transport_and_format_request_format."""

MAX_SEGMENTS: Final = 100
"""Of a path: each is looked at in several ways."""

_IDENTIFIER: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")
_TAKEN: Final = frozenset(Module) | {"versions", "other"}
_SEPARATORS: Final = re.compile(r"[/\\]")


def custom_module(text: str) -> str:
    """The identifier of a custom module, as the hub compares it.

    Raises:
        ValueError: it is none, or the specification's own.
    """
    identifier = text.lower()
    if not _IDENTIFIER.fullmatch(identifier):
        raise ValueError(
            f"{text[:100]!r} is no module identifier: write lower-case letters, digits, . _ and -,"
            " best with the country code and party id of its maker in front: nltnm-tokens"
        )
    if identifier in _TAKEN:
        raise ValueError(f"{identifier} is no custom module")
    return identifier


def custom_target(message: Message, directory: Directory) -> ToParty:
    """Who receives a message of a custom module.

    Raises:
        NotFound: the module is not agreed on with the sender's platform.
        MethodNotAllowed: no method of OCPI.
        NotPermitted: the sender's platform has not announced it.
        InvalidRequest: the path leads out of the module, or has too many segments.
        UnknownReceiver: TO is absent, the hub, or unknown: there is no broadcast, nothing in the
            content that could be understood, and nothing in the store.
        ReceiverNotConnected: no relation, or the receiver is not connected.
        HubRoutingError: the receiver's platform does not take part.
    """
    if message.module not in message.platform.custom_modules:
        raise NotFound("This hub offers no such module in this version: see /ocpi/versions")
    if message.method not in METHODS:
        allowed = ", ".join(METHODS)
        raise MethodNotAllowed(
            f"{message.method[:20]} is no method of OCPI: use {allowed}",
            headers={"Allow": allowed},
        )
    if not _announced(message.platform, message.module):
        raise NotPermitted(
            f"Your version details do not announce {message.module}: add it, then PUT credentials"
        )
    _require_plain(message.path)
    if message.to is None or message.to == directory.hub:
        raise UnknownReceiver(
            f"{message.module} goes to one party: set the OCPI-to headers to it, not to the hub"
        )
    target = to_party(message.sender, message.to, directory)
    _require_taking_part(message, target)
    return target


def require_own_url(url: str, message: Message, target: ToParty) -> None:
    """The URL to call must not be one of another module's, announced below this one's: whoever may
    use a custom module may not therefore use, say, the credentials module in the hub's name.

    Args:
        url: without its query.

    Raises:
        NotPermitted: it is.
    """
    base = _announced_place(target.platform.endpoints[message.module, message.interface_role])
    called = simplest(url)  # once: it is as long as its sender likes
    if any(map(called.startswith, _of_others(target.platform, message.module, base))):
        raise NotPermitted(f"This path of {message.module} belongs to another module")


def _announced(platform: Platform, module: str) -> bool:
    return any(identifier == module for identifier, _ in platform.endpoints)


def _require_taking_part(message: Message, target: ToParty) -> None:
    platform, module, role = target.platform, message.module, message.interface_role
    if module not in platform.custom_modules or (module, role) not in platform.endpoints:
        raise HubRoutingError(f"The receiver's platform offers no {module} {role}")
    if platform.version != message.version:
        raise HubRoutingError(
            f"{target.receiver} is connected with another version of OCPI,"
            f" into which {module} cannot be translated"
        )


def _require_plain(path: tuple[str, ...]) -> None:
    """Servers differ in when they decode a path and what they take for a separator."""
    if len(path) > MAX_SEGMENTS:
        raise InvalidRequest(f"The URL has more than {MAX_SEGMENTS} segments after the module")
    for segment in path:
        if any(piece in (".", "..") for piece in _pieces(segment)):
            raise InvalidRequest("The URL leads out of the module")


def _pieces(segment: str) -> Iterator[str]:
    """What a segment might be taken for, decoded again and again."""
    for _ in range(DECODINGS):
        for piece in _SEPARATORS.split(segment):
            yield piece.partition(";")[0].strip()
        decoded = unquote(segment)
        if decoded == segment:
            return
        segment = decoded
    raise InvalidRequest("The URL is percent-encoded several times over")


def _of_others(platform: Platform, module: str, base: str) -> Iterator[str]:
    """Places of the same platform that can be reached from this module's. Two modules may share
    one, but none shares that of a configuration module."""
    for (identifier, _), url in platform.endpoints.items():
        place = _announced_place(url)
        shared = place == base and identifier != Module.CREDENTIALS
        if identifier != module and place.startswith(base) and not shared:
            yield place
    if platform.versions_url is not None:
        place = _announced_place(platform.versions_url)
        if place.startswith(base):
            yield place


@functools.lru_cache(maxsize=1024)
def _announced_place(url: str) -> str:
    return simplest(url)
