"""What is between two parties, for whoever looks: a partner sees what one of its own has part in.

The lists of the hub are asked for one party of each side. A partner may hold several, on either
side, so its page is put together from one question for each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.domain.party import PartyId

T = TypeVar("T")

Pair = tuple[PartyId | None, PartyId | None]
"""A party of each side; None: any."""


def sides(viewer: Viewer, first: PartyId | None, second: PartyId | None) -> Sequence[Pair]:
    """What to ask for, so that a viewer gets all that it may see of what it asked for."""
    if not viewer.is_partner:
        return [(first, second)]
    pairs: dict[Pair, None] = {}
    for own in sorted(viewer.parties):
        if first in (None, own):
            pairs[own, second] = None
        if second in (None, own):
            pairs[first, own] = None
    return list(pairs)


async def newest(
    pairs: Sequence[Pair],
    ask: Callable[[PartyId | None, PartyId | None], Awaitable[Sequence[T]]],
    place: Callable[[T], Any],
    limit: int,
) -> tuple[Sequence[T], bool]:
    """The newest of all answers, each once, and whether there are more.

    Args:
        ask: answers with the newest between two parties: one more than `limit`, if there are.
        place: sorts them; newer ones have larger places.
    """
    found: dict[Any, T] = {}
    for pair in pairs:
        found.update((place(each), each) for each in await ask(*pair))
        # What cannot be among the newest any more is forgotten at once: there may be many pairs.
        found = {key: found[key] for key in sorted(found, reverse=True)[: limit + 1]}
    ordered = list(found.values())
    return ordered[:limit], len(ordered) > limit
