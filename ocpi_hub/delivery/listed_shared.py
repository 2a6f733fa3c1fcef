"""What an owner's list holds: each shared object, the same way a push would bring it.

Nothing newer is replaced by something older, so a page that was read before a push and taken after
it does no harm; what is known already changes nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Protocol

from ocpi_hub.delivery.kinds import Identity, SharedKind
from ocpi_hub.delivery.listed import Listed, Source, note_left_out, require_own, subject_of
from ocpi_hub.delivery.quality import Quality
from ocpi_hub.delivery.shared import Change, Changed
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import OcpiError, StoreError
from ocpi_hub.ocpi.json_text import members

_OUTCOMES = {
    Changed.CREATED: Listed.TAKEN,
    Changed.UPDATED: Listed.CHANGED,
    Changed.UNCHANGED: Listed.KNOWN,
    Changed.STALE: Listed.KNOWN,
}
"""Whatever else becomes of a change: the object could not be kept."""


class Changing(Protocol):
    """The part of `delivery.shared.SharedStore` that is needed here."""

    async def change_each(self, changes: Sequence[Change]) -> Sequence[Changed | StoreError]: ...


class ListedShared:
    """Implements `delivery.listed.ListedObjects` for the shared objects of one module.

    Args:
        max_bytes: of an object.
    """

    def __init__(
        self,
        store: Changing,
        kind: SharedKind,
        quality: Quality,
        *,
        max_depth: int,
        max_bytes: int,
    ) -> None:
        self._store = store
        self._kind = kind
        self._quality = quality
        self._max_depth = max_depth
        self._max_bytes = max_bytes

    async def take_all(self, texts: Sequence[str], source: Source) -> Sequence[Listed]:
        found = [self._read(text, source) for text in texts]
        correlation_id = str(uuid.uuid4())
        identities = [each for each in found if isinstance(each, Identity)]
        changes = [
            self._change(text, each, correlation_id)
            for text, each in zip(texts, found, strict=True)
            if isinstance(each, Identity)
        ]
        stored = await self._store.change_each(changes) if changes else ()
        outcomes = iter(
            [
                self._outcome(identity, changed, source)
                for identity, changed in zip(identities, stored, strict=True)
            ]
        )
        return [next(outcomes) if isinstance(each, Identity) else each for each in found]

    def _outcome(self, identity: Identity, changed: Changed | StoreError, source: Source) -> Listed:
        if isinstance(changed, StoreError):
            source.skipped.append(str(changed))
            source.known.append(identity.key)
            return Listed.BROKEN
        outcome = _OUTCOMES.get(changed, Listed.BROKEN)
        if outcome in (Listed.TAKEN, Listed.CHANGED):
            key = identity.key
            subject = subject_of(source, key.module, key.owner, identity.object_id)
            self._quality.accepted(subject, identity.seen)
        else:
            source.known.append(identity.key)
        if outcome is Listed.BROKEN:
            source.skipped.append(changed.name)
        return outcome

    def _read(self, text: str, source: Source) -> Identity | Listed:
        """What an object says about itself, or what it is instead."""
        try:
            identity = self._kind.read(text, self._max_depth)
            require_own(identity.key.owner, source.platform)
        except OcpiError as error:
            note_left_out(self._quality, source, self._kind.module, error)
            source.skipped.append(str(error))
            return self._broken(text, source)
        return identity

    def _broken(self, text: str, source: Source) -> Listed:
        """What is listed is there, whatever is wrong with it."""
        if self._kind.module != Module.TOKENS:
            return Listed.BROKEN
        key = named_token(text)
        if key is None:
            return Listed.UNNAMED
        if any(held.party == key.owner for held in source.platform.roles if held.active):
            source.known.append(key)
        return Listed.BROKEN

    def _change(self, text: str, identity: Identity, correlation_id: str) -> Change:
        return Change(
            key=identity.key,
            body=text,
            partial=False,
            last_updated=identity.last_updated,
            origin=Origin.PULL,
            correlation_id=correlation_id,
            max_bytes=self._max_bytes,
        )


def named_token(text: str) -> ObjectKey | None:
    """Which token a text means that is no valid one; None if it does not say so."""
    try:
        fields = {name: json.loads(raw) for name, raw in members(text) if raw.startswith('"')}
        owner = PartyId.parse(f"{fields['country_code']}*{fields['party_id']}")
        return ObjectKey(Module.TOKENS.value, owner, fields["uid"], fields["type"])
    except (ValueError, KeyError, RecursionError):
        return None
