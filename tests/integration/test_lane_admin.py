"""What operators see of lanes that processes hold."""

from __future__ import annotations

import uuid
from datetime import timedelta

from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.database import Database
from ocpi_hub.store.feed import PostgresFeedStore
from ocpi_hub.store.lane_admin import LaneAdmin, LaneRow
from tests.support.factories import CPO
from tests.support.stores import execute

LANE = LaneId(CPO, "tokens")
OTHER = LaneId(PartyId("BE", "CP2"), "tokens")
LEASE = timedelta(seconds=30)


async def test_a_lane_tells_who_holds_it_and_since_when_its_receiver_is_silent(
    database: Database,
) -> None:
    process_id = uuid.uuid4()
    await execute(
        database, "insert into process (process_id, host, pid) values ($1, 'box', 7)", process_id
    )
    store = PostgresFeedStore(database, gap_lease=LEASE, batch_rows=10, batch_queue_rows=10)
    await store.lease(process_id, [LANE, OTHER], lease=LEASE, limit=10)

    async def lanes() -> dict[LaneId, LaneRow]:
        rows, _ = await LaneAdmin(database).lanes()
        return {row.lane: row for row in rows}

    async def renew(*resting: PartyId) -> None:
        await store.renew(process_id, {LANE: 1, OTHER: 2}, lease=LEASE, resting=resting)

    await renew(CPO)
    first = await lanes()
    assert first[LANE].leased_by == ("box", 7)
    assert first[LANE].resting_since is not None
    assert first[OTHER].resting_since is None
    await renew(CPO, OTHER.receiver)
    assert (await lanes())[LANE].resting_since == first[LANE].resting_since
    await renew()
    assert (await lanes())[LANE].resting_since is None
    await renew(CPO)
    await store.release(process_id, {LANE: 1, OTHER: 2})
    row = (await lanes())[LANE]
    assert (row.leased_by, row.resting_since) == (None, None)


async def test_without_lanes_nothing_is_asked_of_the_feed(database: Database) -> None:
    assert await LaneAdmin(database).lanes() == ([], {})


async def test_gaps_of_no_lane_are_none(database: Database) -> None:
    assert await LaneAdmin(database).gaps(LANE, after=None, limit=1) is None
