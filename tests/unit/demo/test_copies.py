"""What is said about copies of Locations, and about pushes after an absence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi_hub.demo.availability import read_push
from ocpi_hub.demo.copies import (
    Push,
    Return,
    behind,
    by_key,
    differences,
    evse_times,
    open_to,
    with_news,
)
from ocpi_hub.demo.parties import FAHRTWIND, ROULIBRE
from tests.support.party import make_evse, make_location

OLD, NEW, NEWER = (f"2026-06-01T00:00:0{second}.000Z" for second in range(3))


def location(location_id: str = "L", **times: str) -> dict[str, Any]:
    """A Location whose EVSEs changed at these times."""
    evses = [make_evse(uid, last_updated=moment) for uid, moment in times.items()]
    return make_location(location_id, evses=evses)


def push(uid: str, moment: str) -> Push:
    return Push("L", uid, {uid: moment})


def whole(**times: str) -> Push:
    return Push("L", None, times)


def returned(*pushes: Push, since: dict[str, int] | None = None) -> Return:
    """An eMSP that had to learn of E1."""
    behind = {"E1": NEW}
    return Return(ROULIBRE, NEW, behind=behind, since=since or {}, pushes=pushes)


def test_times_are_found_over_all_locations() -> None:
    held = by_key([location("L1", E1=OLD), location("L2", E2=NEW)])
    assert evse_times(held) == {"E1": OLD, "E2": NEW}


def test_what_a_copy_lacks_is_told_with_its_time() -> None:
    own = by_key([location(E1=NEW, E2=OLD, E3=OLD)])
    held = by_key([location(E1=OLD, E2=OLD)])
    assert behind(held, own) == {"E1": NEW, "E3": OLD}
    assert behind(own, own) == {}


def test_differences_are_told_by_location_and_field() -> None:
    own = by_key([location("L1", E1=NEW), location("L2"), location("L3")])
    copy = by_key([location("L1", E1=OLD), location("L3"), location("L4")])
    assert list(differences("Copy", copy, own)) == [
        "Copy has NL*CPO L1 otherwise: evses",
        "Copy lacks NL*CPO L2",
        "Copy has NL*CPO L4, which is nobody's",
    ]
    assert list(differences("Copy", own, own)) == []


def test_an_emsp_sees_locations_of_its_cpos_only() -> None:
    own = by_key([make_location("L1", owner="DE*STW"), make_location("L2", owner="DK*FJL")])
    assert open_to(FAHRTWIND, own) == own
    assert list(open_to(ROULIBRE, own)) == ["DE*STW L1"]


@pytest.mark.parametrize(
    ("found", "problems"),
    [
        (returned(), 0),
        (returned(push("E1", NEW)), 0),
        (returned(push("E1", NEW), push("E1", NEW)), 1),
        (returned(push("E1", NEW), push("E1", NEWER), since={"E1": 1}), 0),
        (returned(push("E2", OLD)), 1),
        (returned(push("E2", NEWER), since={"E2": 1}), 0),
        (returned(push("E1", NEW), whole(E1=NEW, E2=OLD)), 0),
        (returned(whole(E1=NEW), whole(E1=NEW)), 1),
    ],
)
def test_more_pushes_than_news_are_found(found: Return, problems: int) -> None:
    assert len(list(found.too_many())) == problems


def test_pushes_with_news_are_those_that_bring_a_copy_forward() -> None:
    pushes = [
        push("E1", OLD),
        push("E1", NEW),
        push("E1", NEWER),
        push("E9", NEW),
        whole(E1=NEWER, E2=NEWER, E3=OLD),
        push("E2", NEWER),
        push("E3", OLD),
    ]
    found = with_news(pushes, {"E1": NEW, "E2": NEW, "E3": NEWER})
    assert found == [pushes[1], pushes[4]]


@pytest.mark.parametrize(
    ("tail", "body", "expected"),
    [
        ("L1", location("L1", E1=OLD, E2=NEW), Push("L1", None, {"E1": OLD, "E2": NEW})),
        ("L1/E1", make_evse("E1", last_updated=NEW), Push("L1", "E1", {"E1": NEW})),
    ],
)
def test_pushes_are_read_from_the_record(tail: str, body: object, expected: Push) -> None:
    path = f"/ocpi/2.2.1/receiver/locations/NL/LDO/{tail}"
    assert read_push(path, json.dumps(body)) == expected
