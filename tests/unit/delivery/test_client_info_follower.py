"""What is compared when, against a store that follows or does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ocpi_hub.delivery.client_info import Audience, Comparison, Outcome, Synced
from ocpi_hub.delivery.client_info_follower import GUARANTEE_S, ClientInfoFollower
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PartyId, Platform, Role
from ocpi_hub.errors import StoreUnavailable
from tests.support.directory import ManualClock
from tests.support.factories import CPO, EMSP, make_directory, make_platform

HOLD = timedelta(seconds=30)


class FakeStore:
    """Notes what is compared; says what `will_say` was told.

    Attributes:
        sizes: of each transaction.
        held_s: of everything that is compared.
    """

    def __init__(self) -> None:
        self.compared: list[tuple[int, Audience]] = []
        self.sizes: list[int] = []
        self.outcomes: list[Outcome] = []
        self.held_s: float | None = None
        self.broken = False

    async def sync(self, directory_version: int, audiences: Sequence[Audience]) -> Comparison:
        if self.broken:
            raise StoreUnavailable("gone")
        self.sizes.append(len(audiences))
        self.compared += [(directory_version, one) for one in audiences]
        return Comparison(
            {
                one.platform_id: Synced(
                    self.outcomes.pop(0) if self.outcomes else Outcome.FOLLOWS,
                    changed=True,
                    untold=True,
                )
                for one in audiences
            },
            self.held_s,
        )

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the follower does not call {name}")


class Scene:
    """A CPO and an eMSP that work with each other, and a CPO of another platform."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = FakeStore()
        self.cpo = make_platform((CPO, Role.CPO))
        self.emsp = make_platform((EMSP, Role.EMSP))
        self.other = make_platform((PartyId("FR", "OTH"), Role.CPO))
        self.directory = self._made(self.cpo, self.emsp, self.other, version=1)
        self.follower = ClientInfoFollower(
            self.store, self.clock, hold=HOLD, unrelated_planned=False
        )

    def change(self, *platforms: Platform) -> None:
        self.directory = self._made(*platforms, version=self.directory.version + 1)

    def change_nothing(self) -> None:
        self.directory = replace(self.directory, version=self.directory.version + 1)

    async def follow(self) -> list[tuple[str, frozenset[PartyId] | None, int | None]]:
        """What was compared: platform, about whom, from which version."""
        self.store.compared.clear()
        await self.follower.follow(self.directory, asyncio.Event())
        return [
            (one.platform_id, None if one.about is None else frozenset(one.about), one.base)
            for _, one in self.store.compared
        ]

    def whole(self) -> list[tuple[str, None, None]]:
        return [(who, None, None) for who in self.directory.platforms]

    @staticmethod
    def _made(*platforms: Platform, version: int) -> Directory:
        return replace(make_directory(*platforms), version=version)


async def test_everything_is_compared_once_and_then_only_what_changes() -> None:
    scene = Scene()
    assert await scene.follow() == scene.whole()
    assert await scene.follow() == []
    scene.change_nothing()
    assert await scene.follow() == []
    assert scene.follower.version == 2
    scene.change(scene.cpo, replace(scene.emsp, online=False), scene.other)
    about = frozenset({EMSP})
    assert await scene.follow() == [
        (scene.cpo.platform_id, about, 1),
        (scene.emsp.platform_id, about, 1),
        (scene.other.platform_id, about, 1),
    ]
    assert [one.visible.keys() for _, one in scene.store.compared] == [
        {(EMSP, Role.EMSP)},
        set(),
        {(EMSP, Role.EMSP)},
    ]


async def test_everything_is_compared_again_after_a_long_time() -> None:
    scene = Scene()
    await scene.follow()
    scene.clock.advance(GUARANTEE_S / 2)
    assert await scene.follow() == []
    scene.clock.advance(GUARANTEE_S)
    assert await scene.follow() == scene.whole()


async def test_where_another_process_was_at_work_everything_is_compared() -> None:
    scene = Scene()
    await scene.follow()
    scene.change(scene.cpo, replace(scene.emsp, online=False), scene.other)
    scene.store.outcomes = [Outcome.FOLLOWS, Outcome.AHEAD, Outcome.UNKNOWN]
    compared = await scene.follow()
    assert compared[3:] == [(scene.other.platform_id, None, None)]
    scene.change(scene.cpo, scene.emsp, scene.other)
    # Of those that were ahead it is not known which step they need.
    assert [base for _, _, base in await scene.follow()] == [2, None, 2]


async def test_what_was_not_compared_is_compared_next_time() -> None:
    scene = Scene()
    await scene.follow()
    scene.change(scene.cpo, replace(scene.emsp, online=False), scene.other)
    scene.store.broken = True
    try:
        await scene.follow()
    except StoreUnavailable:
        scene.store.broken = False
    assert scene.follower.version == 1
    assert len(await scene.follow()) == 3


async def test_an_absence_is_looked_at_again_when_it_has_lasted() -> None:
    scene = Scene()
    await scene.follow()
    away = replace(scene.emsp, online=False, offline_since=scene.clock.now())
    scene.change(scene.cpo, away, scene.other)
    scene.store.held_s = 30.0
    await scene.follow()
    scene.store.held_s = None
    scene.clock.advance(29)
    assert await scene.follow() == []
    scene.clock.advance(2)
    about = frozenset({EMSP})
    assert await scene.follow() == [
        (scene.cpo.platform_id, about, 2),
        (scene.emsp.platform_id, about, 2),
        (scene.other.platform_id, about, 2),
    ]
    assert await scene.follow() == []
    # Who was back by then is not looked at.
    scene.store.held_s = 30.0
    scene.change(scene.cpo, replace(away, offline_since=scene.clock.now()), scene.other)
    await scene.follow()
    scene.store.held_s = None
    scene.change(scene.cpo, scene.emsp, scene.other)
    await scene.follow()
    scene.clock.advance(31)
    assert await scene.follow() == []


async def test_an_absence_that_another_process_saw_to_is_looked_at_all_the_same() -> None:
    scene = Scene()
    await scene.follow()
    away = replace(scene.emsp, online=False, offline_since=scene.clock.now())
    scene.change(scene.cpo, away, scene.other)
    await scene.follow()
    scene.clock.advance(29)
    assert await scene.follow() == []
    scene.clock.advance(2)
    # The database's clock is behind: once more, and then no more.
    scene.store.held_s = 5.0
    assert len(await scene.follow()) == 3
    scene.store.held_s = None
    assert await scene.follow() == []
    scene.clock.advance(6)
    assert len(await scene.follow()) == 3
    scene.clock.advance(60)
    assert await scene.follow() == []


async def test_nothing_is_compared_once_the_process_stops() -> None:
    scene, stop = Scene(), asyncio.Event()
    stop.set()
    assert await scene.follower.follow(scene.directory, stop) == {}
    assert scene.store.compared == []


async def test_many_platforms_are_compared_in_several_transactions() -> None:
    scene = Scene()
    letters = "ABCDEFGHIJKLMNOPQRST"
    many = [
        make_platform((PartyId("FR", f"{one}{two}X"), Role.EMSP))
        for one in letters
        for two in letters
    ]
    scene.change(*many)
    await scene.follow()
    assert scene.store.sizes == [200, 200]
