"""What handlers of several modules share: lists, owners, patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ocpi_hub.delivery.links import PARTY_PARAMETER, URL_PARAMETER, PageLinks
from ocpi_hub.delivery.shared import Change, Changed
from ocpi_hub.directory.snapshot import Directory, PartyStatus
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.objects import EVERYBODY, Origin
from ocpi_hub.domain.party import InterfaceRole, PartyId
from ocpi_hub.domain.quality import Subject
from ocpi_hub.errors import InvalidRequest, NotFound, NotOwnUrl, UnknownForPatch, UnknownLocation
from ocpi_hub.ocpi.base import parse_datetime
from ocpi_hub.ocpi.paging import PageRequest, parse_page
from ocpi_hub.ocpi.parse import parse_json, shape_of
from ocpi_hub.routing.route import Route, ToParty
from ocpi_hub.routing.rules import RULES, ModuleRules
from ocpi_hub.server.replies import ok
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

REACHABLE = frozenset({PartyStatus.CONNECTED, PartyStatus.OFFLINE})


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what partners send and get (D-12).

    Attributes:
        object_bytes: of a shared object, however it came to its size.
        page, page_bytes: of a page of a list: objects, and their bytes.
    """

    json_depth: int
    object_bytes: int
    page: int
    page_bytes: int


def addressed_by_link(message: Message, links: PageLinks) -> Message:
    """A list request whose link names the responder, with TO filled in (RT-42)."""
    party = links.addressed(message)
    if party is None:
        return message
    if message.to not in (None, party):
        raise InvalidRequest("The page link and the OCPI-to headers name different parties")
    return replace(message, to=party)


def page_asked(message: Message, limits: Limits) -> PageRequest:
    """The page of the hub's own list that a request asks for.

    Raises:
        InvalidRequest: a bad paging parameter.
    """
    refuse_page_link(message)
    maximum = min(limits.page, message.platform.page_limit or limits.page)
    return parse_page(message.query, maximum=maximum, max_bytes=limits.page_bytes)


def refuse_page_link(message: Message) -> None:
    """The hub's own lists need no parameters of relayed ones: somebody changed the link.

    Raises:
        InvalidRequest: there are some.
    """
    if any(message.parameter(name) is not None for name in (PARTY_PARAMETER, URL_PARAMETER)):
        raise InvalidRequest("This page link was changed: follow the Link header as it is")


def owner_in_path(message: Message, *, levels: int = 1) -> PartyId:
    """The owner that a client owned object's URL names; it must be the caller's (TF-25).

    Args:
        levels: how many ids may follow the owner: of the object, and of parts of it.

    Raises:
        NotFound: the path is not `{country_code}/{party_id}/{object_id}`, with parts if there are.
        NotOwnUrl: the party belongs to another platform.
    """
    if not 3 <= len(message.path) < 3 + levels:
        raise NotFound(
            f"{message.module} {message.interface_role} has no such path:"
            " expected /{country_code}/{party_id}/{id}"
        )
    owner = PartyId(message.path[0], message.path[1])
    if all(held.party != owner for held in message.platform.roles if held.active):
        raise NotOwnUrl(f"The URL names {owner}, which is not a party of this platform")
    return owner


def require_same(name: str, in_url: str, in_body: str) -> None:
    """TF-26: what URL and body both say has to agree, case aside.

    Raises:
        InvalidRequest: they differ.
    """
    if in_url.upper() != in_body.upper():
        raise InvalidRequest(f"{name} differs between the URL and the body")


def require_room(size: int, limits: Limits) -> None:
    """A shared object has a size limit of its own: PATCH could make it grow without end.

    Args:
        size: bytes of the object, or of a patch.

    Raises:
        InvalidRequest: it is exceeded.
    """
    if size > limits.object_bytes:
        raise InvalidRequest(
            f"The object would have {size} bytes; this hub keeps {limits.object_bytes} at most"
        )


def patch_fields(message: Message, limits: Limits) -> tuple[datetime, Mapping[str, object]]:
    """`last_updated` of a PATCH body, which has to be there (ER-09), and all its fields.

    Raises:
        MalformedJson: not JSON.
        InvalidRequest: not an object, or without a valid last_updated.
    """
    value = parse_json(message.body, max_depth=limits.json_depth)
    if not isinstance(value, dict):
        raise InvalidRequest(f"The body must be a JSON object, got {shape_of(value)}")
    if "last_updated" not in value:
        raise InvalidRequest("last_updated: is required in a PATCH")
    last_updated = value["last_updated"]
    try:
        return parse_datetime(last_updated if isinstance(last_updated, str) else ""), value
    except ValueError as error:
        shape = shape_of(last_updated)
        raise InvalidRequest(f"last_updated: {error}, got {shape}") from None


def audience_of(route: Route) -> tuple[str, Origin]:
    """The audience that a push has, and how it came (D-16)."""
    if isinstance(route, ToParty):
        return str(route.receiver), Origin.DIRECT
    return EVERYBODY, Origin.BROADCAST


def owners_shown_to(reader: PartyId, rules: ModuleRules, directory: Directory) -> list[PartyId]:
    """Whose objects a GET All may show to a reader: related, connected, owners of the module."""
    owning = RULES[rules.module].callers[InterfaceRole.RECEIVER]
    return sorted(
        party
        for party in directory.parties()
        if not directory.roles_of(party).isdisjoint(owning)
        and directory.status(party) in REACHABLE
        and directory.related(reader, party)
    )


def require_applied(changed: Changed) -> None:
    """Refuse a push that changed nothing because it could not.

    Raises:
        UnknownForPatch: a patch of an object the hub does not hold.
        UnknownLocation: a part of a Location the hub does not hold (LO-09).
        InvalidRequest: the object would be too large.
    """
    if changed is Changed.MISSING:
        raise UnknownForPatch
    if changed is Changed.UNKNOWN_LOCATION:
        raise UnknownLocation("The hub does not hold this Location: PUT it in full")
    if changed is Changed.TOO_LARGE:
        raise InvalidRequest("The object would be larger than this hub keeps")


def changed_reply(changed: Changed, change: Change) -> Reply:
    """The hub's own answer to a push that it stored (ER-04)."""
    match changed:
        case Changed.CREATED:
            return ok(http_status=201)
        case Changed.UPDATED | Changed.UNCHANGED | Changed.DELETED:
            return ok()
        case Changed.STALE | Changed.MISSING | Changed.UNKNOWN_LOCATION | Changed.TOO_LARGE:
            log.info(
                "stale_push_dropped",
                module=change.key.module,
                owner=str(change.key.owner),
                last_updated=change.last_updated.isoformat(),
            )
            return ok(message="The hub holds a newer version; this one was dropped")


def subject_of(message: Message, owner: PartyId | None, object_id: str) -> Subject:
    """What a message brings, as it is counted; arguments as of `Subject`."""
    return Subject(message.platform.platform_id, message.module, owner, object_id)
