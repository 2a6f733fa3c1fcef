"""Locations and EVSEs on their way to receivers, whatever these do: one process of the feed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.delivery.feed.evses import PATIENCE
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.delivery.feed.worker import FeedWorker
from ocpi_hub.delivery.shared import Change, Changed, Deletion
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import Answer, Exchange, Unreachable
from ocpi_hub.domain.objects import EVERYBODY, ObjectKey, Origin
from ocpi_hub.domain.party import PartyId, Platform, Relation, RelationMode, Role
from ocpi_hub.errors import StoreUnavailable
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import request_backfills
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.factories import CPO, EMSP, make_directory, make_platform, text
from tests.support.feeding import PATIENT, LocationReceivers, Push, feeding, taken
from tests.support.postgres import make_settings
from tests.support.scripted import answer
from tests.support.stores import shared_store, value
from tests.support.waiting import eventually

NSP = PartyId("DE", "NSP")
START = datetime(2026, 2, 1, tzinfo=UTC)
LACKING: tuple[Answer, ...] = (
    answer(2003, http=404),
    answer(None, http=404),
    answer(2001),
    answer(2003),
)


def at(second: int) -> str:
    return (START + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


def location(location_id: str, second: int = 0, *uids: str, **fields: Any) -> dict[str, Any]:
    return {
        "country_code": "nl",
        "party_id": "cpo",
        "id": location_id,
        "publish": True,
        "evses": [evse(uid, second) for uid in uids or ("E1", "E2")],
        "last_updated": at(second),
    } | fields


def evse(uid: str, second: int, status: str = "AVAILABLE") -> dict[str, Any]:
    return {"uid": uid, "status": status, "last_updated": at(second)}


def change(
    value: dict[str, Any], location_id: str, *part: str, to: PartyId | None = None
) -> Change:
    audience = str(to) if to else EVERYBODY
    return Change(
        key=ObjectKey("locations", CPO, location_id, audience=audience),
        body=text(value),
        partial=False,
        last_updated=datetime.fromisoformat(value["last_updated"]),
        origin=Origin.DIRECT if to else Origin.BROADCAST,
        correlation_id=f"correlation {value['last_updated']}",
        part=part,
    )


@dataclass(slots=True)
class Scene:
    """A CPO, an eMSP and an NSP; `online` and `related` may change while the feed runs."""

    address: DatabaseAddress
    store: PostgresSharedStore
    receivers: LocationReceivers = field(default_factory=LocationReceivers)
    platforms: list[Platform] = field(default_factory=list)
    related: bool = True
    directory: Directory = field(init=False)

    def __post_init__(self) -> None:
        self.see()

    def see(
        self, *, online: bool = True, related: bool = True, parties: Sequence[Any] = ()
    ) -> None:
        emsp = make_platform((EMSP, Role.EMSP), online=online)
        mode = RelationMode.REALTIME if related else RelationMode.NONE
        self.directory = make_directory(
            make_platform((CPO, Role.CPO)),
            emsp,
            *(make_platform(party) for party in parties),
            relations=[Relation(CPO, EMSP, mode)],
        )

    def feed(self, **limits: Any) -> AbstractAsyncContextManager[FeedWorker]:
        return feeding(
            self.address,
            lambda: self.directory,
            self.receivers,
            ["locations"],
            replace(PATIENT, **limits),
        )

    async def put(self, location_id: str, second: int = 0, *uids: str, **fields: Any) -> None:
        await self.store.change(change(location(location_id, second, *uids, **fields), location_id))

    async def set(
        self, location_id: str, uid: str, second: int, status: str = "CHARGING"
    ) -> Changed:
        return await self.store.change(change(evse(uid, second, status), location_id, uid))

    async def held(self, receiver: PartyId = EMSP) -> dict[str, Any]:
        """What the hub holds, in the shape of a receiver's copy."""
        rows = await value_rows(self.store)
        return {
            row["id"]: {name: row[name] for name in row if name != "evses"}
            | {"evses": {each["uid"]: each for each in row["evses"]}}
            for row in rows
        }

    async def is_told(self, receiver: PartyId = EMSP) -> bool:
        held, copies = await self.held(), self.receivers.copies[str(receiver)]
        return held.keys() == copies.keys() and all(
            _without_times(copies[name]) == _without_times(held[name]) for name in held
        )

    async def told(self) -> None:
        await eventually(self.is_told, "the eMSP's copy is the hub's")


