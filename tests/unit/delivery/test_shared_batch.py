"""Changes of Locations and their parts, in order of arrival, before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpi_hub.delivery.shared import Change, Changed, evse_key, is_evse
from ocpi_hub.delivery.shared_batch import SharedBatch
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin, SharedObject
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import parse_datetime
from ocpi_hub.ocpi.json_text import members
from tests.support.factories import CPO, EMSP, text
from tests.unit.ocpi.factories import make_connector, make_evse, make_location

START = datetime(2026, 2, 1, tzinfo=UTC)


def at(seconds: int) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def key(location_id: str = "LOC1", audience: str = EVERYBODY) -> ObjectKey:
    return ObjectKey("locations", CPO, location_id, audience=audience)


TO_EMSP = key(audience=str(EMSP))
EVSE = evse_key(key(), "E1")


def location(seconds: int = 0, **fields: Any) -> dict[str, Any]:
    evses = [
        make_evse(uid=uid, last_updated=at(seconds), connectors=[connector(seconds)])
        for uid in ("E1", "e2")
    ]
    return make_location(**{"last_updated": at(seconds), "evses": evses} | fields)


def connector(seconds: int, **fields: Any) -> dict[str, Any]:
    return make_connector(**{"last_updated": at(seconds)} | fields)


def row(value: dict[str, Any], of: ObjectKey | None = None) -> SharedObject:
    dated = parse_datetime(value["last_updated"])
    return SharedObject(of or key(), text(value), dated, 7, 1, Origin.BROADCAST, "before")


def change(
    value: dict[str, Any],
    *part: str,
    of: ObjectKey | None = None,
    partial: bool = False,
    **more: Any,
) -> Change:
    return Change(
        key=of or key(),
        body=text(value),
        partial=partial,
        last_updated=parse_datetime(value["last_updated"]),
        origin=Origin.BROADCAST if of is None else Origin.DIRECT,
        correlation_id="now",
        part=part,
        **more,
    )


def status(value: str, seconds: int, uid: str = "E1", **more: Any) -> Change:
    return change({"status": value, "last_updated": at(seconds)}, uid, partial=True, **more)


def now(batch: SharedBatch, of: ObjectKey | None = None) -> dict[str, Any]:
    found = batch.row(of or key())
    assert found is not None
    body: dict[str, Any] = json.loads(found.body)
    if not is_evse(found.key):
        assert found.last_updated == parse_datetime(body["last_updated"])
    return body


@pytest.mark.req("LO-05")
def test_an_evse_changes_the_text_of_its_location_and_moves_its_own_row_alone() -> None:
    batch = SharedBatch([row(location())])
    assert batch.apply(status("CHARGING", 5)) is Changed.UPDATED
    body = now(batch)
    assert [(evse["uid"], evse["status"]) for evse in body["evses"]] == [
        ("E1", "CHARGING"),
        ("e2", "AVAILABLE"),
    ]
    assert body["last_updated"] == body["evses"][0]["last_updated"] == at(5)
    assert now(batch, EVSE) == body["evses"][0]
    assert (batch.moved, batch.rewritten, batch.replaced) == ({EVSE}, {key()}, set())
    location_row, evse_row = batch.row(key()), batch.row(EVSE)
    assert location_row is not None
    assert evse_row is not None
    assert (location_row.correlation_id, evse_row.correlation_id) == ("before", "now")


@pytest.mark.req("LO-05")
def test_a_connector_moves_the_row_of_its_evse() -> None:
    batch = SharedBatch([row(location())])
    assert batch.apply(change(connector(3, id="2"), "e1", "2")) is Changed.CREATED
    patch = {"max_voltage": 400, "last_updated": at(4)}
    assert batch.apply(change(patch, "E1", "1", partial=True)) is Changed.UPDATED
    body = now(batch)
    assert body["last_updated"] == body["evses"][0]["last_updated"] == at(4)
    assert [each["max_voltage"] for each in body["evses"][0]["connectors"]] == [400, 230]
    assert now(batch, EVSE) == body["evses"][0]
    assert batch.moved == {EVSE}, "both spellings of the uid name one EVSE"


def test_a_new_evse_is_created_and_never_an_unknown_one_patched() -> None:
    batch = SharedBatch([row(location(evses=None))])
    assert batch.apply(status("CHARGING", 5)) is Changed.MISSING
    assert batch.apply(change(connector(5), "E1", "1")) is Changed.MISSING
    assert batch.apply(change(make_evse(last_updated=at(1)), "E1")) is Changed.CREATED
    patch = {"max_voltage": 1, "last_updated": at(5)}
    assert batch.apply(change(patch, "E1", "9", partial=True)) is Changed.MISSING
    assert [evse["uid"] for evse in now(batch)["evses"]] == ["E1"]


@pytest.mark.req("LO-09")
def test_a_part_of_a_location_that_is_not_there_is_told_apart() -> None:
    batch = SharedBatch([])
    assert batch.apply(status("CHARGING", 5)) is Changed.UNKNOWN_LOCATION
    assert batch.apply(change(make_evse(), "E1")) is Changed.UNKNOWN_LOCATION
    assert batch.apply(change(connector(1), "E1", "1", of=TO_EMSP)) is Changed.UNKNOWN_LOCATION
    assert not batch.moved | batch.rewritten | batch.owed


@pytest.mark.req("LO-05")
def test_a_part_is_stale_by_its_own_time_and_times_never_go_back() -> None:
    batch = SharedBatch([row(location(10))])
    assert batch.apply(status("CHARGING", 9)) is Changed.STALE
    assert batch.apply(change(connector(9), "E1", "1")) is Changed.STALE
    assert batch.apply(change(make_evse(uid="E3", last_updated=at(2)), "E3")) is Changed.CREATED
    assert batch.apply(status("CHARGING", 3, "E3")) is Changed.UPDATED
    assert batch.apply(status("BLOCKED", 2, "E3")) is Changed.STALE
    body = now(batch)
    assert body["last_updated"] == at(10)
    assert (body["evses"][2]["status"], body["evses"][2]["last_updated"]) == ("CHARGING", at(3))
    assert batch.apply(change(location(9, name="old"))) is Changed.STALE


def test_the_same_content_again_changes_nothing() -> None:
    batch = SharedBatch([row(location())])
    same = location()
    assert batch.apply(change(dict(reversed(same.items())))) is Changed.UNCHANGED
    assert batch.apply(change(same["evses"][0], "E1")) is Changed.UNCHANGED
    assert batch.apply(change(connector(0, max_voltage=230.0), "E1", "1")) is Changed.UNCHANGED
    assert batch.apply(status("AVAILABLE", 0)) is Changed.UNCHANGED
    assert not batch.moved | batch.rewritten | batch.owed
    assert batch.apply(status("AVAILABLE", 1)) is Changed.UPDATED, "it was confirmed later"


def test_a_whole_location_withdraws_what_was_said_of_its_evses() -> None:
    batch = SharedBatch([row(location())])
    batch.apply(status("CHARGING", 5))
    patch = {"name": "A name", "last_updated": at(6)}
    assert batch.apply(change(patch, partial=True)) is Changed.UPDATED
    assert now(batch)["evses"][0]["status"] == "CHARGING"
    assert (batch.moved, batch.rewritten, batch.replaced) == ({key()}, set(), {key()})
    assert batch.row(EVSE) is None
    batch.apply(status("RESERVED", 7))
    assert (batch.moved, batch.rewritten) == ({key(), EVSE}, set())
    assert (now(batch)["name"], now(batch, EVSE)["status"]) == ("A name", "RESERVED")


def test_an_addressed_part_begins_with_the_broadcast_location_and_owes_the_evse_alone() -> None:
    batch = SharedBatch([row(location())])
    evse = evse_key(TO_EMSP, "E1")
    assert batch.apply(status("RESERVED", 5, of=TO_EMSP)) is Changed.UPDATED
    assert batch.apply(status("BLOCKED", 6, "E2", of=TO_EMSP)) is Changed.UPDATED
    assert [each["status"] for each in now(batch)["evses"]] == ["AVAILABLE"] * 2
    assert [each["status"] for each in now(batch, TO_EMSP)["evses"]] == ["RESERVED", "BLOCKED"]
    assert batch.owed == {evse, evse_key(TO_EMSP, "E2")}
    assert batch.moved == batch.owed | {TO_EMSP}


def test_an_addressed_part_goes_on_from_the_addressed_location() -> None:
    batch = SharedBatch([row(location()), row(location(name="Yours"), TO_EMSP)])
    assert batch.apply(status("RESERVED", 5, of=TO_EMSP)) is Changed.UPDATED
    assert (now(batch, TO_EMSP)["name"], batch.rewritten) == ("Yours", {TO_EMSP})


def test_a_refused_patch_leaves_nothing_behind() -> None:
    def refuse(_: str) -> None:
        raise InvalidRequest("no")

    batch = SharedBatch([row(location())])
    for refused in (
        status("CHARGING", 5, check=refuse),
        change({"name": None, "last_updated": at(5)}, partial=True, check=refuse),
        change({"id": "x", "last_updated": at(5)}, "E1", "1", partial=True, check=refuse),
    ):
        with pytest.raises(InvalidRequest):
            batch.apply(refused)
    assert now(batch) == location()
    assert not batch.moved | batch.rewritten


def test_parts_that_each_fit_do_not_outgrow_the_limit_together() -> None:
    whole = row(location())
    room = len(whole.body.encode()) + 500
    batch = SharedBatch([whole])
    results = []
    for number in range(6):
        evse = make_evse(uid=f"N{number}", physical_reference="ü" * 16, last_updated=at(number))
        results.append(batch.apply(change(evse, f"N{number}", max_bytes=room)))
    assert set(results) == {Changed.CREATED, Changed.TOO_LARGE}
    assert results == sorted(results, key=lambda changed: changed.value), "the first ones fit"
    size = len(text(now(batch)).encode())
    rendered = batch.row(key())
    assert rendered is not None
    assert len(rendered.body.encode()) <= room
    assert size > 0


def test_ten_thousand_changes_of_one_evse_take_its_location_apart_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = row(location())
    parsed: list[str] = []

    def counting(value: str) -> list[tuple[str, str]]:
        if '"evses"' in value:
            parsed.append(value)
        return members(value)

    monkeypatch.setattr("ocpi_hub.ocpi.location_text.members", counting)
    batch = SharedBatch([whole])
    for second in range(10_000):
        state = "CHARGING" if second % 2 else "AVAILABLE"
        assert batch.apply(status(state, second + 1, max_bytes=100_000)) is Changed.UPDATED
    assert len(parsed) == 1
    assert batch.moved == {EVSE}
    assert (now(batch)["evses"][0]["status"], now(batch)["last_updated"]) == (
        "CHARGING",
        at(10_000),
    )


def test_a_location_that_is_put_and_then_changed_is_written_whole() -> None:
    batch = SharedBatch([])
    assert batch.apply(change(location())) is Changed.CREATED
    assert batch.apply(status("CHARGING", 1)) is Changed.UPDATED
    assert (batch.moved, batch.rewritten) == ({key(), EVSE}, set())
    assert [found.key for found in batch.rows(sorted(batch.moved))] == [key(), EVSE]
    assert now(batch)["evses"][0]["status"] == "CHARGING"


def test_keys_of_asks_for_the_published_location_of_addressed_parts() -> None:
    put = replace(change(make_evse(), "E1", of=TO_EMSP))
    assert SharedBatch.keys_of([put]) == {TO_EMSP, key()}
    assert SharedBatch.keys_of([change(location(), of=TO_EMSP)]) == {TO_EMSP}


def test_a_listed_location_older_than_a_push_still_brings_its_newer_evses() -> None:
    batch = SharedBatch([row(location(0))])
    listed = location(1)
    listed["evses"] = [
        make_evse(uid="E1", status="CHARGING", last_updated=at(1), connectors=[connector(0)]),
        make_evse(uid="e2", last_updated=at(0), connectors=[connector(0)]),
    ]
    batch.apply(status("BLOCKED", 2, uid="e2"))
    assert batch.apply(replace(change(listed), origin=Origin.PULL)) is Changed.UPDATED
    assert [evse["status"] for evse in now(batch)["evses"]] == ["CHARGING", "BLOCKED"]
    assert now(batch)["last_updated"] == at(2)
    assert batch.apply(replace(change(listed), origin=Origin.PULL)) is Changed.STALE
    assert batch.apply(change(location(1))) is Changed.STALE


def test_of_evses_with_the_same_uid_in_a_list_the_first_one_counts() -> None:
    batch = SharedBatch([row(location(0))])
    batch.apply(status("BLOCKED", 5, uid="e2"))
    listed = location(4)
    listed["evses"] = [
        make_evse(uid=uid, status=said, last_updated=at(4), connectors=[connector(0)])
        for uid, said in (("E1", "CHARGING"), ("e1", "RESERVED"))
    ]
    change_of_list = replace(change(listed), origin=Origin.PULL)
    assert batch.apply(change_of_list) is Changed.UPDATED
    assert [evse["status"] for evse in now(batch)["evses"]] == ["CHARGING", "BLOCKED"]
    assert batch.apply(change_of_list) is Changed.STALE


def listing(value: dict[str, Any]) -> Change:
    return replace(change(value), origin=Origin.PULL)


def evses(*dated: tuple[str, int]) -> list[dict[str, Any]]:
    return [
        make_evse(uid=uid, last_updated=at(second), connectors=[connector(second)])
        for uid, second in dated
    ]


def uids(batch: SharedBatch) -> list[str]:
    return [evse["uid"] for evse in now(batch)["evses"]]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_an_older_list_does_not_bring_back_an_evse_that_was_left_out(
    partial: bool, together: bool
) -> None:
    """Even if a push of another EVSE came after the Location."""
    batch = SharedBatch([row(location(0))])
    without = location(5, evses=evses(("E1", 5)))
    if partial:
        without = {"evses": without["evses"], "last_updated": at(5)}
    assert batch.apply(change(without, partial=partial)) is Changed.UPDATED
    if not together:
        held = batch.row(key())
        assert held is not None
        batch = SharedBatch([held])
    assert batch.apply(status("CHARGING", 9)) is Changed.UPDATED
    listed = location(4, evses=evses(("E1", 4), ("e2", 4)))
    assert batch.apply(listing(listed)) is Changed.STALE
    assert uids(batch) == ["E1"]
    # One that was built since is news: the list is older than the push of E1 alone.
    listed = location(8, evses=evses(("E1", 8), ("e2", 5), ("e3", 6)))
    assert batch.apply(listing(listed)) is Changed.UPDATED
    assert uids(batch) == ["E1", "e3"]
    assert now(batch)["evses"][0]["status"] == "CHARGING"


def test_a_patch_that_names_no_evses_leaves_none_out() -> None:
    batch = SharedBatch([replace(row(location(0)), whole_updated=START)])
    patch = {"name": "Renamed", "last_updated": at(9)}
    assert batch.apply(change(patch, partial=True)) is Changed.UPDATED
    listed = location(8, evses=evses(("E1", 0), ("e2", 0), ("e3", 6)))
    assert batch.apply(listing(listed)) is Changed.UPDATED
    assert uids(batch) == ["E1", "e2", "e3"]


FAR = 10**9
"""Seconds after `START`: decades ahead."""


@pytest.mark.parametrize("part", [(), ("E1",), ("E1", "1")], ids=["location", "evse", "connector"])
def test_a_clock_that_was_far_ahead_makes_nothing_stale_that_comes_later(
    part: tuple[str, ...],
) -> None:
    whole = location(0)
    levels = {0: whole, 1: whole["evses"][0], 2: whole["evses"][0]["connectors"][0]}
    levels[len(part)]["last_updated"] = whole["last_updated"] = at(FAR)
    came = replace(row(whole), received_at=START)
    batch = SharedBatch([came], START + timedelta(hours=1))
    patch = {"x": "proper", "last_updated": at(60)}
    assert batch.apply(change(patch, *part, partial=True)) is Changed.UPDATED
    old = {"x": "old", "last_updated": at(-3600)}
    assert SharedBatch([came], START + timedelta(hours=1)).apply(
        change(old, *part, partial=True)
    ) is Changed.STALE  # fmt: skip


def test_a_deletion_of_what_was_dated_far_ahead_can_be_undone() -> None:
    tombstone = replace(row(location(FAR)), deleted=True, received_at=START)
    later = START + timedelta(hours=1)
    assert SharedBatch([tombstone], later).apply(change(location(60))) is Changed.CREATED
    assert SharedBatch([tombstone], later).apply(change(location(-3600))) is Changed.STALE
    assert SharedBatch([tombstone], later).apply(listing(location(-60))) is Changed.STALE


@pytest.mark.parametrize(
    ("published", "unpublished"),
    [
        ([True, False], True),
        ([True, False, False], True),
        ([True, False, True], False),
        ([False, False], False),
        ([False, True, False], True),
        ([False, True], False),
    ],
)
def test_a_location_that_is_published_no_more_is_told_apart(
    published: list[bool], unpublished: bool
) -> None:
    batch = SharedBatch([row(location(0, publish=published[0]))])
    for second, publish in enumerate(published[1:], 1):
        batch.apply(change({"publish": publish, "last_updated": at(second)}, partial=True))
    assert batch.unpublished == ({key()} if unpublished else set())
    batch = SharedBatch([])
    batch.apply(change(location(0, publish=False)))
    assert batch.unpublished == set()
