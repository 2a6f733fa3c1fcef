"""How counts of mild faults look."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.views.base import Moment, View
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.quality import QualityRow


class QualityExample(View):
    """A recent object that broke the rule."""

    id: str | None = Field(description="of a Token the keyed hash of its uid; null: not known")
    field: str | None = Field(description="null: the whole object")
    shape: str = Field(description="what stands there and what should; never its content")


class QualityItem(View):
    """How often a platform broke a rule in objects of a module."""

    platform: str
    name: str = Field(description="of the platform")
    module: str
    rule: str = Field(description="see docs/data-quality.md", examples=["too_long"])
    count: int = Field(description="objects, each time that they arrived")
    first_at: Moment
    last_at: Moment
    example: QualityExample


def quality_item(row: QualityRow) -> QualityItem:
    key, tally, example = row.key, row.tally, row.tally.example
    return QualityItem(
        platform=key.platform_id,
        name=row.name,
        module=key.module,
        rule=key.rule,
        count=tally.count,
        first_at=timestamp(tally.first_at),
        last_at=timestamp(tally.last_at),
        example=QualityExample(
            id=example.object_id or None, field=example.field or None, shape=example.shape
        ),
    )