def _without_times(held: dict[str, Any]) -> dict[str, Any]:
    """A receiver sets the time of a Location itself when it gets an EVSE."""
    return {name: content for name, content in held.items() if name != "last_updated"}


async def value_rows(store: PostgresSharedStore) -> list[dict[str, Any]]:
    async with store._database.connection() as connection:
        rows = await connection.fetch(
            "select body from shared_object where object_type = '' and audience = '*'"
        )
    return [json.loads(row["body"]) for row in rows]


@pytest_asyncio.fixture
async def scene(address: DatabaseAddress, database: Database) -> AsyncIterator[Scene]:
    async with shared_store(database) as store:
        yield Scene(address, store)


@pytest.mark.req("RT-21", "RT-24", "TF-27")
async def test_a_change_of_an_evse_goes_out_as_the_evse_from_the_hub(scene: Scene) -> None:
    async with scene.feed():
        await scene.put("Loc1")
        await scene.told()
        await scene.set("LOC1", "e1", 5)
        await eventually(partial(_arrived, scene, "Loc1", "e1"), "the EVSE")
        [push] = scene.receivers.of("Loc1", "e1")
        assert (push.path, push.method) == (("nl", "cpo", "Loc1", "e1"), "PUT")
        assert (push.data, push.sender) == (evse("e1", 5, "CHARGING"), "EU*HUB")
        assert len(scene.receivers.of("Loc1")) == 1


async def _arrived(scene: Scene, *path: str) -> bool:
    return bool(scene.receivers.of(*path))


async def test_a_receiver_that_lacks_a_location_gets_it_in_place_of_the_evse(scene: Scene) -> None:
    await scene.put("L1")
    async with scene.feed():
        await scene.told()
        scene.receivers.copies.clear()
        await scene.set("L1", "E1", 5)
        await scene.told()
        assert [push.path[2:] for push in scene.receivers.pushes] == [
            ("L1",),
            ("L1", "E1"),
            ("L1",),
        ]
        await scene.set("L1", "E2", 6)
        await scene.told()
        assert scene.receivers.pushes[-1].path[2:] == ("L1", "E2")


@pytest.mark.parametrize("refusal", LACKING, ids=["404/2003", "bare 404", "2001", "2003"])
async def test_a_receiver_that_takes_no_evse_gets_locations(scene: Scene, refusal: Answer) -> None:
    scene.receivers.fate = lambda push: refusal if len(push.path) == 4 else None
    names = [f"L{number}" for number in range(PATIENCE + 3)]
    async with scene.feed():
        for name in names:
            await scene.put(name)
        await scene.told()
        for second, name in enumerate(names, start=1):
            await scene.set(name, "E1", second)
            await scene.told()
        alone = [push for push in scene.receivers.pushes if len(push.path) == 4]
        assert len(alone) == PATIENCE, "it is not asked again and again"
        assert await value(scene.store._database, "select count(*) from lane_gap") == 0


async def test_one_location_that_is_refused_blocks_no_other(scene: Scene) -> None:
    scene.receivers.fate = lambda push: answer(2001) if push.path[2] == "BAD" else None
    async with scene.feed():
        for name in ("L1", "BAD", "L2"):
            await scene.put(name)
        for second in range(1, 4):
            for name in ("L1", "BAD", "L2"):
                await scene.set(name, "E1", second, f"S{second}")

        async def others_are_told() -> bool:
            held, copies = await scene.held(), scene.receivers.copies[str(EMSP)]
            return all(
                name in copies and _without_times(copies[name]) == _without_times(held[name])
                for name in ("L1", "L2")
            )

        await eventually(others_are_told, "the others")
        await eventually(partial(_gaps, scene, 1), "its refusal is on record")
        scene.receivers.fate = taken
        await scene.put("BAD", 9)
        await scene.told()
        await eventually(partial(_gaps, scene, 0), "and closed")


