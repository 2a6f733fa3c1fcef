"""Lanes: try again now what receivers did not take.

What is sent is the object as it is stored now, never a request that was sent before.
"""

from __future__ import annotations

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change
from ocpi_hub.admin.views.lanes import GapsHastened
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.lane_admin import LaneAdmin


async def hasten(
    access: OperatorAccess, lane: LaneId, key: ObjectKey | None = None
) -> GapsHastened:
    """Have tried again what a receiver did not take, as soon as it answers.

    Args:
        key: only this object.

    Raises:
        OperatorError: the receiver has taken it, or all.
    """
    async with change("lane.hasten", f"{lane.receiver}/{lane.module}") as noted:
        due = await LaneAdmin(access.database).hasten(lane, key)
        if not due:
            raise OperatorError(f"{lane.receiver} has taken all that it was sent of {lane.module}")
        return noted.became(GapsHastened(due=due))
