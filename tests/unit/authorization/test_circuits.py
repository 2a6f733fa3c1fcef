"""Circuits: who does not answer is not waited for, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from ocpi_hub.authorization.circuit_keeper import POLL_S, TRIAL_S, CircuitKeeper
from ocpi_hub.authorization.circuits import Circuits, News
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import Platform, PlatformId
from ocpi_hub.errors import StoreUnavailable
from tests.unit.authorization.scene import (
    EMSP,
    OTHER,
    VirtualClock,
    answers,
    code_answer,
    hangs,
    in_virtual_time,
    info_answer,
    make_directory,
    make_message,
    make_platform,
    make_scene,
    make_token,
    token_value,
)

P = PlatformId("p-1")
Q = PlatformId("p-2")


def opened(failures: int = 3) -> Circuits:
    circuits = Circuits(failures=failures)
    for _ in range(failures):
        circuits.ended(P, False)
    return circuits


def test_failures_in_a_row_open_it() -> None:
    circuits = Circuits(failures=3)
    for told in (False, False, True, False, False, None):
        circuits.ended(P, told)
        assert not circuits.away
    circuits.ended(P, False)
    assert circuits.away == {P}
    assert circuits.take_news() == {P: News.OPENED}
    assert not circuits.admit(P)
    assert circuits.admit(Q)


def test_it_never_opens_where_that_is_switched_off() -> None:
    circuits = Circuits(failures=0)
    for _ in range(100):
        circuits.ended(P, False)
    assert not circuits.away
    assert not circuits.enabled


def test_an_answer_that_was_still_on_its_way_closes_it() -> None:
    circuits = opened()
    circuits.ended(P, True)
    assert not circuits.away
    assert circuits.take_news() == {P: News.CLOSED}


def test_one_at_a_time_is_let_through_on_trial() -> None:
    circuits = opened()
    circuits.try_out(P)
    assert circuits.admit(P)
    assert circuits.away == {P}
    assert not circuits.admit(P)
    circuits.ended(P, None)
    assert circuits.admit(P)
    circuits.ended(P, True)
    assert circuits.take_news() == {P: News.CLOSED}
    assert circuits.admit(P)
    assert circuits.admit(P)


def test_silence_on_trial_opens_it_again() -> None:
    circuits = opened()
    circuits.take_news()
    circuits.try_out(P)
    assert circuits.admit(P)
    circuits.ended(P, False)
    assert circuits.away == {P}
    assert circuits.take_news() == {P: News.REOPENED}


def test_a_trial_that_nobody_asked_in_closes_it_on_probation() -> None:
    circuits = opened()
    circuits.try_out(P)
    circuits.end_trial(P)
    assert not circuits.away
    circuits.ended(P, False)
    assert circuits.away == {P}


def test_a_trial_under_way_is_not_ended() -> None:
    circuits = opened()
    circuits.try_out(P)
    circuits.admit(P)
    circuits.end_trial(P)
    assert circuits.away == {P}


def test_circuits_of_other_processes_are_taken_over_and_given_up() -> None:
    circuits = Circuits(failures=3)
    circuits.follow({P})
    assert circuits.away == {P}
    circuits.follow(set())
    assert not circuits.away
    circuits.ended(P, False)
    assert circuits.away == {P}, "it is on probation"


def test_what_nobody_was_told_yet_is_not_taken_back() -> None:
    circuits = opened()
    circuits.follow(set())
    assert circuits.away == {P}
    circuits.put_back(circuits.take_news())
    assert circuits.take_news() == {P: News.OPENED}


def test_a_trial_here_is_not_ended_by_what_others_see() -> None:
    circuits = opened()
    circuits.take_news()
    circuits.try_out(P)
    circuits.follow({P})
    assert not circuits.away


# In authorizations --------------------------------------------------------------------------------


def test_an_emsp_that_hangs_costs_no_wait_from_then_on() -> None:
    scene = make_scene(scripts={EMSP: hangs}, tokens=[make_token()])
    waits = [scene.authorize().took_s for _ in range(5)]
    assert [wait > 1 for wait in waits] == [True, True, True, False, False]
    reasons = [record.reason for record in scene.evidence.records]
    assert reasons == ["timeout"] * 3 + ["offline"] * 2
    assert [bool(record.legs) for record in scene.evidence.records] == [True] * 3 + [False] * 2


def test_a_budget_too_small_proves_nothing() -> None:
    scene = make_scene(scripts={EMSP: hangs}, tokens=[make_token()])
    for _ in range(5):
        scene.authorize(spent_s=2.0)
    assert not scene.circuits.away


def test_an_unusable_answer_is_a_sign_of_life() -> None:
    scene = make_scene(scripts={EMSP: answers(code_answer(3000, 503))}, tokens=[make_token()])
    for _ in range(5):
        scene.authorize()
    assert not scene.circuits.away


def test_an_unknown_token_is_searched_for_without_who_does_not_answer() -> None:
    platforms = make_platform(EMSP), make_platform(OTHER)
    scene = make_scene(*platforms, scripts={EMSP: hangs, OTHER: answers(code_answer(2004, 404))})
    waits = [scene.authorize(make_message(to=None)).took_s for _ in range(4)]
    assert waits[-1] < 1
    assert scene.evidence.records[-1].reason == "answered"
    assert scene.emsps.parties.count(EMSP) == 3


def test_two_at_once_on_trial_are_one_question_and_one_offline() -> None:
    scene = make_scene(scripts={EMSP: answers(info_answer())}, tokens=[make_token()])
    platform = make_platform(EMSP).platform_id
    for _ in range(3):
        scene.circuits.ended(platform, False)
    scene.circuits.try_out(platform)
    scene.authorize_together(2)
    assert sorted(record.reason for record in scene.evidence.records) == ["answered", "offline"]
    assert scene.emsps.parties == [EMSP]
    assert not scene.circuits.away


def test_a_question_that_is_cancelled_frees_the_trial() -> None:
    platforms = make_platform(EMSP), make_platform(OTHER)
    yes = info_answer(token=token_value(OTHER))
    scene = make_scene(*platforms, scripts={EMSP: hangs, OTHER: answers(yes)})
    platform = platforms[0].platform_id
    for _ in range(3):
        scene.circuits.ended(platform, False)
    scene.circuits.try_out(platform)
    scene.authorize(make_message(to=None))
    assert scene.emsps.cancelled == [EMSP]
    assert scene.circuits.admit(platform)


# The loop beside it -------------------------------------------------------------------------------


@dataclass
class SharedCircuits:
    """Implements CircuitStore for several processes, on the loop's time."""

    pause_s: float = 5.0
    rows: dict[PlatformId, float] = field(default_factory=dict)
    failed_probes: int = 0
    away: bool = False

    def _check(self) -> float:
        if self.away:
            raise StoreUnavailable("away")
        return asyncio.get_running_loop().time()

    async def due_in_s(self) -> Mapping[PlatformId, float]:
        now = self._check()
        return {who: at - now for who, at in self.rows.items()}

    async def open(self, platform_id: PlatformId) -> None:
        self.rows.setdefault(platform_id, self._check() + self.pause_s)

    async def claim(self, platform_id: PlatformId) -> bool:
        now = self._check()
        if self.rows.get(platform_id, now + 1) > now:
            return False
        self.rows[platform_id] = now + 20
        return True

    async def failed(self, platform_id: PlatformId) -> None:
        self.failed_probes += 1
        self.rows[platform_id] = self._check() + self.pause_s

    async def close(self, platform_id: PlatformId) -> None:
        self._check()
        self.rows.pop(platform_id, None)