@pytest.mark.req("LO-08")
async def test_a_location_that_goes_by_a_list_is_told_to_nobody_and_blocks_nothing(
    scene: Scene,
) -> None:
    async with scene.feed():
        await scene.put("L1")
        await scene.told()
        key = change(location("L1"), "L1").key
        assert await scene.store.delete(Deletion(key, Origin.PULL, "c")) is Changed.DELETED
        await scene.put("L2")
        await eventually(partial(_arrived, scene, "L2"), "the next Location")
        await eventually(partial(_gaps, scene, 0), "nothing is left")
        assert [push.method for push in scene.receivers.of("L1")] == ["PUT"]


async def _gaps(scene: Scene, at_least: int) -> bool:
    gaps: int = await value(scene.store._database, "select count(*) from lane_gap")
    return gaps >= at_least if at_least else gaps == 0


async def test_a_receiver_that_disappears_mid_batch_gets_the_rest_later(scene: Scene) -> None:
    def disappear(_push: Push) -> Exchange | None:
        away = 20 < len(scene.receivers.pushes) < 40
        return Unreachable("connection refused") if away else None

    scene.receivers.fate = disappear
    for number in range(30):
        await scene.put(f"L{number}")
    for number in range(30):
        await scene.set(f"L{number}", "E1", 5)
    async with scene.feed():
        await scene.told()
        assert len(scene.receivers.pushes) >= 40
        assert await value(scene.store._database, "select count(*) from lane_gap") == 0


@pytest.mark.req("TF-23", "RT-06")
async def test_what_is_owed_to_one_party_comes_from_its_owner(scene: Scene) -> None:
    await scene.put("L1")
    async with scene.feed():
        await scene.told()
        scene.receivers.copies.clear()
        await scene.store.change(change(evse("E1", 5, "RESERVED"), "L1", "E1", to=EMSP))
        async with scene.store._database.connection() as connection:
            await connection.execute("update lane_gap set next_attempt_at = now()")
        await eventually(partial(_gaps, scene, 0), "the gap is closed")
        alone, whole = scene.receivers.pushes[-2:]
        assert (alone.path, whole.path) == (("nl", "cpo", "L1", "E1"), ("nl", "cpo", "L1"))
        assert {alone.sender, whole.sender} == {"NL*CPO"}
        assert whole.data["evses"][0]["status"] == "RESERVED"


@pytest.mark.req("LO-12")
async def test_what_is_not_to_be_published_goes_to_emsps_alone(scene: Scene) -> None:
    scene.see(parties=[(NSP, Role.NSP)])
    async with scene.feed():
        await scene.put("SECRET", publish=False)
        await scene.put("OPEN")
        await scene.set("SECRET", "E1", 5)
        await scene.set("OPEN", "E1", 5)
        await scene.told()
        await scene.put("LAST", 6)
        await eventually(partial(_has, scene, NSP, "LAST"), "the NSP has what came last")
        assert scene.receivers.copies[str(NSP)].keys() == {"OPEN", "LAST"}


async def _has(scene: Scene, receiver: PartyId, name: str) -> bool:
    return name in scene.receivers.copies[str(receiver)]


# Away and back -----------------------------------------------------------------------------------

RATE = 20.0


@pytest.mark.req("RT-23")
async def test_an_emsp_that_was_away_gets_each_evse_once_at_its_rate_and_live_changes_first(
    scene: Scene,
) -> None:
    names = [f"L{number}" for number in range(10)]
    uids = [f"E{number}" for number in range(5)]
    async with scene.feed(catch_up_rps=RATE, per_receiver=4) as worker:
        for name in (*names, "LIVE"):
            await scene.put(name, 0, *uids)
        await scene.told()
        scene.see(online=False)
        scene.receivers.pushes.clear()
        places = [(name, uid) for name in names for uid in uids]
        await asyncio.gather(
            *(scene.set(*places[number % 50], number, f"S{number}") for number in range(1, 1001))
        )
        [lane] = worker.held.all.values()

        async def waits() -> bool:
            return lane.waiting == len(places) and not lane._live

        await eventually(waits, "the changes wait for the eMSP")
        assert scene.receivers.pushes == []
        scene.see()
        await eventually(partial(_pushes, scene, 5), "it is back, and catches up")
        await scene.set("LIVE", "E0", 2000)
        await scene.told()
    pushed = Counter(push.path[2:] for push in scene.receivers.pushes)
    assert set(pushed) == {*places, ("LIVE", "E0")}
    assert set(pushed.values()) == {1}
    order = [push.path[2] for push in scene.receivers.pushes]
    assert order.index("LIVE") < len(order) - 10, "live changes overtake"
    late = [push.at for push in scene.receivers.pushes if push.path[2] != "LIVE"]
    # What was allowed may be held up on its way, as much as may be in flight, and arrive together.
    busiest = max(sum(begin <= each < begin + 1 for each in late) for begin in late)
    assert busiest <= RATE + 1 + 4


