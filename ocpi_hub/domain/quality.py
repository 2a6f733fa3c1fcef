"""How often partners send what breaks the specification mildly (docs/data-quality.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.domain.value import value


@value
class Subject:
    """An object that arrived.

    Attributes:
        platform_id: which platform brought it.
        owner: whose object it is; None where that does not matter.
        object_id: what operators find it by; of a Token its uid, which is masked before it is kept;
            "" if nothing is known.
    """

    platform_id: PlatformId
    module: str
    owner: PartyId | None
    object_id: str


@dataclass(frozen=True, slots=True, order=True)
class TallyKey:
    """What is counted together. Partners make none of it up, so the number of keys is bounded."""

    platform_id: PlatformId
    module: str
    rule: str


@value
class Example:
    """One object in which a rule was broken.

    Attributes:
        object_id: masked where it is a token's uid.
        field: its path; "" for the whole object.
        shape: what stands there and what should, without the content, which may be personal.
    """

    object_id: str
    field: str
    shape: str


@value
class Tally:
    """How often a rule was broken, when first and last, and a recent example."""

    count: int
    first_at: datetime
    last_at: datetime
    example: Example

    def plus(self, later: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.count + later.count,
            min(self.first_at, later.first_at),
            max(self.last_at, later.last_at),
            later.example if later.last_at >= self.last_at else self.example,
        )