@dataclass
class Fleet:
    """Processes that share circuits; the platform answers probes while `alive`."""

    processes: int = 2
    alive: bool = False
    probes: int = 0
    store: SharedCircuits = field(default_factory=SharedCircuits)
    directory: Directory = field(default_factory=lambda: make_directory(make_platform(EMSP)))
    circuits: list[Circuits] = field(default_factory=list)

    async def probe(self, platform: Platform) -> bool:
        self.probes += 1
        await asyncio.sleep(0.1)
        return self.alive

    async def __aenter__(self) -> Fleet:
        self.stop = asyncio.Event()
        self.circuits = [Circuits(failures=3) for _ in range(self.processes)]
        clock = VirtualClock()
        self.tasks = [
            asyncio.ensure_future(
                CircuitKeeper(
                    each, self.store, self.probe, lambda: self.directory, clock, pause_s=5.0
                ).run(self.stop)
            )
            for each in self.circuits
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await asyncio.gather(*self.tasks)

    def fail(self, process: int = 0) -> None:
        for _ in range(3):
            self.circuits[process].ended(PLATFORM, False)


PLATFORM = make_platform(EMSP).platform_id


def test_what_one_process_finds_out_all_act_on() -> None:
    async def scenario() -> None:
        async with Fleet() as fleet:
            fleet.fail()
            await asyncio.sleep(2 * POLL_S)
            assert [each.away for each in fleet.circuits] == [{PLATFORM}] * 2
            fleet.circuits[0].ended(PLATFORM, True)
            await asyncio.sleep(2 * POLL_S)
            assert [each.away for each in fleet.circuits] == [frozenset()] * 2

    in_virtual_time(scenario())


def test_one_process_probes_and_one_lets_an_authorization_through() -> None:
    async def scenario() -> None:
        async with Fleet(processes=3) as fleet:
            fleet.fail()
            await asyncio.sleep(12)
            assert fleet.probes == 2
            assert all(each.away for each in fleet.circuits)
            fleet.alive = True
            await asyncio.sleep(5)
            assert [bool(each.away) for each in fleet.circuits].count(False) == 1
            await asyncio.sleep(TRIAL_S + 2 * POLL_S)
            assert not any(each.away for each in fleet.circuits)
            assert fleet.store.rows == {}

    in_virtual_time(scenario())


def test_without_the_database_each_process_goes_on_alone() -> None:
    async def scenario() -> None:
        async with Fleet(processes=1) as fleet:
            fleet.store.away = True
            fleet.fail()
            await asyncio.sleep(7)
            assert fleet.probes == 1
            assert fleet.circuits[0].away == {PLATFORM}
            fleet.alive = True
            await asyncio.sleep(6 + TRIAL_S)
            assert not fleet.circuits[0].away
            fleet.store.away = False
            await asyncio.sleep(2 * POLL_S)
            assert fleet.store.rows == {}

    in_virtual_time(scenario())


@pytest.mark.parametrize("online", [True, False])
def test_who_is_offline_or_gone_is_liveness_business(online: bool) -> None:
    async def scenario() -> None:
        async with Fleet() as fleet:
            fleet.fail()
            await asyncio.sleep(2 * POLL_S)
            others = () if online else (make_platform(EMSP, online=False),)
            fleet.directory = make_directory(*others)
            await asyncio.sleep(3 * POLL_S)
            assert fleet.store.rows == {}
            assert not any(each.away for each in fleet.circuits)
            assert fleet.probes == 0

    in_virtual_time(scenario())