async def _pushes(scene: Scene, count: int) -> bool:
    return len(scene.receivers.pushes) >= count


async def test_ten_thousand_changes_of_one_evse_are_few_writes_and_few_pushes(
    scene: Scene,
) -> None:
    database = scene.store._database
    await scene.put("L1")
    async with scene.feed():
        await scene.told()
        before = await value(database, "select last_value from shared_object_position")
        changes = [scene.set("L1", "E1", second, f"S{second}") for second in range(1, 10_001)]
        results = await asyncio.gather(*changes)
        assert set(results) == {Changed.UPDATED}
        await scene.told()
        assert scene.receivers.copies[str(EMSP)]["L1"]["evses"]["E1"]["status"] == "S10000"
    after = await value(database, "select last_value from shared_object_position")
    assert after - before <= 30, "one write for each batch"
    assert len(scene.receivers.of("L1", "E1")) <= after - before
    rows = await value(database, "select count(*) from shared_object")
    assert rows == 2


async def test_a_relation_that_goes_while_its_backfill_runs_stops_the_pushes(scene: Scene) -> None:
    scene.see(related=False)
    for number in range(200):
        await scene.put(f"L{number}")
    database = scene.store._database
    async with scene.feed(catch_up_rps=50.0):
        lane = LaneId(EMSP, "locations")
        passed = "select cursor = (select max(position) from shared_object) from lane"

        async def has_passed() -> bool:
            return bool(await value(database, passed))

        await eventually(has_passed, "nothing of it concerns the eMSP")
        scene.see()
        async with database.transaction() as connection:
            await request_backfills(connection, [(lane, CPO)])
            # A young one would wait for a directory that shows the owner (again).
            await connection.execute(
                "update lane_backfill set requested_at = now() - interval '1 hour'"
            )
        await eventually(partial(_pushes, scene, 5), "the backfill runs")
        scene.see(related=False)
        told = len(scene.receivers.pushes)

        async def is_over() -> bool:
            return bool(await value(database, "select count(*) = 0 from lane_backfill"))

        await eventually(is_over, "the backfill is dropped")
        assert len(scene.receivers.pushes) <= told + PATIENT.per_receiver


# Somebody holds the lock -------------------------------------------------------------------------


async def test_a_transaction_left_open_stops_nobody_for_longer_than_its_timeout(
    address: DatabaseAddress,
) -> None:
    database = await Database.open(address, make_settings())
    holder = await Database.open(address, make_settings(transaction_timeout_s=0.5))
    forgotten = await holder.dedicated()
    await forgotten.execute("begin")
    lock = "select pg_advisory_xact_lock(hashtextextended('ocpi_hub feed locations', 0))"
    await forgotten.execute(lock)
    async with shared_store(database) as store:
        changes = [
            store.change(change(location(f"L{number}"), f"L{number}")) for number in range(20)
        ]
        assert set(await asyncio.gather(*changes)) == {Changed.CREATED}
    assert await value(database, "select count(*) from shared_object") == 20
    assert forgotten.is_closed()
    await holder.close()
    await database.close()


async def test_what_cannot_be_stored_while_somebody_holds_the_lock_is_not_acknowledged(
    address: DatabaseAddress,
) -> None:
    database = await Database.open(address, make_settings(statement_timeout_ms=400))
    holder = await Database.open(address, make_settings())
    async with shared_store(database) as store:
        async with holder.transaction() as connection:
            await connection.execute(
                "select pg_advisory_xact_lock(hashtextextended('ocpi_hub feed locations', 0))"
            )
            with pytest.raises(StoreUnavailable):
                await store.change(change(location("L1"), "L1"))
        assert await store.change(change(location("L1"), "L1")) is Changed.CREATED
    await database.close()
    await holder.close()
