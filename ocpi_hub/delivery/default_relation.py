"""What follows when `default_relation` changes between two starts.

Pairs without a relation of their own may see each other's objects from then on, whose changes are
behind the cursors of their lanes: they are sent once, as after `relation set`. The value in force
is remembered in the database, so that of several processes one sees to it. They all have to run
with the same value: one that still has the old value does not send what it thinks is not visible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from ocpi_hub.delivery.feed.owners import newly_visible
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PartyId, RelationMode
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

NewlyVisible = Callable[[RelationMode], Iterable[tuple[LaneId, PartyId]]]


class DefaultRelationStore(Protocol):
    """Where the value that was in force is remembered."""

    async def changed(self, mode: RelationMode, newly_visible: NewlyVisible) -> int | None:
        """Remember the value; if it was another one, have sent what becomes visible.

        Returns:
            how many pairs of receiver and owner that are; None if nothing had changed.

        Raises:
            StoreError: the database does not answer; nothing was changed.
        """
        ...


async def follow_default_relation(
    store: DefaultRelationStore, directory: Directory, modules: Sequence[str]
) -> None:
    """Compare the configured value with the one that was in force.

    Raises:
        StoreError: the database does not answer.
    """
    mode = directory.default_relation
    pairs = await store.changed(mode, lambda before: newly_visible(directory, before, modules))
    if pairs is not None:
        log.info("default_relation_changed", mode=mode, newly_visible=pairs)
