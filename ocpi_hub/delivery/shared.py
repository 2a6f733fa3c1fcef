"""Shared objects: the current state of what parties publish (design: State, not messages).

A change is applied to the row that is there, in order of arrival; nothing newer is replaced by
something older. The store does this under the module's lock, so that positions of the change feed
become visible in order.

A Location is one row with its whole current text. A change of one of its EVSEs or connectors
changes that text and makes a row of the feed for the EVSE alone, under a key of its own.

What is deleted stays as a tombstone for a while, so that receivers are told. A DELETE has no time
of its own: it counts as made at the moment at which its object was changed last. So what is older
stays deleted, and a push of anything else revives it; a list that may have been read before does
not, unless the object is newer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from typing import Final, Protocol

from ocpi_hub.delivery.dating import is_older
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin, SharedObject
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.errors import StoreError
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.ocpi.merge import merge_patch
from ocpi_hub.ocpi.paging import PageRequest

EVSE: Final = "EVSE:"
"""Prefix of the object type of an EVSE's own row in the feed; the uid follows."""


@value
class Change:
    """A PUT or PATCH of one object, or of a part of a Location.

    Attributes:
        key: of the whole object, the Location's also for a part of it.
        body: the JSON text as it came; of the whole object or part, or of the patch.
        last_updated: of the body.
        max_bytes: of the whole object after the change; None: any number.
        part: () for the whole object, else the EVSE's uid, or that and the connector's id.
        check: looks at what a patch made of the object or part, and raises InvalidRequest if it
            cannot be kept so.
    """

    key: ObjectKey
    body: str
    partial: bool
    last_updated: datetime
    origin: Origin
    correlation_id: str
    max_bytes: int | None = None
    part: tuple[str, ...] = ()
    check: Callable[[str], object] | None = None

    @property
    def feed_key(self) -> ObjectKey:
        """The row that tells receivers about the change."""
        return evse_key(self.key, self.part[0]) if self.part else self.key


@value
class Deletion:
    """A DELETE of one object. Of a broadcast one it takes away what was addressed to single parties
    under the same id as well, if its owner said so itself.

    Attributes:
        untouched_since: an owner's list lacks the object, and it is STALE if it came or changed at
            that time or later; None: its owner said so.
    """

    key: ObjectKey
    origin: Origin
    correlation_id: str
    untouched_since: datetime | None = None

    @property
    def feed_key(self) -> ObjectKey:
        """The row that tells receivers about it."""
        return self.key


class Changed(Enum):
    """What became of a change."""

    CREATED = auto()
    UPDATED = auto()
    UNCHANGED = auto()
    """The same content again."""
    STALE = auto()
    """Older than what the hub holds: dropped."""
    MISSING = auto()
    """A patch of what the hub does not hold, or a connector of such an EVSE."""
    UNKNOWN_LOCATION = auto()
    """A part of a Location the hub does not hold."""
    TOO_LARGE = auto()
    """The object would be larger than the change allows: dropped."""
    DELETED = auto()


@value
class Applied:
    """The outcome of a change, and the text to store when there is something to store."""

    changed: Changed
    body: str | None = None


@value
class Placed:
    """What became of a change of what is addressed to one party, and where it stands in the feed.

    Attributes:
        position: of the row that the change is told by; a smaller one if something newer of the
            same object was written with it. Whatever is above it is newer than the change.
    """

    changed: Changed
    position: int


@value
class Page:
    """A page of stored texts.

    Attributes:
        total: all matches for this reader, ignoring offset and limit.
        last_serial: where the next page goes on; None on the last page.
        serials: of the texts, in order.
    """

    texts: tuple[str, ...]
    total: int
    last_serial: int | None
    serials: tuple[int, ...] = ()


