"""Lists by date: `date_from` is inclusive, `date_to` is not, both are about `last_updated`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from ocpi_hub.checking.checks.paging import each_list, names
from ocpi_hub.checking.conversation import Seen
from ocpi_hub.checking.model import Check, Notes, Severity
from ocpi_hub.checking.partner import Partner
from ocpi_hub.checking.reading import Listing, Object, total_of
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi.base import parse_datetime
from ocpi_hub.ocpi.envelope import timestamp

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

_YEAR = timedelta(days=365)
_PASSED_ON = (Module.SESSIONS, Module.CDRS)
"""What reaches its receiver through a hub, maybe long after its owner changed it: who asks a hub
for what is new would miss it, did it not count from then on."""


def updated(item: Object) -> datetime | None:
    """`last_updated`; None when it is none."""
    try:
        return parse_datetime(str(item.get("last_updated")))
    except ValueError:
        return None


def _times(items: Iterable[Object]) -> list[datetime]:
    return [moment for each in items if (moment := updated(each)) is not None]


async def nothing_later(partner: Partner, listing: Listing, notes: Notes) -> None:
    later = timestamp(partner.clock.now() + _YEAR)
    seen = await _window(partner, listing, notes, date_from=later)
    if seen.succeeded and seen.data:
        notes.fault(f"{listing.module}: objects changed after {later}, in a year", seen)


async def from_is_inclusive(partner: Partner, listing: Listing, notes: Notes) -> None:
    """The newest object is on the list from its own time on, and older ones are not."""
    moments = _times(listing.items)
    if not moments or _is_odd(max(moments)):
        return
    newest = max(moments)
    seen = await _window(partner, listing, notes, date_from=timestamp(newest))
    if not seen.succeeded or not isinstance(seen.data, list):
        return
    found = names(seen.data)
    wanted = names([each for each in listing.items if updated(each) == newest])
    if not set(wanted) & set(found):
        notes.fault(f"{listing.module}: an object changed at date_from is missing", seen)
    older = any(moment < newest for moment in _times(_objects(seen)))
    if older and not (listing.module in _PASSED_ON and await partner.is_hub()):
        notes.fault(f"{listing.module}: objects from before date_from", seen)


async def to_is_exclusive(partner: Partner, listing: Listing, notes: Notes) -> None:
    """The newest object is not on the list up to its own time."""
    moments = _times(listing.items)
    if not moments or _is_odd(max(moments)):
        return
    newest = max(moments)
    seen = await _window(partner, listing, notes, date_to=timestamp(newest))
    if any(moment >= newest for moment in _times(_objects(seen))):
        notes.fault(f"{listing.module}: objects changed at date_to or later", seen)


async def counts_the_window(partner: Partner, listing: Listing, notes: Notes) -> None:
    later = timestamp(partner.clock.now() + _YEAR)
    seen = await partner.page(listing, date_from=later)
    total = total_of(seen)
    if seen.data != [] or total is None:
        return
    notes.saw(seen)
    if total != 0:
        notes.fault(f"{listing.module}: X-Total-Count is {total} for an empty list", seen)


async def without_zone(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await partner.page(listing, date_from="2001-01-01T00:00:00", limit="1")
    notes.saw(seen)
    if not seen.succeeded:
        notes.fault(f"{listing.module}: a date without Z is answered with {seen.outcome}", seen)


async def with_fraction(partner: Partner, listing: Listing, notes: Notes) -> None:
    seen = await partner.page(listing, date_from="2001-01-01T00:00:00.123Z", limit="1")
    notes.saw(seen)
    if not seen.succeeded:
        text = f"{listing.module}: a date with milliseconds is answered with {seen.outcome}"
        notes.fault(text, seen)


async def upside_down(partner: Partner, listing: Listing, notes: Notes) -> None:
    query = {"date_from": "2010-01-01T00:00:00Z", "date_to": "2009-01-01T00:00:00Z"}
    seen = await partner.page(listing, **query)
    notes.saw(seen)
    if seen.succeeded and seen.data:
        notes.fault(f"{listing.module}: objects in a window that ends before it begins", seen)
    elif seen.http >= 400:
        text = f"{listing.module}: a window that ends before it begins: {seen.outcome}"
        notes.fault(text, seen)


async def in_order(partner: Partner, listing: Listing, notes: Notes) -> None:
    moments = _times(listing.items)
    notes.saw(listing.first)
    ordered = moments == sorted(moments)
    notes.remark(f"{listing.module}: {'' if ordered else 'not '}in the order of last_updated")


async def not_ahead(partner: Partner, listing: Listing, notes: Notes) -> None:
    notes.saw(listing.first)
    latest = partner.clock.now() + timedelta(minutes=5)
    for name, item in zip(names(listing.items), listing.items, strict=True):
        if (moment := updated(item)) is not None and moment > latest:
            called = "" if listing.module == "tokens" else f" {name[2][:40]}"
            text = f"{listing.module}{called}: last_updated is in the future"
            notes.fault(text, listing.first, item)


async def _window(partner: Partner, listing: Listing, notes: Notes, **query: str) -> Seen:
    seen = await partner.page(listing, **query)
    notes.saw(seen)
    if not seen.succeeded:
        asked = " and ".join(query)
        notes.fault(f"{listing.module}: {asked} is answered with {seen.outcome}", seen)
    return seen


def _objects(seen: Seen) -> list[Object]:
    listed = seen.data if isinstance(seen.data, list) else []
    return [each for each in listed if isinstance(each, dict)]


def _is_odd(moment: datetime) -> bool:
    """Whether the time has more digits than partners have to read."""
    return bool(moment.microsecond % 1000)


_FIX = "Compare last_updated with date_from (equal counts) and date_to (equal does not)."
CHECKS = (
    Check("dates.from", "date_from leaves out what is older", ("TF-12", "TF-13"), MUST, _FIX,
          each_list(nothing_later)),
    Check("dates.inclusive", "date_from includes its own time", ("TF-13",), MUST, _FIX,
          each_list(from_is_inclusive, least=1)),
    Check("dates.exclusive", "date_to excludes its own time", ("TF-13",), MUST, _FIX,
          each_list(to_is_exclusive, least=1)),
    Check("dates.total", "X-Total-Count respects the filters", ("TF-15",), MUST,
          "Count the objects that match, not all.", each_list(counts_the_window)),
    Check("dates.no_zone", "A date without Z is UTC", ("TY-03",), SHOULD,
          "Read a DateTime without designator as UTC.", each_list(without_zone)),
    Check("dates.fraction", "A date may have milliseconds", ("TY-03",), MUST,
          "Read fractions of seconds in dates.", each_list(with_fraction)),
    Check("dates.reversed", "A window that ends before it begins is empty", ("TF-13",), SHOULD,
          "Answer with an empty list, or with 2001.", each_list(upside_down)),
    Check("dates.order", "Whether lists are in the order of last_updated", ("TF-17",), INFO,
          "Nothing to do: pages are in the order of creation as a rule.",
          each_list(in_order, least=2)),
    Check("dates.future", "No object was changed in the future", ("TY-03",), SHOULD,
          "Write last_updated in UTC, by a clock that is right: nobody can tell what is newer.",
          each_list(not_ahead, least=1)),
)  # fmt: skip
