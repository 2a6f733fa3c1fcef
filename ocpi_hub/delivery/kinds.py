"""Shared objects of each module: which model they have, and what identifies them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ocpi_hub.delivery.keepable import require_keepable
from ocpi_hub.delivery.quality import Noticed, noticed
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.locations import Location
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.ocpi.v2_2_1.tokens import Token

M = TypeVar("M", bound=OcpiModel)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a shared object says about itself.

    Attributes:
        key: of the object as it is broadcast.
        object_id: as it is written.
        seen: what is to be counted about it.
    """

    key: ObjectKey
    object_id: str
    last_updated: datetime
    seen: Noticed


@dataclass(frozen=True, slots=True)
class SharedKind:
    """How objects of one module are read.

    Attributes:
        read: validates the text of a whole object; the second argument is the deepest nesting.
            Raises OcpiError for what breaks the specification or cannot be kept.
    """

    module: str
    read: Callable[[str, int], Identity]


def _kind(
    module: Module, model: type[M], names: Callable[[M], tuple[PartyId, str, str, datetime]]
) -> SharedKind:
    """A kind whose `names` are owner, id, type and last_updated."""

    def read(text: str, max_depth: int) -> Identity:
        parsed = parse_object(text.encode(), model, max_depth=max_depth)
        owner, object_id, object_type, last_updated = names(parsed.value)
        require_keepable("id", object_id)
        require_keepable("type", object_type)
        key = ObjectKey(module.value, owner, object_id, object_type)
        return Identity(key, object_id, last_updated, noticed(parsed))

    return SharedKind(module.value, read)


KINDS: Mapping[str, SharedKind] = {
    kind.module: kind
    for kind in (
        _kind(Module.TOKENS, Token, lambda it: (it.owner, it.uid, it.type, it.last_updated)),
        _kind(Module.LOCATIONS, Location, lambda it: (it.party, it.id, "", it.last_updated)),
        _kind(Module.TARIFFS, Tariff, lambda it: (it.owner, it.id, "", it.last_updated)),
    )
}
"""Every module whose objects are shared, by identifier."""
