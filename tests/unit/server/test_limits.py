"""Requests at a time, and per second of a platform and module with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ocpi_hub.errors import Overloaded, TooManyRequests
from ocpi_hub.server.limits import Gate, RateLimit
from tests.support.directory import ManualClock


class Sleeps(ManualClock):
    """Remembers how long was slept."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, delay_s: float) -> None:
        self.slept.append(round(delay_s, 6))
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Sleeps:
    return Sleeps()


def limit(clock: Sleeps, per_s: float, processes: Callable[[], int] = lambda: 1) -> RateLimit:
    return RateLimit(per_s, clock, processes)


async def admitted(
    limits: RateLimit, times: int, platform: str = "p-1", module: str = "tokens"
) -> int:
    """How many of that many impatient requests pass."""
    passed = 0
    for _ in range(times):
        try:
            await limits.admit(platform, module, patient=False)
        except TooManyRequests:
            continue
        passed += 1
    return passed


@pytest.mark.req("ER-13")
async def test_a_burst_of_one_second_passes_and_then_as_many_as_the_limit_says(
    clock: Sleeps,
) -> None:
    limits = limit(clock, 4)
    assert await admitted(limits, 20) == 4
    clock.advance(0.5)
    assert await admitted(limits, 20) == 2
    clock.advance(3600)
    assert await admitted(limits, 20) == 4
    assert clock.slept == []


@pytest.mark.req("ER-13")
async def test_what_is_above_the_limit_is_told_when_to_come_again(clock: Sleeps) -> None:
    limits = limit(clock, 0.25)
    assert await admitted(limits, 1) == 1
    with pytest.raises(TooManyRequests) as refused:
        await limits.admit("p-1", "tokens", patient=False)
    assert (refused.value.http_status, refused.value.status_code) == (429, 3000)
    assert refused.value.headers["Retry-After"] == "4"
    clock.advance(4)
    assert await admitted(limits, 2) == 1


async def test_platforms_and_modules_have_buckets_of_their_own(clock: Sleeps) -> None:
    limits = limit(clock, 3)
    assert await admitted(limits, 9) == 3
    assert await admitted(limits, 9, module="cdrs") == 3
    assert await admitted(limits, 9, platform="p-2") == 3


async def test_processes_share_the_limit(clock: Sleeps) -> None:
    count = 4
    limits = limit(clock, 8, lambda: count)
    assert await admitted(limits, 20) == 2
    count = 1
    clock.advance(1)
    assert await admitted(limits, 20) == 8
    count = 0
    clock.advance(1)
    assert await admitted(limits, 20) == 8


async def test_no_limit_is_no_limit(clock: Sleeps) -> None:
    assert await admitted(limit(clock, 0), 1000) == 1000


@pytest.mark.req("ER-13")
async def test_a_patient_request_is_slowed_before_it_is_refused(clock: Sleeps) -> None:
    limits = limit(clock, 2)
    for _ in range(6):
        await limits.admit("p-1", "cdrs", patient=True)
    assert clock.slept == [0.5, 1.0, 1.5, 2.0]
    with pytest.raises(TooManyRequests) as refused:
        await limits.admit("p-1", "cdrs", patient=True)
    assert refused.value.headers["Retry-After"] == "3"
    clock.advance(0.5)
    await limits.admit("p-1", "cdrs", patient=True)
    assert clock.slept[-1] == 2.0


async def test_buckets_that_are_full_again_are_forgotten(clock: Sleeps) -> None:
    limits = limit(clock, 1)
    for number in range(10_000):
        await limits.admit(f"p-{number}", "tokens", patient=False)
    clock.advance(0.5)
    assert await admitted(limits, 2, platform="p-0") == 0
    clock.advance(0.6)
    await limits.admit("p-new", "tokens", patient=False)
    assert len(limits._buckets) <= 2
    assert await admitted(limits, 2, platform="p-0") == 1


# Gate --------------------------------------------------------------------------------------------


@pytest.mark.req("ER-13")
def test_the_gate_lets_in_as_many_as_its_limit() -> None:
    gate = Gate(2)
    with gate, gate:
        with pytest.raises(Overloaded) as caught, gate:
            raise AssertionError("not let in")
        assert caught.value.headers["Retry-After"]
    with gate, gate:
        pass


@pytest.mark.req("ER-13")
def test_one_platform_has_half_of_the_gate() -> None:
    gate = Gate(4)
    gate.admit("p-1")
    gate.admit("p-1")
    with pytest.raises(TooManyRequests, match="2 requests of yours") as caught:
        gate.admit("p-1")
    assert caught.value.headers["Retry-After"]
    gate.admit("p-2")
    gate.leave("p-1")
    gate.admit("p-1")
    for platform in ("p-1", "p-1", "p-2"):
        gate.leave(platform)
    gate.admit("p-1")


def test_the_gate_counts_those_that_fail_too() -> None:
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), gate:
            raise ValueError("inside")
