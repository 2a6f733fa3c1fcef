"""The keeper on a real database: freshness, unknown credentials, first uses, several processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ocpi_hub.clock import Clock, SystemClock
from ocpi_hub.directory.keeper import DirectoryKeeper, everyone_has
from ocpi_hub.domain.party import CredentialsToken, PartyId, PlatformId, PlatformState
from ocpi_hub.errors import StoreUnavailable
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.directory import PostgresDirectoryStore
from ocpi_hub.store.secret_key import Keyring
from tests.support.directory import (
    ManualClock,
    insert_platform,
    insert_token,
    make_directory_store,
    until,
)
from tests.support.postgres import make_settings


class SwitchableStore(PostgresDirectoryStore):
    """A store that can lose its database."""

    def __init__(self, database: Database) -> None:
        plain = make_directory_store(database)
        super().__init__(database, plain._keyring, plain._hub, plain._default_relation)
        self.reachable = True
        self.look_ups = 0

    async def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        if not self.reachable:
            raise StoreUnavailable("switched off")
        await super().heartbeat(*args, **kwargs)

    async def find_credentials(self, token_sha256: bytes) -> Any:
        self.look_ups += 1
        return await super().find_credentials(token_sha256)


def make_keeper(
    database: Database,
    clock: Clock | None = None,
    store: PostgresDirectoryStore | None = None,
    **settings: object,
) -> DirectoryKeeper:
    quick = {"directory_poll_s": 0.05, "directory_max_age_s": 1.0, **settings}
    return DirectoryKeeper(
        store or make_directory_store(database), make_settings(**quick), clock or SystemClock()
    )


@asynccontextmanager
async def running(keeper: DirectoryKeeper) -> AsyncIterator[DirectoryKeeper]:
    stop = asyncio.Event()
    await keeper.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.run(stop))
        try:
            yield keeper
        finally:
            stop.set()


async def test_processes_know_how_many_they_are(database: Database) -> None:
    first, second = make_keeper(database), make_keeper(database)
    async with running(first):
        assert first.processes == 1
        async with running(second):
            assert second.processes == 2
            await until(lambda: first.processes == 2)
        await until(lambda: first.processes == 1)


async def change_name(database: Database, name: str) -> int:
    async with database.transaction() as connection:
        await connection.execute("update platform set name = $1", name)
        version: int = await connection.fetchval("select version from directory_version")
    return version


async def processes(database: Database) -> int:
    async with database.connection() as connection:
        count: int = await connection.fetchval("select count(*) from process")
    return count


async def test_start_fails_when_the_database_cannot_be_reached(
    database: Database, address: DatabaseAddress
) -> None:
    store = SwitchableStore(database)
    store.reachable = False
    with pytest.raises(StoreUnavailable):
        await make_keeper(database, store=store).start()


async def test_load_reads_platforms_with_parties_endpoints_and_tokens(database: Database) -> None:
    await insert_platform(
        database,
        roles=(("CPO", "NL*CPO"), ("EMSP", "NL*MSP")),
        endpoints=(("cdrs", "SENDER", "https://partner.example/cdrs"),),
    )
    token = await insert_token(database, "access-1")
    directory = await make_directory_store(database).load()
    platform = directory.platforms[PlatformId("p-1")]
    assert platform.state is PlatformState.CONNECTED
    assert platform.our_token == "their-secret"
    assert [str(role.party) for role in platform.roles] == ["NL*CPO", "NL*MSP"]
    assert dict(platform.endpoints) == {("cdrs", "SENDER"): "https://partner.example/cdrs"}
    assert directory.credentials[token.sha256].platform_id == "p-1"
    assert directory.platform_of(PartyId("NL", "CPO")) is platform


async def test_a_token_sealed_with_another_key_does_not_take_the_directory_down(
    database: Database,
) -> None:
    await insert_platform(database, "p-1", keyring=Keyring(b"x" * 32))
    await insert_platform(database, "p-2", roles=(("EMSP", "DE*MSP"),))
    directory = await make_directory_store(database).load()
    assert directory.platforms[PlatformId("p-1")].our_token is None
    assert directory.platforms[PlatformId("p-2")].our_token == "their-secret"


async def test_expired_tokens_are_not_loaded_and_not_found(database: Database) -> None:
    await insert_platform(database)
    expired = await insert_token(database, "old", expires_in_s=-1)
    store = make_directory_store(database)
    assert expired.sha256 not in (await store.load()).credentials
    assert await store.find_credentials(expired.sha256) is None


async def test_a_change_reaches_a_running_keeper(database: Database) -> None:
    await insert_platform(database)
    # A poll that would never come: the notification alone brings it.
    slow = make_keeper(database, directory_poll_s=60.0, directory_max_age_s=600.0)
    async with running(slow) as keeper:
        await until(lambda: keeper.fresh())
        version = await change_name(database, "renamed")
        await until(lambda: keeper.current.version >= version)
        assert keeper.current.platforms[PlatformId("p-1")].name == "renamed"


async def test_a_keeper_without_its_database_stops_being_fresh_and_recovers(
    database: Database,
) -> None:
    clock = ManualClock()
    store = SwitchableStore(database)
    keeper = make_keeper(database, clock, store)
    await keeper.start()
    assert keeper.fresh()
    store.reachable = False
    with pytest.raises(StoreUnavailable):
        await keeper.refresh()
    clock.advance(0.9)
    assert keeper.fresh()
    clock.advance(0.2)
    assert not keeper.fresh()
    store.reachable = True
    await keeper.refresh()
    assert keeper.fresh()


async def test_an_unknown_token_costs_one_look_up_however_many_ask(database: Database) -> None:
    store = SwitchableStore(database)
    keeper = make_keeper(database, store=store)
    await keeper.start()
    await insert_platform(database)
    token = await insert_token(database, "new")
    answers = await asyncio.gather(*(keeper.look_up_credentials(token) for _ in range(10)))
    assert store.look_ups == 1
    assert all(found is keeper.current for found in answers)
    assert token.sha256 in keeper.current.credentials


async def test_look_ups_of_unknown_tokens_are_limited_per_second(database: Database) -> None:
    clock = ManualClock()
    store = SwitchableStore(database)
    keeper = make_keeper(database, clock, store, unknown_credentials_per_s=3.0)
    await keeper.start()
    for number in range(10):
        assert await keeper.look_up_credentials(CredentialsToken(f"guess-{number}")) is None
    assert store.look_ups == 3
    clock.advance(1.0)
    await keeper.look_up_credentials(CredentialsToken("guess-again"))
    assert store.look_ups == 4


async def test_a_cancelled_look_up_leaves_it_to_those_who_waited(database: Database) -> None:
    await insert_platform(database)
    store = SwitchableStore(database)
    keeper = make_keeper(database, store=store)
    await keeper.start()
    token = await insert_token(database, "new")
    first = asyncio.create_task(keeper.look_up_credentials(token))
    await asyncio.sleep(0)
    second = asyncio.create_task(keeper.look_up_credentials(token))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is keeper.current
    assert first.cancelled() or first.done()


@pytest.mark.req("CR-09")
async def test_first_use_of_the_new_token_lets_the_older_one_expire(database: Database) -> None:
    await insert_platform(database)
    old = await insert_token(database, "old")
    new = await insert_token(database, "new")
    async with running(make_keeper(database, token_grace_s=100.0)) as keeper:
        keeper.note_use(keeper.current.credentials[new.sha256])
        await until(lambda: keeper.current.credentials[new.sha256].first_used_at is not None)
        assert keeper.current.credentials[old.sha256].expires_at is not None
        assert keeper.current.credentials[new.sha256].expires_at is None


async def test_first_use_is_noted_once_whoever_notes_it(database: Database) -> None:
    await insert_platform(database)
    old = await insert_token(database, "old")
    new = await insert_token(database, "new")
    stores = [make_directory_store(database) for _ in range(4)]
    noted = await asyncio.gather(
        *(store.note_first_use(new.sha256, grace_s=100.0) for store in stores)
    )
    assert sorted(noted) == [False, False, False, True]
    expiry = (await stores[0].load()).credentials[old.sha256].expires_at
    await stores[0].note_first_use(new.sha256, grace_s=500.0)
    assert (await stores[0].load()).credentials[old.sha256].expires_at == expiry


async def test_late_first_use_of_the_old_token_does_not_expire_the_new_one(
    database: Database,
) -> None:
    await insert_platform(database)
    old = await insert_token(database, "old")
    new = await insert_token(database, "new")
    store = make_directory_store(database)
    await store.note_first_use(old.sha256, grace_s=1.0)
    assert (await store.load()).credentials[new.sha256].expires_at is None


async def test_use_of_a_token_in_an_open_handshake_expires_nothing(database: Database) -> None:
    await insert_platform(database)
    old = await insert_token(database, "old")
    provisional = await insert_token(database, "provisional", expires_in_s=60)
    store = make_directory_store(database)
    assert not await store.note_first_use(provisional.sha256, grace_s=1.0)
    assert (await store.load()).credentials[old.sha256].expires_at is None


async def test_everyone_has_waits_for_all_running_processes(database: Database) -> None:
    await insert_platform(database)
    store = make_directory_store(database)
    async with (
        running(make_keeper(database)) as one,
        running(make_keeper(database)) as two,
        running(make_keeper(database)) as three,
    ):
        version = await change_name(database, "renamed")
        left = await everyone_has(
            store, version, max_age_s=1.0, timeout_s=10.0, clock=SystemClock()
        )
        assert not left
        assert min(keeper.current.version for keeper in (one, two, three)) >= version
    assert await processes(database) == 0


async def test_everyone_has_passes_over_a_process_that_refuses_by_itself(
    database: Database,
) -> None:
    await insert_platform(database)
    store = SwitchableStore(database)
    async with running(make_keeper(database)), running(make_keeper(database, store=store)) as cut:
        store.reachable = False
        version = await change_name(database, "renamed")
        left = await everyone_has(
            make_directory_store(database),
            version,
            max_age_s=1.0,
            timeout_s=10.0,
            clock=SystemClock(),
        )
        assert not left
        assert cut.current.version < version
        assert not cut.fresh()


async def test_everyone_has_names_a_process_that_does_not_follow(database: Database) -> None:
    await insert_platform(database)
    keeper = make_keeper(database)
    await keeper.start()
    version = await change_name(database, "renamed")
    left = await everyone_has(
        make_directory_store(database), version, max_age_s=60.0, timeout_s=0.2, clock=SystemClock()
    )
    assert [row.process_id for row in left] == [keeper.process.process_id]


async def test_rows_of_processes_long_silent_are_removed(database: Database) -> None:
    gone, alive = make_keeper(database), make_keeper(database)
    await gone.start()
    async with database.connection() as connection:
        await connection.execute("update process set heartbeat_at = now() - interval '1 hour'")
    await alive.start()
    assert await processes(database) == 1


async def test_a_keeper_reconnects_when_its_notifications_break(database: Database) -> None:
    await insert_platform(database)
    slow = make_keeper(database, directory_poll_s=60.0, directory_max_age_s=600.0)
    async with running(slow) as keeper:
        async with database.connection() as connection:

            async def listening() -> int | None:
                found: int | None = await connection.fetchval(
                    "select pid from pg_stat_activity where query ilike 'listen %'"
                    " and datname = current_database()"
                )
                return found

            async def listens() -> bool:
                return await listening() is not None

            await until(listens)
            broken = await listening()
            await connection.execute("select pg_terminate_backend($1)", broken)

            async def listens_again() -> bool:
                return await listening() not in (None, broken)

            await until(listens_again)
        version = await change_name(database, "renamed")
        await until(lambda: keeper.current.version >= version)
