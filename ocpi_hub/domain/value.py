"""Values: immutable by type, cheap to make.

A frozen dataclass sets each field through `object.__setattr__`; a request makes some thirty of
them, which was a tenth of what it cost. The type checker, which sees every line of this project,
forbids the assignment as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[Class]) -> type[Class]:
    """A dataclass with slots, equality and a hash that nobody may change."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
