"""Lists in pages: headers, limit and offset, links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from ocpi_hub.checking.conversation import Seen
from ocpi_hub.checking.model import Check, Notes, NotPermitted, Run, Severity, Skip
from ocpi_hub.checking.partner import LISTS, SENDER, Partner
from ocpi_hub.checking.reading import Listing, count_in, same_server, total_of
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi import headers
from ocpi_hub.ocpi.base import MAX_URL

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

_ABSURD = 1_000_000_000
_SINCE = "2001-01-01T00:00:00Z"

Judge = Callable[[Partner, Listing, Notes], Awaitable[None]]


def each_list(judge: Judge, *, least: int = 0) -> Run:
    """A check of every list with at least so many objects."""

    async def run(partner: Partner, notes: Notes) -> None:
        eligible = [each for each in await partner.listings() if len(each.items) >= least]
        if not eligible:
            raise Skip(f"no list has {least} objects" if least > 1 else "all lists are empty")
        for listing in eligible:
            await judge(partner, listing, notes)
        if not notes.seen:
            raise Skip("what it needs is missing: see the other checks of paging")

    return run


def names(items: object) -> list[tuple[str, ...]]:
    """What objects are called, to tell them apart."""
    keys = ("country_code", "party_id", "id", "uid", "type", "role")
    listed = items if isinstance(items, list | tuple) else ()
    return [
        tuple(str(each.get(key, "")) for key in keys) for each in listed if isinstance(each, dict)
    ]


async def readable(partner: Partner, notes: Notes) -> None:
    offered = [module for module in LISTS if (module, SENDER) in await partner.endpoints()]
    if not offered:
        raise Skip("the partner serves no list")
    for module in offered:
        query = {"date_from": _SINCE} if module == Module.SESSIONS else {}
        with suppress(NotPermitted):
            seen = await partner.ask(module, SENDER, query=query)
            notes.saw(seen)
            if not seen.succeeded:
                notes.fault(f"{module}: {seen.outcome}", seen)
            elif not isinstance(seen.data, list):
                notes.fault(f"{module}: data is no list", seen)
    if not notes.seen:
        raise Skip("this party may read none of the lists")


async def counted(_partner: Partner, listing: Listing, notes: Notes) -> None:
    notes.saw(listing.first)
    if listing.total is None:
        told = listing.first.headers.get("x-total-count", "missing")[:30]
        notes.fault(f"{listing.module}: X-Total-Count is {told}", listing.first)
    elif listing.total < len(listing.items):
        notes.fault(f"{listing.module}: X-Total-Count is less than one page has", listing.first)


async def limited(_partner: Partner, listing: Listing, notes: Notes) -> None:
    notes.saw(listing.first)
    limit = count_in(listing.first.headers.get("x-limit"))
    if limit is None:
        told = listing.first.headers.get("x-limit", "missing")[:30]
        notes.fault(f"{listing.module}: X-Limit is {told}", listing.first)
    elif limit < len(listing.items):
        notes.fault(f"{listing.module}: the page has more objects than X-Limit", listing.first)


async def one_at_a_time(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await _page(partner, listing, notes, limit="1")
    if len(names(seen.data)) != 1:
        notes.fault(f"{listing.module}: limit=1 brings {len(names(seen.data))} objects", seen)


async def same_total(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await _page(partner, listing, notes, limit="1")
    total = total_of(seen)
    if total is not None and listing.total is not None and total < listing.total:
        notes.fault(f"{listing.module}: X-Total-Count is {total} with limit=1, else"
                    f" {listing.total}", seen)  # fmt: skip


async def absurd_limit(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await _page(partner, listing, notes, limit=str(_ABSURD))
    limit = count_in(seen.headers.get("x-limit"))
    if limit is not None and limit >= _ABSURD:
        notes.fault(f"{listing.module}: limit={_ABSURD} is granted", seen)


async def by_offset(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await _page(partner, listing, notes, offset="1", limit="1")
    if names(seen.data)[:1] != names(listing.items)[1:2]:
        notes.fault(f"{listing.module}: offset=1 does not begin with the second object", seen)


async def past_the_end(partner: Partner, listing: Listing, notes: Notes) -> None:
    if listing.total is None:
        return
    seen = await partner.page(listing, offset=str(listing.total + 1000), limit="10")
    notes.saw(seen)
    if not seen.succeeded or seen.data != []:
        notes.fault(f"{listing.module}: expected an empty list, got {seen.outcome}", seen)


async def linked(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await _page(partner, listing, notes, limit="1")
    left = len(names(seen.data)) < len(listing.items)
    if left and headers.next_link(seen.headers.get("link")) is None:
        told = "missing" if "link" not in seen.headers else 'not `<URL>; rel="next"`'
        notes.fault(f"{listing.module}: Link is {told}, though objects are left", seen)


async def link_leads_back(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await partner.page(listing, limit="1")
    url = headers.next_link(seen.headers.get("link"))
    if url is None:
        return
    notes.saw(seen)
    if "://" not in url:
        notes.fault(f"{listing.module}: the Link is not absolute", seen)
    elif not same_server(url, listing.url):
        notes.fault(f"{listing.module}: the Link leads to another server than the list", seen)
    elif len(url) > MAX_URL:
        notes.fault(f"{listing.module}: the Link has {len(url)} characters", seen)


async def link_keeps_filters(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await partner.page(listing, limit="1", date_from=_SINCE)
    url = headers.next_link(seen.headers.get("link"))
    if url is None or not same_server(url, listing.url):
        return
    notes.saw(seen)
    if "date_from" not in parse_qs(urlsplit(url).query) and "cursor" not in url:
        notes.fault(f"{listing.module}: the Link has lost date_from", seen)


async def second_page(partner: Partner, listing: Listing, notes: Notes) -> None:
    first = await partner.page(listing, limit="1")
    url = headers.next_link(first.headers.get("link"))
    if url is None or not same_server(url, listing.url) or len(names(first.data)) != 1:
        return
    seen = await partner.follow(listing, url)
    notes.saw(seen)
    if names(seen.data)[:1] != names(listing.items)[1:2]:
        notes.fault(f"{listing.module}: the Link does not lead to the second object", seen)


async def last_page(partner: Partner, listing: Listing, notes: Notes) -> None:
    if listing.total is None or listing.total > len(listing.items):
        return
    seen = await _page(partner, listing, notes, offset=str(listing.total - 1), limit="1")
    if seen.headers.get("link"):
        notes.fault(f"{listing.module}: the last page has a Link", seen)


async def stable(partner: Partner, listing: Listing, notes: Notes) -> None:
    again = await partner.ask(listing.module, SENDER, query=listing.query, again=True)
    notes.saw(again)
    before, after = names(listing.items), names(again.data)
    if before != after and sorted(before) == sorted(after):
        notes.fault(f"{listing.module}: the same page has another order", again)


async def whole(partner: Partner, listing: Listing, notes: Notes) -> None:
    if listing.total is None:
        return
    crawl = await partner.crawl(listing.module)
    notes.saw(*crawl.pages[:2])
    found = names(crawl.items)
    twice = len(found) - len(set(found))
    if twice:
        notes.fault(f"{listing.module}: {twice} objects come twice", crawl.pages[-1])
    ended = headers.next_link(crawl.pages[-1].headers.get("link")) is None
    last = total_of(crawl.pages[-1])
    if ended and len(crawl.pages) > 1 and last is not None and len(found) < last:
        text = f"{listing.module}: all pages have {len(found)} objects, X-Total-Count is {last}"
        notes.fault(text, crawl.pages[-1])


def refuses(parameter: str, value: str) -> Run:
    """That a parameter which cannot be read is answered 2001."""

    async def judge(partner: Partner, listing: Listing, notes: Notes) -> None:
        seen = await partner.page(listing, **{parameter: value})
        notes.saw(seen)
        if seen.code is None or not 2000 <= seen.code < 3000:
            text = f"{listing.module}: {parameter}={value} is answered with {seen.outcome}"
            notes.fault(text, seen)

    return each_list(judge)


async def _page(partner: Partner, listing: Listing, notes: Notes, **query: str) -> Seen:
    """A page that has to be there."""
    seen = await partner.page(listing, **query)
    notes.saw(seen)
    if not seen.succeeded or not isinstance(seen.data, list):
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        notes.fault(f"{listing.module}: {asked} is answered with {seen.outcome}", seen)
    return seen


_FIX_LINK = (
    'Send `Link: <absolute URL>; rel="next"` on every page but the last, with the filters of the'
    " request and the next offset."
)
_FIX_BAD = "Answer HTTP 200 with status_code 2001 and say which parameter is wrong."
CHECKS = (
    Check("paging.lists", "Lists can be read without parameters", ("TF-09", "TF-11", "TF-12"),
          MUST, "Answer GET with a list in data, empty if there is nothing.", readable),
    Check("paging.total", "X-Total-Count is there", ("TF-15",), MUST,
          "Send the number of all objects that match, whatever the page holds.",
          each_list(counted)),
    Check("paging.limit_header", "X-Limit is there", ("TF-14", "TF-15"), MUST,
          "Send the most objects that a page may have, even if this one has fewer.",
          each_list(limited)),
    Check("paging.limit", "limit is honoured", ("TF-14",), MUST,
          "Send at most as many objects as limit says.", each_list(one_at_a_time, least=1)),
    Check("paging.same_total", "X-Total-Count does not depend on limit", ("TF-15",), MUST,
          "Count before the page is cut out.", each_list(same_total, least=1)),
    Check("paging.absurd_limit", "An absurd limit is lowered", ("TF-14",), MUST,
          "Lower limit to your own maximum, and show that in X-Limit.", each_list(absurd_limit)),
    Check("paging.offset", "offset is honoured", ("TF-14", "TF-17"), MUST,
          "Leave out as many objects as offset says, counted from 0.",
          each_list(by_offset, least=2)),
    Check("paging.past_end", "Behind the end there is an empty list", ("TF-14",), SHOULD,
          "Answer 1000 with an empty list when offset is beyond the last object.",
          each_list(past_the_end)),
    Check("paging.link", "A Link leads to the next page", ("TF-16",), MUST, _FIX_LINK,
          each_list(linked, least=2)),
    Check("paging.link_url", "The Link leads to the list's own server", ("TF-16", "TY-07"), MUST,
          "Write links with the public URL that you announced; behind a proxy, configure it. Nobody"
          " sends your token elsewhere.", each_list(link_leads_back, least=2)),
    Check("paging.link_filters", "The Link repeats the filters", ("TF-16",), MUST, _FIX_LINK,
          each_list(link_keeps_filters, least=2)),
    Check("paging.second_page", "The second page is what its Link says", ("TF-16", "TF-17"), MUST,
          _FIX_LINK, each_list(second_page, least=2)),
    Check("paging.last_page", "The last page has no Link", ("TF-16",), MUST,
          "Leave Link out on the last page: whoever follows it asks for ever.",
          each_list(last_page, least=1)),
    Check("paging.stable", "The same page has the same order", ("TF-17",), SHOULD,
          "Sort by something that does not change, such as the time of creation.",
          each_list(stable, least=2)),
    Check("paging.whole", "Following all links finds every object once", ("TF-17", "TF-18"), SHOULD,
          "Sort by something unique and count what the pages show.", each_list(whole, least=1)),
    Check("paging.bad_offset", "A broken offset is answered 2001", ("ER-11",), SHOULD,
          _FIX_BAD, refuses("offset", "x")),
    Check("paging.negative_offset", "A negative offset is answered 2001", ("ER-11",), SHOULD,
          _FIX_BAD, refuses("offset", "-1")),
    Check("paging.bad_limit", "A broken limit is answered 2001", ("ER-11",), SHOULD,
          _FIX_BAD, refuses("limit", "many")),
    Check("paging.bad_date", "A broken date is answered 2001", ("ER-11", "TY-03"), SHOULD,
          _FIX_BAD, refuses("date_from", "yesterday")),
)  # fmt: skip
