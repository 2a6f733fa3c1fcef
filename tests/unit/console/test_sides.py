"""What a partner asks for between two parties, and how the answers become one list."""

from __future__ import annotations

import pytest

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.console.sides import newest, sides
from ocpi_hub.domain.party import PartyId, PlatformId

A, B, OTHER, THIRD = (PartyId.parse(text) for text in ("NL*AAA", "NL*BBB", "DE*OTH", "FR*THI"))
PARTNER = Viewer("a-1", "x", AccountRole.PARTNER, PlatformId("p-1"), frozenset({A, B}))
OPERATOR = Viewer("a-2", "y", AccountRole.OPERATOR)


def test_an_operator_asks_for_what_it_says() -> None:
    assert sides(OPERATOR, None, OTHER) == [(None, OTHER)]


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        (None, None, {(A, None), (None, A), (B, None), (None, B)}),
        (A, None, {(A, None), (A, A), (A, B)}),
        (OTHER, None, {(OTHER, A), (OTHER, B)}),
        (None, OTHER, {(A, OTHER), (B, OTHER)}),
        (OTHER, B, {(OTHER, B)}),
        (OTHER, THIRD, set()),
    ],
)
def test_a_partner_never_asks_without_a_party_of_its_own(
    first: PartyId | None, second: PartyId | None, asked: set[tuple[PartyId | None, ...]]
) -> None:
    assert set(sides(PARTNER, first, second)) == asked


async def test_answers_become_one_list_of_the_newest_each_once() -> None:
    answers = {A: [9, 7, 5], B: [8, 7, 6]}

    async def ask(first: PartyId | None, second: PartyId | None) -> list[int]:
        assert second is None
        return answers[first or A]

    pairs = [(A, None), (B, None)]
    assert await newest(pairs, ask, lambda each: each, 2) == ([9, 8], True)
    assert await newest(pairs, ask, lambda each: each, 5) == ([9, 8, 7, 6, 5], False)
    assert await newest([], ask, lambda each: each, 5) == ([], False)
