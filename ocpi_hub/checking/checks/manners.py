"""Requests that are unusual, and still right: whoever answers the usual ones answers these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ocpi_hub.checking.conversation import Manner, Seen
from ocpi_hub.checking.model import Check, Notes, Run, Severity, Skip
from ocpi_hub.checking.partner import SENDER, Partner
from ocpi_hub.checking.reading import Listing
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi import headers

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

_LONG_ID = "check.0001:of-36-characters-and-more_0123456789"
_IDS = frozenset({headers.REQUEST_ID, headers.CORRELATION_ID})
_SOMEBODY = PartyId("ZZ", "ZZZ")


def same_with(manner: Callable[[Partner], Manner], what: str) -> Run:
    """That versions and one list are answered as before when requests differ in this way."""

    async def run(partner: Partner, notes: Notes) -> None:
        changed = manner(partner)
        if not (await partner.versions()).succeeded:
            raise Skip("the versions endpoint does not answer ordinary requests either")
        _judge(await partner.versions(changed), notes, what)
        for listing in await _lists(partner):
            query = {**listing.query, "limit": "1"}
            seen = await partner.ask(listing.module, SENDER, query=query, manner=changed)
            _judge(seen, notes, what)

    return run


async def _lists(partner: Partner) -> list[Listing]:
    try:
        return (await partner.listings())[:1]
    except Skip:
        return []


def _judge(seen: Seen, notes: Notes, what: str) -> None:
    notes.saw(seen)
    if not seen.succeeded:
        notes.fault(f"{what}: {seen.outcome}", seen)


async def unusual_ids(partner: Partner, notes: Notes) -> None:
    sent = {headers.REQUEST_ID: _LONG_ID, headers.CORRELATION_ID: f"{_LONG_ID}/c"}
    seen = await partner.versions(Manner(set_headers=sent))
    _judge(seen, notes, "message ids that are no UUIDs")
    if seen.succeeded and any(seen.headers.get(n.lower(), t) != t for n, t in sent.items()):
        notes.fault("message ids that are no UUIDs come back changed", seen)


async def trailing_slash(partner: Partner, notes: Notes) -> None:
    for listing in await partner.listings():
        base = listing.url.partition("?")[0]
        other = listing.url.replace(base, base.rstrip("/") + ("" if base.endswith("/") else "/"), 1)
        seen = await partner.follow(listing, other)
        notes.saw(seen)
        if not seen.succeeded:
            which = "without its" if base.endswith("/") else "with a"
            notes.fault(f"{listing.module}: {seen.outcome} {which} trailing slash", seen)


async def unknown_parameter(partner: Partner, notes: Notes) -> None:
    for listing in await partner.listings():
        seen = await partner.page(listing, check="1", limit="1")
        notes.saw(seen)
        if not seen.succeeded:
            notes.fault(f"{listing.module}: {seen.outcome} with a parameter nobody knows", seen)


def not_found(url_of: Callable[[Partner], Awaitable[str]]) -> Run:
    async def run(partner: Partner, notes: Notes) -> None:
        seen = await partner.conversation.ask(await url_of(partner))
        notes.saw(seen)
        if seen.http != 404:
            notes.fault(f"expected HTTP 404, got {seen.outcome}", seen)

    return run


async def _unknown_path(partner: Partner) -> str:
    return f"{(await partner.details_url()).rstrip('/')}/check-unknown-path"


async def wrong_method(partner: Partner, notes: Notes) -> None:
    seen = await partner.conversation.ask(partner.target.versions_url, method="OPTIONS")
    notes.saw(seen)
    if seen.succeeded and isinstance(seen.data, list):
        notes.fault("OPTIONS is answered like GET", seen)
    elif seen.http >= 500:
        notes.fault(f"OPTIONS is answered with {seen.outcome}", seen)


async def half_receiver(partner: Partner, notes: Notes) -> None:
    for listing in (await partner.listings())[:1]:
        if listing.module == "hubclientinfo":
            raise Skip("the partner serves no list of a functional module")
        manner = Manner(left_out=frozenset({headers.TO_PARTY}))
        seen = await partner.ask(listing.module, SENDER, query=listing.query, manner=manner)
        notes.saw(seen)
        if seen.succeeded:
            notes.remark("half of TO is taken as no TO")
        elif seen.http >= 500:
            notes.fault(f"half of TO is answered with {seen.outcome}", seen)


async def unknown_receiver(partner: Partner, notes: Notes) -> None:
    listing = (await partner.listings())[0]
    if listing.module == "hubclientinfo":
        raise Skip("the partner serves no list of a functional module")
    somebody = headers.routing_headers(to=_SOMEBODY, sender=None)
    manner = Manner(set_headers=somebody)
    seen = await partner.ask(listing.module, SENDER, query=listing.query, manner=manner)
    notes.saw(seen)
    if seen.succeeded and seen.data:
        notes.fault(f"a list for {_SOMEBODY}, which is no party here, has objects", seen)
    elif seen.http >= 500:
        notes.fault(f"TO of a party that is not here: {seen.outcome}", seen)


async def foreign_sender(partner: Partner, notes: Notes) -> None:
    listing = (await partner.listings())[0]
    if listing.module == "hubclientinfo" or not await partner.is_hub():
        raise Skip("only a hub knows which parties may send")
    manner = Manner(set_headers=headers.routing_headers(to=None, sender=_SOMEBODY))
    seen = await partner.ask(listing.module, SENDER, query=listing.query, manner=manner)
    notes.saw(seen)
    if seen.succeeded:
        notes.fault(f"FROM {_SOMEBODY}, which is no party of this platform, is accepted", seen)


async def no_keep_alive(partner: Partner, notes: Notes) -> None:
    answered = [seen for seen in partner.said if seen.failure is None]
    if not answered:
        raise Skip("there were no answers")
    notes.saw(answered[-1])
    closed = [seen for seen in answered if "close" in seen.headers.get("connection", "").lower()]
    if len(closed) * 2 > len(answered):
        notes.fault("the connection is closed after most answers", closed[0])


def _routing_on_versions(partner: Partner) -> Manner:
    return Manner(set_headers=headers.routing_headers(to=_SOMEBODY, sender=partner.sender))


async def ignores_routing(partner: Partner, notes: Notes) -> None:
    if not (await partner.versions()).succeeded:
        raise Skip("the versions endpoint does not answer ordinary requests either")
    _judge(await partner.versions(_routing_on_versions(partner)), notes, "with routing headers")


CHECKS = (
    Check("http.header_case", "Names of headers are read in any case", (), MUST,
          "Compare header names without regard to case, as HTTP does; proxies often send them in"
          " lower case.",
          same_with(lambda _partner: Manner(lower_case=True), "header names in lower case")),
    Check("http.unknown_header", "Unknown request headers are ignored", (), SHOULD,
          "Ignore headers that you do not know: proxies add some.",
          same_with(lambda _partner: Manner(set_headers={"X-Unknown": "1"}),
                    "a header that nobody knows")),
    Check("http.trailing_slash", "A trailing slash makes no difference", ("TF-35",), SHOULD,
          "Answer endpoint URLs with and without a trailing slash: partners append paths in"
          " either way.", trailing_slash),
    Check("http.keep_alive", "Connections are kept open", (), INFO,
          "Keep connections open for some minutes: each new one costs both sides a handshake.",
          no_keep_alive),
    Check("headers.no_ids", "Requests without message ids are answered", ("TF-32",), SHOULD,
          "Make up ids where they are missing.",
          same_with(lambda _partner: Manner(left_out=_IDS), "without message ids")),
    Check("headers.unusual_ids", "Message ids need not be UUIDs", ("TF-29", "TF-32"), SHOULD,
          "Treat the ids as text and repeat them as they came.", unusual_ids),
    Check("headers.routing_ignored", "Routing headers on versions are ignored", ("RT-02",), MUST,
          "Do not read routing headers on versions and credentials.", ignores_routing),
    Check("headers.half_receiver", "Half a TO is no accident", ("RT-04",), SHOULD,
          "Answer 2001 when one of the two TO headers is missing.", half_receiver),
    Check("headers.unknown_receiver", "TO of an unknown party brings no objects", ("RT-12",), MUST,
          "Answer 2001 (a hub: 4001) when TO is no party of the platform, never with the objects of"
          " another one.", unknown_receiver),
    Check("headers.foreign_sender", "A hub refuses FROM of others", ("RT-03",), SHOULD,
          "Compare FROM with the roles of the platform whose token came with the request.",
          foreign_sender),
    Check("http.unknown_path", "An unknown path is answered 404", ("ER-03",), MUST,
          "Answer 404, with an envelope.", not_found(_unknown_path)),
    Check("http.unknown_method", "Other methods are not answered like GET", ("ER-08",), SHOULD,
          "Answer 405 to methods that the module does not have.", wrong_method),
    Check("http.unknown_parameter", "Unknown query parameters are ignored", ("TF-12",), SHOULD,
          "Ignore parameters that you do not know: extensions use them.", unknown_parameter),
)  # fmt: skip
