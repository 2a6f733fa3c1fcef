"""Cars that come and go, and what their CPOs tell of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ocpi_hub.demo.chance import chance
from ocpi_hub.demo.parties import CPOS, LAADOEVER
from ocpi_hub.demo.sites import evses_of
from ocpi_hub.demo.traffic import CARS, CHANGES_AT_ONCE, Cars, Traffic
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.v2_2_1.locations import Status


class Recorder:
    """A platform that notes what it is to send.

    Attributes:
        result: of every request; None makes sending fail.
    """

    def __init__(self, result: dict[str, Any] | None) -> None:
        self.result = result
        self.sent: list[Mapping[str, object]] = []
        self.enough = asyncio.Event()

    async def send_many(
        self, requests: Sequence[Mapping[str, object]], concurrency: int
    ) -> list[dict[str, Any]]:
        self.enough.set()
        if self.result is None:
            raise OperatorError("no control side")
        self.sent += requests
        return [self.result for _ in requests]


def test_cars_leave_before_more_come_than_there_is_room_for() -> None:
    cars = Cars(evses_of(LAADOEVER), chance())
    standing: set[str] = set()
    for _ in range(200):
        changes = cars.change(CHANGES_AT_ONCE)
        assert len({evse.uid for evse, _ in changes}) == CHANGES_AT_ONCE
        for evse, status in changes:
            assert (evse.uid in standing) == (status is Status.AVAILABLE)
            standing ^= {evse.uid}
        assert len(standing) <= CARS


def test_the_same_chance_gives_the_same_changes() -> None:
    one, other = (Cars(evses_of(LAADOEVER), chance()) for _ in range(2))
    assert [one.change(5) for _ in range(20)] == [other.change(5) for _ in range(20)]


def test_busy_charging_points_change_often() -> None:
    cars = Cars(evses_of(LAADOEVER), chance())
    counted = Counter(evse.uid for _ in range(300) for evse, _ in cars.change(CHANGES_AT_ONCE))
    assert len(counted) < len(evses_of(LAADOEVER)) / 3
    assert min(counted.values()) > 1


async def test_every_cpo_tells_of_its_own_charging_points() -> None:
    platforms = {cpo: Recorder({"ocpi": 1000, "http": 200}) for cpo in CPOS}
    traffic = Traffic(platforms)
    async with traffic.flowing():
        for platform in platforms.values():
            await platform.enough.wait()
    sent = [request for platform in platforms.values() for request in platform.sent]
    assert len(traffic.changes) == len(sent)
    assert all(change.told for change in traffic.changes)
    for cpo, platform in platforms.items():
        prefix = f"{cpo.party.country_code}/{cpo.party.party_id}/"
        assert all(str(request["path"]).startswith(prefix) for request in platform.sent)


@pytest.mark.parametrize("result", [{"error": "ConnectError"}, {"ocpi": 3000, "http": 503}])
async def test_changes_that_could_not_be_told_are_kept_as_such(result: dict[str, Any]) -> None:
    platform = Recorder(result)
    traffic = Traffic({LAADOEVER: platform})
    async with traffic.flowing():
        await platform.enough.wait()
    assert traffic.changes
    assert not any(change.told for change in traffic.changes)


async def test_nothing_changes_during_a_pause() -> None:
    platform = Recorder({"ocpi": 1000, "http": 200})
    traffic = Traffic({LAADOEVER: platform}, pause_s=0)
    async with traffic.flowing():
        await platform.enough.wait()
        async with traffic.paused():
            sent = len(platform.sent)
            for _ in range(100):
                await asyncio.sleep(0)
            assert len(platform.sent) == sent
        platform.enough.clear()
        await platform.enough.wait()


async def test_a_platform_that_fails_ends_the_act() -> None:
    platform = Recorder(None)
    with pytest.raises(OperatorError):
        async with Traffic({LAADOEVER: platform}).flowing():
            await platform.enough.wait()
