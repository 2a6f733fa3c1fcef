"""What the feed knows of the past, so that no receiver is left with what is over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.delivery.shared import Change, Changed, Deletion
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Exchange, OutboundRequest
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin
from ocpi_hub.domain.party import PartyId, Relation, RelationMode, Role
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore, request_backfills
from ocpi_hub.store.platform_admin import PlatformAdmin, RelationChange
from ocpi_hub.store.shared import PostgresSharedStore
from tests.integration.test_location_feed import START, at, change, evse, location
from tests.support.directory import insert_platform
from tests.support.factories import CPO, EMSP, make_directory, make_platform, text
from tests.support.feeding import PATIENT, LocationReceivers, Push, _push, feeding
from tests.support.scripted import answer
from tests.support.stores import UPDATED, execute, feed_store, shared_store, value
from tests.support.waiting import eventually

NSP, SCSP = PartyId("DE", "NSP"), PartyId("DE", "SCS")
TARIFFS = LaneId(EMSP, "tariffs")


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[PostgresSharedStore]:
    async with shared_store(database) as running:
        yield running


@pytest_asyncio.fixture
async def feed(database: Database) -> AsyncIterator[PostgresFeedStore]:
    async with feed_store(database, gap_lease=PATIENT.lease) as running:
        yield running


def directory(*, related: bool = True) -> Directory:
    mode = RelationMode.REALTIME if related else RelationMode.NONE
    return make_directory(
        make_platform((CPO, Role.CPO)),
        make_platform((EMSP, Role.EMSP)),
        make_platform((NSP, Role.NSP)),
        make_platform((SCSP, Role.SCSP)),
        relations=[Relation(CPO, EMSP, mode)],
    )


@dataclass(slots=True)
class Receivers:
    """Keep what they are given, by receiver and id; `log` is what they got, in order."""

    held: dict[tuple[str, str], Any] = field(default_factory=dict)
    log: list[tuple[str, str, str]] = field(default_factory=list)

    async def send(self, request: OutboundRequest) -> Exchange:
        push = _push(request)
        place = (push.receiver, push.path[2])
        self.log.append((push.method, *place))
        if push.method == "DELETE":
            return answer() if self.held.pop(place, None) else answer(2000, http=404)
        self.held[place] = push.data
        return answer()


def tariff(name: str, to: PartyId | None = None) -> ObjectKey:
    return ObjectKey("tariffs", CPO, name, audience=str(to) if to else EVERYBODY)


async def put(store: PostgresSharedStore, key: ObjectKey, said: str = "1") -> None:
    body = text({"country_code": "NL", "party_id": "CPO", "id": key.object_id, "said": said})
    origin = Origin.BROADCAST if key.audience == EVERYBODY else Origin.DIRECT
    await store.change(Change(key, body, False, UPDATED, origin, f"put {said}"))


async def delete(store: PostgresSharedStore, key: ObjectKey) -> None:
    await store.delete(Deletion(key, Origin.BROADCAST, "delete"))


async def settled(database: Database, lane: LaneId) -> bool:
    return bool(
        await value(
            database,
            "select cursor >= (select max(position) from shared_object where module = $3)"
            " and not exists (select from lane_gap where next_attempt_at is not null)"
            " and not exists (select from lane_backfill)"
            " from lane where (country_code, party_id, module) = ($1, $2, $3)",
            lane.receiver.country_code,
            lane.receiver.party_id,
            lane.module,
        )
    )


async def wait_settled(database: Database, lane: LaneId) -> None:
    await eventually(lambda: settled(database, lane), f"nothing is owed to {lane}")


# Deleted -----------------------------------------------------------------------------------------


async def test_what_is_deleted_before_a_new_lane_stored_any_progress_is_told(
    address: DatabaseAddress, database: Database, store: PostgresSharedStore
) -> None:
    receivers = Receivers()
    await put(store, tariff("OLD"))
    await delete(store, tariff("OLD"))
    await put(store, tariff("T1"))
    async with feeding(address, directory, receivers, ["tariffs"], PATIENT):
        await wait_settled(database, TARIFFS)
    assert (str(EMSP), "T1") in receivers.held
    # The process died within the second after which cursors are stored.
    await execute(database, "update lane set cursor = 0, process_id = null, lease_until = null")
    await execute(database, "delete from process")
    await delete(store, tariff("T1"))
    async with feeding(address, directory, receivers, ["tariffs"], PATIENT):
        await wait_settled(database, TARIFFS)
    assert (str(EMSP), "T1") not in receivers.held
    assert not [each for each in receivers.log if each[2] == "OLD"], "nobody ever had it"


async def test_lanes_of_an_older_release_are_told_of_all_that_is_deleted(
    database: Database, feed: PostgresFeedStore, store: PostgresSharedStore
) -> None:
    await put(store, tariff("T1"))
    await execute(
        database,
        "insert into lane (country_code, party_id, module, cursor)"
        " values ('DE', 'MSP', 'tariffs', 1), ('DE', 'NSP', 'tariffs', 0)",
    )
    await insert_process(database)
    wanted = [TARIFFS, LaneId(NSP, "tariffs")]
    leased = await feed.lease(PROCESS, wanted, lease=PATIENT.lease, limit=9)
    tail = await feed.tail("tariffs")
    assert {lane.lane.receiver: lane.first_tail for lane in leased} == {EMSP: 0, NSP: tail}


PROCESS = UUID(int=7)


async def insert_process(database: Database) -> None:
    await execute(
        database, "insert into process (process_id, host, pid) values ($1, 'test', 1)", PROCESS
    )


async def test_what_is_deleted_while_a_relation_is_withdrawn_is_told_when_it_returns(
    address: DatabaseAddress, database: Database, store: PostgresSharedStore
) -> None:
    receivers, seen = Receivers(), [directory()]
    await put(store, tariff("OLD"))
    await delete(store, tariff("OLD"))
    for name in ("T1", "T2"):
        await put(store, tariff(name))
    async with feeding(address, lambda: seen[0], receivers, ["tariffs"], PATIENT):
        await wait_settled(database, TARIFFS)
        seen[0] = directory(related=False)
        await delete(store, tariff("T1"))
        await wait_settled(database, TARIFFS)
        assert (str(EMSP), "T1") in receivers.held
        seen[0] = directory()
        async with database.transaction() as connection:
            await request_backfills(connection, [(TARIFFS, CPO)], deleted=True)
        await wait_settled(database, TARIFFS)
    assert {name for party, name in receivers.held if party == str(EMSP)} == {"T2"}
    assert ("DELETE", str(EMSP), "OLD") not in receivers.log


@pytest.mark.parametrize(
    ("modes", "deleted"),
    [
        (["realtime"], False),
        (["realtime", "whitelist"], False),
        (["realtime", "none", "realtime"], True),
        (["realtime", "none", "realtime", "realtime"], True),
    ],
)
async def test_a_relation_that_returns_tells_what_was_deleted_meanwhile(
    database: Database, modes: list[str], deleted: bool
) -> None:
    for platform, role in (("p-1", ("CPO", "NL*CPO")), ("p-2", ("EMSP", "DE*MSP"))):
        await insert_platform(database, platform, roles=(role,))
    admin = PlatformAdmin(database, overlap=PATIENT.lease)
    for mode in modes:
        await admin.set_relation(CPO, EMSP, RelationChange(RelationMode(mode)))
    found = "select bool_and(deleted) from lane_backfill where module = 'tariffs'"
    assert await value(database, found) is deleted


# Addressed ---------------------------------------------------------------------------------------


@pytest.mark.req("RT-26")
async def test_an_scsp_is_brought_up_to_date_with_what_was_addressed_to_it_alone(
    address: DatabaseAddress, database: Database, store: PostgresSharedStore
) -> None:
    receivers = Receivers()
    await put(store, tariff("ALL"))
    await put(store, tariff("OWN", SCSP))
    await execute(database, "update lane_gap set next_attempt_at = now()")  # nobody relayed it
    async with feeding(address, directory, receivers, ["tariffs"], PATIENT):
        await wait_settled(database, TARIFFS)
        await wait_settled(database, LaneId(SCSP, "tariffs"))
        await put(store, tariff("ALL"), "2")
        async with database.transaction() as connection:
            await request_backfills(connection, [(LaneId(SCSP, "tariffs"), CPO)])
            await connection.execute(
                "update lane_backfill set requested_at = now() - interval '1 hour'"
            )
        await wait_settled(database, LaneId(SCSP, "tariffs"))
    assert [name for _, party, name in receivers.log if party == str(SCSP)] == ["OWN"]


@dataclass(slots=True)
class SlowReceivers(LocationReceivers):
    """The first push is taken, and answered, when `go` is set."""

    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, request: OutboundRequest) -> Exchange:
        if not self.pushes:
            self.pushes.append(_push(request))
            await self.go.wait()
            return self.take(self.pushes[0])
        return await LocationReceivers.send(self, request)

    def relayed(self, body: dict[str, Any], name: str, *part: str) -> None:
        """What a relay of the hub brings, beside the feed."""
        push = Push(0, "PUT", str(EMSP), str(CPO), ("NL", "CPO", name, *part), text(body).encode())
        self.take(push)


async def pushed(receivers: LocationReceivers) -> bool:
    return bool(receivers.pushes)


@pytest.mark.parametrize("answered_first", [False, True])
@pytest.mark.parametrize("case", ["location", "evse", "location over evse", "evse over location"])
async def test_a_push_of_the_feed_that_a_relay_overtakes_is_followed_by_the_newest_state(
    address: DatabaseAddress,
    database: Database,
    store: PostgresSharedStore,
    feed: PostgresFeedStore,
    case: str,
    answered_first: bool,
) -> None:
    """The receiver may take the relayed push first, and the older one of the feed after it."""
    receivers = SlowReceivers()
    old, new = location("L1", 5, name="old"), location("L1", 9, name="new")
    part = evse("E1", 9, "CHARGING")
    first = change(evse("E1", 5), "L1", "E1", to=EMSP) if case.startswith("location over") else None
    receivers.relayed(location("L1"), "L1")
    if first is not None or case == "evse":
        await store.change(change(location("L1"), "L1", to=EMSP))
        await execute(database, "delete from lane_gap")
        first = first or change(evse("E1", 5), "L1", "E1", to=EMSP)
    await store.change(first or change(old, "L1", to=EMSP))
    await execute(database, "update lane_gap set next_attempt_at = now()")  # no relay came through
    newer = change(part, "L1", "E1", to=EMSP) if case.startswith("evse") else None
    newer = newer or change(new, "L1", to=EMSP)
    async with feeding(address, directory, receivers, ["locations"], PATIENT):
        await eventually(lambda: pushed(receivers), "the feed is sending the old state")
        position = (await store.place(newer)).position
        receivers.relayed(part if newer.part else new, "L1", *newer.part)
        lane = LaneId(EMSP, "locations")
        if answered_first:
            await feed.close_addressed(lane, newer.feed_key, position)
        receivers.go.set()

        async def is_new() -> bool:
            held = receivers.copies[str(EMSP)]["L1"]
            said = held["evses"]["E1"]["last_updated"] if newer.part else held["last_updated"]
            gaps = await value(database, "select count(*) from lane_gap")
            return bool(said == new["last_updated"] and not gaps)

        if not answered_first:
            await asyncio.sleep(0)
            await feed.close_addressed(lane, newer.feed_key, position)
        await eventually(is_new, "the newest state is there, and nothing is owed")


# Not published any more --------------------------------------------------------------------------


@pytest.mark.req("LO-12")
async def test_who_sees_published_locations_only_is_told_once_that_one_is_not_any_more(
    address: DatabaseAddress, database: Database, store: PostgresSharedStore
) -> None:
    receivers, lane = LocationReceivers(), LaneId(NSP, "locations")

    async def say(second: int, *, publish: bool, name: str = "L1") -> None:
        await store.change(change(location(name, second, publish=publish), name))

    def told(name: str = "L1") -> list[bool]:
        return [
            push.data["publish"] for push in receivers.of(name) if push.receiver == str(NSP)
        ]  # fmt: skip

    await say(0, publish=True, name="BEFORE")
    await say(1, publish=False, name="BEFORE")
    await say(0, publish=True)
    await say(0, publish=False, name="NEVER")
    async with feeding(address, directory, receivers, ["locations"], PATIENT):
        await wait_settled(database, lane)
        assert told() == [True]
        await say(1, publish=False)
        await say(1, publish=False, name="NEVER")
        await wait_settled(database, lane)
        assert told() == [True, False]
        await say(2, publish=False)
        await store.change(change(evse("E1", 3, "CHARGING"), "L1", "E1"))
        await wait_settled(database, lane)
        assert told() == [True, False]
        await say(4, publish=True)
        await wait_settled(database, lane)
    # While the hub is down it is taken back again, and changed.
    await say(5, publish=False)
    await say(6, publish=False)
    await execute(database, "update lane set process_id = null, lease_until = null")
    await execute(database, "delete from process")  # else it keeps its share of the lanes
    async with feeding(address, directory, receivers, ["locations"], PATIENT):
        await wait_settled(database, lane)
    assert told() == [True, False, True, False]
    assert told("NEVER") == told("BEFORE") == []
    assert not [push for push in receivers.of("L1", "E1") if push.receiver == str(NSP)]


@pytest.mark.req("LO-12")
@pytest.mark.parametrize("withdrawn", [True, False])
async def test_that_a_location_is_not_published_any_more_is_told_when_a_relation_returns(
    address: DatabaseAddress, database: Database, store: PostgresSharedStore, withdrawn: bool
) -> None:
    def related(mode: RelationMode) -> Directory:
        other = [Relation(CPO, NSP, mode)] if withdrawn or mode is not RelationMode.NONE else []
        return (
            replace(directory(), relations={(r.cpo, r.emsp): r for r in other})
            if other
            else (replace(directory(), relations={}, default_relation=RelationMode.NONE))
        )

    receivers, lane = LocationReceivers(), LaneId(NSP, "locations")
    seen = [related(RelationMode.REALTIME if withdrawn else RelationMode.NONE)]

    async def say(second: int, *, publish: bool) -> None:
        await store.change(change(location("L1", second, publish=publish), "L1"))

    await say(0, publish=True)
    async with feeding(address, lambda: seen[0], receivers, ["locations"], PATIENT):
        await wait_settled(database, lane)
        assert len([push for push in receivers.of("L1") if push.receiver == str(NSP)]) == withdrawn
        seen[0] = related(RelationMode.NONE)
        await say(1, publish=False)
        await wait_settled(database, lane)
        seen[0] = related(RelationMode.REALTIME)
        async with database.transaction() as connection:
            await request_backfills(connection, [(lane, CPO)], deleted=withdrawn)
        await wait_settled(database, lane)
    told = [push.data["publish"] for push in receivers.of("L1") if push.receiver == str(NSP)]
    assert told == ([True, False] if withdrawn else [])
    assert not await value(
        database, "select count(*) from lane_gap where receiver_party_id = 'NSP'"
    )


# What stands, and since when ----------------------------------------------------------------------


def listed(second: int, *uids: str) -> Change:
    found = change(location("L1", second, *uids), "L1")
    return replace(found, origin=Origin.PULL)


async def held(store: PostgresSharedStore) -> dict[str, str]:
    """When each EVSE of the Location was changed."""
    row = await store.find(ObjectKey("locations", CPO, "L1"))
    assert row is not None
    return {each["uid"]: each["last_updated"] for each in json.loads(row.body)["evses"]}


async def test_the_hub_remembers_which_evses_a_location_had_when_it_came_whole(
    store: PostgresSharedStore,
) -> None:
    await store.change(change(location("L1", 0, "E1", "E2"), "L1"))
    await store.change(change(location("L1", 5, "E1"), "L1"))
    await store.change(change(evse("E1", 9), "L1", "E1"))
    await store.change(listed(4, "E1", "E2"))
    assert set(await held(store)) == {"E1"}
    await store.change(listed(7, "E1", "E3"))
    assert await held(store) == {"E1": at(9), "E3": at(7)}


async def test_a_clock_that_was_far_ahead_is_set_right(store: PostgresSharedStore) -> None:
    future = datetime.now(UTC) + timedelta(days=9_000)
    far = int((future - START).total_seconds())
    await store.change(change(location("L1", far, "E1"), "L1"))
    await store.change(change(evse("E2", far), "L1", "E2"))
    assert await store.change(change(location("L1", 0), "L1")) is Changed.STALE
    soon = int((datetime.now(UTC) - START).total_seconds()) + 1
    assert await store.change(change(evse("E2", soon), "L1", "E2")) is Changed.UPDATED
    assert (await held(store))["E2"] == at(soon)
    assert await store.change(change(location("L1", soon), "L1")) is Changed.UPDATED
    assert await store.change(change(location("L1", soon - 1), "L1")) is Changed.STALE
