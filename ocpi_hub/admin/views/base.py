"""What all views share: the model, times, parties, pages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ocpi_hub.ocpi.envelope import timestamp

PARTY_PATTERN = r"^[A-Za-z]{2}\*[A-Za-z0-9]{3}$"

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time as results show it: UTC with milliseconds and `Z`."""

PartyText = Annotated[str, Field(pattern=PARTY_PATTERN, examples=["NL*CPO"])]
"""A party as results show it: `CC*PID`."""


class View(BaseModel):
    """Something that is shown. The order of the fields is the order in results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def shown(self) -> dict[str, object]:
        """As a JSON value, for commands."""
        return self.model_dump(mode="json")


Item = TypeVar("Item", bound=View)


class Page(View, Generic[Item]):
    """A part of a list."""

    items: tuple[Item, ...]
    next: str | None = Field(description="what to send as `next` for the part after this one")


def moment(value: datetime | None) -> Moment | None:
    """A time in results."""
    return timestamp(value) if value is not None else None