class SharedStore(Protocol):
    """Where shared objects are kept. All methods raise StoreUnavailable."""

    async def change(self, change: Change) -> Changed:
        """Apply a change.

        Raises:
            InvalidRequest: from the change's own check.
        """
        ...

    async def change_each(self, changes: Sequence[Change]) -> Sequence[Changed | StoreError]:
        """Apply many changes, none with a check of its own; an error is that of one alone.

        Raises:
            StoreUnavailable: some may be stored; all have come to an end.
            Overloaded: likewise.
        """
        ...

    async def delete(self, deletion: Deletion) -> Changed:
        """Make a tombstone of an object: DELETED, or MISSING."""
        ...

    async def place(self, change: Change | Deletion) -> Placed:
        """`change` or `delete` for what is addressed to one party."""
        ...

    async def find(self, key: ObjectKey) -> SharedObject | None: ...

    async def visible(
        self,
        module: str,
        object_id: str,
        reader: PartyId,
        owners: Sequence[PartyId],
        *,
        to_publish: bool = False,
    ) -> Sequence[SharedObject]:
        """The objects with this id that the list for this reader shows; see `page`."""
        ...

    async def page(
        self,
        module: str,
        reader: PartyId,
        owners: Sequence[PartyId],
        page: PageRequest,
        *,
        to_publish: bool = False,
    ) -> Page:
        """Objects of these owners that were broadcast or addressed to the reader.

        Args:
            to_publish: of broadcast Locations those that are to be published alone.
        """
        ...


def apply(
    current: SharedObject | None,
    published: SharedObject | None,
    change: Change,
    now: datetime | None = None,
) -> Applied:
    """Apply a change of a whole object.

    Args:
        current: the row under the change's own key.
        published: the broadcast row of the same object, for a patch addressed to one party.
        now: see `is_stale`.

    Raises:
        InvalidRequest: from the change's own check.
    """
    base = current or (published if change.partial else None)
    if base is None and change.partial:
        return Applied(Changed.MISSING)
    if base is not None and is_stale(change, base.last_updated, base, now):
        return Applied(Changed.STALE)
    body = change.body if base is None else changed_text(base.body, change)
    if change.max_bytes is not None and len(body.encode()) > change.max_bytes:
        return Applied(Changed.TOO_LARGE)
    if current is not None and is_same(current.body, current.last_updated, body, change):
        return Applied(Changed.UNCHANGED)
    return Applied(Changed.CREATED if current is None else Changed.UPDATED, body)


def is_stale(change: Change, standing: datetime, row: SharedObject, now: datetime | None) -> bool:
    """Whether a change is older than what stands.

    Args:
        standing: `last_updated` of the object or of its part that changes.
        row: of the whole object.
        now: None: what is dated in the future is believed.
    """
    listed = change.origin is Origin.PULL
    return is_older(change.last_updated, standing, row.received_at, now, listed=listed)


def stays_deleted(tombstone: SharedObject, change: Change, now: datetime | None = None) -> bool:
    """Whether a change is older than the deletion. What went by a list may come back by one: lists
    of one owner are read one after the other."""
    same = change.last_updated == tombstone.last_updated
    if change.origin is Origin.PULL and same and tombstone.origin is not Origin.PULL:
        return True
    return is_stale(change, tombstone.last_updated, tombstone, now)


def changed_text(before: str, change: Change) -> str:
    """What a change makes of the text of its object or part.

    Raises:
        InvalidRequest: from the change's own check.
    """
    if not change.partial:
        return change.body
    merged = merge_patch(before, change.body)
    if change.check is not None:
        change.check(merged)
    return merged


def is_same(before: str, dated: datetime, after: str, change: Change) -> bool:
    """Whether a change brings nothing: the same content with the same `last_updated`."""
    if before == after:
        return True
    return dated == change.last_updated and fingerprint(before) == fingerprint(after)


def published_key(key: ObjectKey) -> ObjectKey:
    """The key of the broadcast row of the same object."""
    return ObjectKey(key.module, key.owner, key.object_id, key.object_type, EVERYBODY)


def evse_key(location: ObjectKey, evse_uid: str) -> ObjectKey:
    """The key of an EVSE's own row in the feed: one for all spellings of the uid that name the
    same EVSE in the Location's text."""
    return replace(location, object_type=f"{EVSE}{evse_uid.casefold()}")


def is_evse(key: ObjectKey) -> bool:
    """Whether a key is that of an EVSE's own row."""
    return key.module == Module.LOCATIONS and key.object_type.startswith(EVSE)
