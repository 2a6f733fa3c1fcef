"""Several processes follow one directory, each at its own pace: what the rows say in the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client_info_follower import ClientInfoFollower
from ocpi_hub.delivery.client_info_sight import Sight
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import (
    PartyId,
    PartyRole,
    Platform,
    PlatformId,
    PlatformState,
    Relation,
    RelationMode,
    Role,
)
from ocpi_hub.store.client_info import PostgresClientInfoStore
from ocpi_hub.store.database import Database
from tests.support.directory import insert_platform
from tests.support.factories import make_directory, make_platform
from tests.support.thorough import rounds

STEPS = rounds(40, 400)
STATES = (PlatformState.CONNECTED, PlatformState.CONNECTED, PlatformState.SUSPENDED)

Shown = dict[tuple[str, str, str, str], str]
"""Status by audience, country code, party id and role."""


class World:
    """Six platforms with a party or two, of which one thing changes at a time."""

    def __init__(self, chance: random.Random, default: RelationMode) -> None:
        self._chance = chance
        self._default = default
        self.platforms = [self._platform(number) for number in range(6)]
        self._parties = [held.party for each in self.platforms for held in each.roles]
        self._relations: dict[tuple[PartyId, PartyId], Relation] = {}
        self.directory = self._made(1)

    def step(self) -> None:
        """Change something, or nothing but the version."""
        change = self._chance.choice(
            (self._flip, self._flip, self._suspend, self._withdraw, self._relate, lambda: None)
        )
        change()
        self.directory = self._made(self.directory.version + 1)

    def _made(self, version: int) -> Directory:
        made = make_directory(
            *self.platforms, relations=self._relations.values(), default_relation=self._default
        )
        return replace(made, version=version)

    def _platform(self, number: int) -> Platform:
        roles = [
            (PartyId("NL", f"P{number}A"), Role.CPO),
            (PartyId("NL", f"P{number}B"), Role.EMSP),
        ]
        made = make_platform(*roles[: 1 + number % 2], *roles[1 : 1 + number % 3])
        return replace(
            made, platform_id=PlatformId(f"p-{number}"), roles=tuple(dict.fromkeys(made.roles))
        )

    def _change(self, change: Callable[[Platform], Platform]) -> None:
        at = self._chance.randrange(len(self.platforms))
        self.platforms[at] = change(self.platforms[at])

    def _flip(self) -> None:
        self._change(lambda platform: replace(platform, online=not platform.online))

    def _suspend(self) -> None:
        self._change(lambda platform: replace(platform, state=self._chance.choice(STATES)))

    def _withdraw(self) -> None:
        def change(platform: Platform) -> Platform:
            at = self._chance.randrange(len(platform.roles))
            held = platform.roles[at]
            other = PartyRole(held.party, held.role, held.name, active=not held.active)
            return replace(platform, roles=(*platform.roles[:at], other, *platform.roles[at + 1 :]))

        self._change(change)

    def _relate(self) -> None:
        pair = self._chance.choice(self._parties), self._chance.choice(self._parties)
        mode = self._chance.choice((RelationMode.REALTIME, RelationMode.NONE))
        self._relations[pair] = Relation(*pair, mode)


def expected(directory: Directory) -> Shown:
    sight = Sight(directory, unrelated_planned=True)
    return {
        (platform.platform_id, party.country_code, party.party_id, role.value): standing.status
        for platform in directory.platforms.values()
        for (party, role), standing in sight.whole(platform).visible.items()
    }


async def shown(database: Database) -> Shown:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select audience, country_code, party_id, role, status from client_info"
        )
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}


def follower_on(database: Database) -> ClientInfoFollower:
    store = PostgresClientInfoStore(database, lease=timedelta(minutes=1))
    return ClientInfoFollower(store, SystemClock(), hold=timedelta(0), unrelated_planned=True)


@pytest.mark.parametrize("default", [RelationMode.NONE, RelationMode.REALTIME])
@pytest.mark.parametrize("seed", range(3))
async def test_the_rows_follow_the_directory_whoever_takes_which_step(
    seed: int, default: RelationMode, database: Database
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test has to be repeatable
    world = World(chance, default)
    for platform in world.platforms:
        await insert_platform(database, platform.platform_id, roles=())
    followers = [follower_on(database) for _ in range(3)]
    stop = asyncio.Event()
    for _ in range(STEPS):
        directory = world.directory
        world.step()
        # Some are behind, some sleep, and some start anew.
        if chance.random() < 0.1:
            followers[chance.randrange(3)] = follower_on(database)
        versions = [chance.choice((None, directory, world.directory)) for _ in followers]
        await asyncio.gather(
            *(
                follower.follow(version, stop)
                for follower, version in zip(followers, versions, strict=True)
                if version is not None and version.version >= follower.version
            )
        )
    await asyncio.gather(*(follower.follow(world.directory, stop) for follower in followers))
    found, wanted = await shown(database), expected(world.directory)
    assert {key: status for key, status in found.items() if key in wanted} == wanted
    assert {status for key, status in found.items() if key not in wanted} <= {"SUSPENDED"}
    assert len(found) > 5
