"""Lists in memory: pages in any order hold each item once."""

from __future__ import annotations

import pytest

from ocpi_hub.admin.faults import Refusal
from ocpi_hub.admin.routes.base import Listing
from ocpi_hub.admin.views.base import View
from ocpi_hub.console.in_memory import digits, part_of


class Thing(View):
    name: str
    weight: int


class Things(Listing):
    sort: str = "name"


THINGS = [
    Thing(name=name, weight=weight)
    for name, weight in zip("cabed", (9, 10, 9, 0, 100), strict=True)
]


@pytest.mark.parametrize(
    ("sort", "names"),
    [("name", "abcde"), ("-name", "edcba"), ("weight", "ebcad"), ("-weight", "dacbe")],
)
def test_pages_hold_each_item_once_in_the_order_asked_for(sort: str, names: str) -> None:
    def key(thing: Thing) -> tuple[str, str]:
        return digits(thing.weight) if sort.endswith("weight") else "", thing.name

    seen, next_place = "", None
    while True:
        given = Things(limit=2, next=next_place, sort=sort)
        page = part_of(f"things-{sort}", THINGS, given, key)
        seen += "".join(thing.name for thing in page.items)
        if page.next is None:
            break
        next_place = page.next
    assert seen == names


def test_a_place_in_another_order_is_none() -> None:
    def key(thing: Thing) -> tuple[str, ...]:
        return (thing.name,)

    page = part_of("things-name", THINGS, Things(limit=2), key)
    with pytest.raises(Refusal, match="next"):
        part_of("things--name", THINGS, Things(next=page.next, sort="-name"), key)
