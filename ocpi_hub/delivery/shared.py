"""Shared objects: the current state of what parties publish (design: State, not messages).

A change is applied to the row that is there, in order of arrival; nothing newer is replaced by
something older. The store does this under the module's lock, so that positions of the change feed
become visible in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin, SharedObject
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.merge import merge_patch
from ocpi_hub.ocpi.paging import PageRequest


@dataclass(frozen=True, slots=True)
class Change:
    """A PUT or PATCH of one object.

    Attributes:
        body: the JSON text as it came; of the whole object, or of the patch.
        last_updated: of the body.
        max_bytes: of the object after the change; None: any number.
    """

    key: ObjectKey
    body: str
    partial: bool
    last_updated: datetime
    origin: Origin
    correlation_id: str
    max_bytes: int | None = None


class Changed(Enum):
    """What became of a change."""

    CREATED = auto()
    UPDATED = auto()
    UNCHANGED = auto()
    """The same content again."""
    STALE = auto()
    """Older than what the hub holds: dropped."""
    MISSING = auto()
    """A patch of an object the hub does not hold."""
    TOO_LARGE = auto()
    """The object would be larger than the change allows: dropped."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of a change, and the text to store when there is something to store."""

    changed: Changed
    body: str | None = None


@dataclass(frozen=True, slots=True)
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

    async def change(self, change: Change) -> Changed: ...

    async def find(self, key: ObjectKey) -> SharedObject | None: ...

    async def page(
        self, module: str, reader: PartyId, owners: Sequence[PartyId], page: PageRequest
    ) -> Page:
        """Objects of these owners that were broadcast or addressed to the reader."""
        ...


def apply(current: SharedObject | None, published: SharedObject | None, change: Change) -> Applied:
    """Apply a change.

    Args:
        current: the row under the change's own key.
        published: the broadcast row of the same object, for a patch addressed to one party.
    """
    base = current or (published if change.partial else None)
    if base is None and change.partial:
        return Applied(Changed.MISSING)
    if base is not None and change.last_updated < base.last_updated:
        return Applied(Changed.STALE)
    body = (
        change.body if base is None or not change.partial else merge_patch(base.body, change.body)
    )
    if change.max_bytes is not None and len(body.encode()) > change.max_bytes:
        return Applied(Changed.TOO_LARGE)
    if current is not None and body == current.body:
        return Applied(Changed.UNCHANGED)
    return Applied(Changed.CREATED if current is None else Changed.UPDATED, body)


def published_key(key: ObjectKey) -> ObjectKey:
    """The key of the broadcast row of the same object."""
    return ObjectKey(key.module, key.owner, key.object_id, key.object_type, EVERYBODY)
