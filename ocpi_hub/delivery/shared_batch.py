"""A batch of changes of shared objects, applied in order of arrival before anything is written.

Each object is written once per batch, whatever its number of changes, and a Location whose EVSEs
change is taken apart once. Pure, no I/O: the store reads the rows, and writes what came of them.

What a change of a Location means for its rows:

======================  =============================  =========================================
change                  row of the Location            rows of its EVSEs
======================  =============================  =========================================
whole Location          new text, new position         withdrawn: the new text says all of it
EVSE or connector       new text, position stays       the EVSE's text, new position
the same, addressed,    a copy of the broadcast text   the EVSE's text, new position, under that
and no such row yet     with the change                audience
======================  =============================  =========================================

What is deleted leaves the rows for the tombstones, which keep its text, and comes back by a change
that is not older.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from ocpi_hub.delivery.location_parts import Part, changed_part, says_all_evses, was_left_out
from ocpi_hub.delivery.shared import (
    Change,
    Changed,
    Deletion,
    apply,
    is_same,
    published_key,
    stays_deleted,
)
from ocpi_hub.delivery.unpublished import is_published
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin, SharedObject
from ocpi_hub.domain.party import Module
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.location_text import (
    OpenLocation,
    last_updated_of,
)
from ocpi_hub.ocpi.values import parse_datetime

_NEWS: Final = frozenset({Changed.CREATED, Changed.UPDATED, Changed.DELETED})


class SharedBatch:
    """Rows as a batch of changes finds and leaves them.

    Args:
        rows: those under `keys_of` the changes that are there.
        now: when the changes came; None: whatever is dated in the future is believed.

    Attributes:
        moved: keys of rows that take a new position, EVSE rows included.
        rewritten: keys of Locations whose text alone changed.
        replaced: keys of Locations that came whole: the EVSE rows that were there are withdrawn.
        owed: keys of addressed rows that their receiver is owed.
        deleted: keys of broadcast rows that are deleted: what was addressed under the same id
            before this batch goes with them.
        unpublished: keys of broadcast Locations that are published no more.
        affirmed: keys of tokens that were pushed once more as they are.
    """

    def __init__(self, rows: Iterable[SharedObject], now: datetime | None = None) -> None:
        found = list(rows)
        self._now = now
        self._rows = {row.key: row for row in found if not row.deleted}
        self._tombstones = {row.key: row for row in found if row.deleted}
        self._open: dict[ObjectKey, OpenLocation] = {}
        self._evses: dict[ObjectKey, set[ObjectKey]] = {}
        self.moved: set[ObjectKey] = set()
        self.rewritten: set[ObjectKey] = set()
        self.replaced: set[ObjectKey] = set()
        self.owed: set[ObjectKey] = set()
        self.deleted: set[ObjectKey] = set()
        self.unpublished: set[ObjectKey] = set()
        self.affirmed: set[ObjectKey] = set()

    @staticmethod
    def keys_of(changes: Iterable[Change | Deletion]) -> set[ObjectKey]:
        """The rows that have to be known."""
        keys: set[ObjectKey] = set()
        for change in changes:
            keys.add(change.key)
            if isinstance(change, Deletion) or change.partial or change.part:
                keys.add(published_key(change.key))
        return keys

    def apply(self, change: Change | Deletion) -> Changed:
        """Apply one change.

        Raises:
            InvalidRequest: from the change's own check; nothing is applied.
        """
        if isinstance(change, Deletion):
            return self._delete(change)
        return self._apply_part(change) if change.part else self._apply_whole(change)

    def row(self, key: ObjectKey) -> SharedObject | None:
        """A row as it is now."""
        row, location = self._rows.get(key), self._open.pop(key, None)
        if row is not None and location is not None:
            row = self._rows[key] = replace(row, body=location.text())
        return row

    def rows(self, keys: Iterable[ObjectKey]) -> list[SharedObject]:
        """Rows as they are now."""
        found = (self.row(key) or self._tombstones.get(key) for key in keys)
        return [row for row in found if row is not None]

    # Whole objects -------------------------------------------------------------------------------

    def _apply_whole(self, change: Change) -> Changed:
        key = change.key
        current, tombstone = self.row(key), self._tombstones.get(key)
        gone = tombstone is not None and not change.partial
        if gone and tombstone is not None and stays_deleted(tombstone, change, self._now):
            return Changed.STALE
        applied = apply(current, self.row(published_key(key)), change, self._now)
        if applied.changed is Changed.STALE and _is_listed_location(change):
            return self._apply_newer_evses(change)
        if applied.changed is Changed.UNCHANGED:
            self._affirm(key, change)
        if applied.body is not None:
            self._note_publishing(key, current, applied.body)
            self._put(key, applied.body, change)
            self.rewritten.discard(key)
            if key.module == Module.LOCATIONS:
                self._withdraw_evses(key)
                if says_all_evses(change):
                    whole = replace(self._rows[key], whole_updated=change.last_updated)
                    self._rows[key] = whole
        return applied.changed

    def _apply_newer_evses(self, change: Change) -> Changed:
        """A list was read while a push arrived: its Location is older than the push of one EVSE,
        and yet says something new about another."""
        # Of EVSEs with the same uid the first one counts; both would take turns with every list.
        evses = dict(reversed(OpenLocation(change.body).evses()))
        results = [
            self._apply_part(
                replace(
                    change,
                    body=evse,
                    part=(uid,),
                    last_updated=parse_datetime(last_updated_of(evse)),
                )
            )
            for uid, evse in evses.items()
        ]
        news = (Changed.CREATED, Changed.UPDATED)
        return Changed.UPDATED if any(result in news for result in results) else Changed.STALE

    def _affirm(self, key: ObjectKey, change: Change) -> None:
        """A list that is read meanwhile, and lacks the token, does not take it away."""
        if key.module == Module.TOKENS and change.origin is not Origin.PULL:
            self._rows[key] = replace(self._rows[key], listed_at=self._now)
            self.affirmed.add(key)

    def _note_publishing(self, key: ObjectKey, before: SharedObject | None, after: str) -> None:
        if key.module != Module.LOCATIONS or key.audience != EVERYBODY or before is None:
            return
        if is_published(after):
            self.unpublished.discard(key)
        elif is_published(before.body):
            self.unpublished.add(key)

    def _put(self, key: ObjectKey, body: str, change: Change, path: tuple[str, ...] = ()) -> None:
        """A row with a new position, which whoever it is addressed to is owed."""
        base = self._rows.get(key) or _blank(key, change)
        self._rows[key] = replace(
            base,
            body=body,
            last_updated=change.last_updated,
            origin=change.origin,
            correlation_id=change.correlation_id,
            path=path,
            received_at=self._now,
        )
        self._tombstones.pop(key, None)
        self.moved.add(key)
        self.owed.add(key)

    def _withdraw_evses(self, key: ObjectKey) -> None:
        """What this batch itself said of single EVSEs so far is over as well."""
        self.replaced.add(key)
        for evse in self._evses.pop(key, ()):
            del self._rows[evse]
            self.moved.discard(evse)
            self.owed.discard(evse)

    def _delete(self, deletion: Deletion) -> Changed:
        key = deletion.key
        held = self.row(key)
        since = deletion.untouched_since
        if since is not None and held is not None and _is_touched(held, since):
            return Changed.STALE
        # One party's copy is deleted although it only has what everybody has.
        base = held or (None if key in self._tombstones else self.row(published_key(key)))
        if base is None:
            return Changed.MISSING
        goes = [key]
        if key == published_key(key) and key.module == Module.LOCATIONS:
            self._withdraw_evses(key)
        if key == published_key(key) and since is None:
            self.deleted.add(key)
            goes += [own for own in self._rows if own != key and published_key(own) == key]
        for each in goes:
            self._tombstones[each] = replace(
                self._rows.pop(each, base),
                key=each,
                origin=deletion.origin,
                correlation_id=deletion.correlation_id,
                deleted=True,
            )
            self.moved.add(each)
            self.owed.add(each)
        return Changed.DELETED

    # Parts of Locations --------------------------------------------------------------------------

    def _apply_part(self, change: Change) -> Changed:
        key = change.key
        own = self._rows.get(key)
        base = own or self.row(published_key(key))
        if base is None:
            return Changed.UNKNOWN_LOCATION
        location = self._open.get(key) or OpenLocation(base.body)
        part = changed_part(location, change, base, self._now)
        if not isinstance(part, Part):
            return part
        if part.before is None and was_left_out(base, change):
            return Changed.STALE
        dated = last_updated_of(part.after)
        if own is not None and part.before is not None:
            moment = parse_datetime(last_updated_of(part.before))
            if is_same(part.before, moment, part.after, change):
                return Changed.UNCHANGED
        room = change.max_bytes
        if room is not None and location.bytes_with(part.evse, dated) > room:
            return Changed.TOO_LARGE
        location.put(part.evse, dated)
        self._keep_part(change, base, location, part.evse)
        return Changed.CREATED if part.before is None else Changed.UPDATED

    def _keep_part(
        self, change: Change, base: SharedObject, location: OpenLocation, evse: str
    ) -> None:
        key = change.key
        if key not in self._rows:
            self._rows[key] = _blank(key, change)
            self.moved.add(key)
        elif key not in self.moved:
            self.rewritten.add(key)
        self._open[key] = location
        moment = max(base.last_updated, change.last_updated)
        self._rows[key] = replace(self._rows[key], last_updated=moment)
        self._put(change.feed_key, evse, change, location.path)
        self._evses.setdefault(key, set()).add(change.feed_key)


def overtaken_within(
    changes: Sequence[Change | Deletion], results: Sequence[Changed | InvalidRequest]
) -> set[int]:
    """Which changes of a batch are followed by something newer of the same object or Location, or
    by the deletion of the broadcast object, which takes along what was addressed."""
    overtaken: set[int] = set()
    later: set[ObjectKey] = set()
    deleted: set[ObjectKey] = set()
    for number in reversed(range(len(changes))):
        change = changes[number]
        newer = change.feed_key in later or change.key in later
        if newer or published_key(change.key) in deleted:
            overtaken.add(number)
        if results[number] in _NEWS:
            later.add(change.feed_key)
            if isinstance(change, Deletion):
                deleted.add(change.key)
    return overtaken


def _is_touched(row: SharedObject, since: datetime) -> bool:
    moments = (row.received_at, row.listed_at)
    return row.received_at is None or any(each >= since for each in moments if each is not None)


def _is_listed_location(change: Change) -> bool:
    return change.key.module == Module.LOCATIONS and change.origin is Origin.PULL


def _blank(key: ObjectKey, change: Change) -> SharedObject:
    return SharedObject(key, "", change.last_updated, 0, 0, change.origin, change.correlation_id)
