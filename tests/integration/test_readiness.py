"""What `/readyz` says while the database is silent, or refuses to write."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg
import pytest

from ocpi_hub.assembly.readiness import PROBE_S, Readiness
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.errors import StoreUnavailable
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.support.directory import ManualClock
from tests.support.postgres import make_settings


class _Keeper:
    def fresh(self) -> bool:
        return True


KEEPER = cast(DirectoryKeeper, _Keeper())


@asynccontextmanager
async def opened(address: DatabaseAddress) -> AsyncIterator[Database]:
    settings = make_settings(statement_timeout_ms=1000)
    database = await Database.open(address, settings)
    try:
        yield database
    finally:
        await database.close()


async def on_its_own(address: DatabaseAddress, statement: str) -> None:
    connection = await asyncpg.connect(**address.with_database("postgres").connect_arguments())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def refuse(database: Database, sqlstate: str) -> None:
    async with database.connection() as connection:
        await connection.execute(
            f"do $$ begin raise exception 'no space left' using errcode = '{sqlstate}'; end $$"
        )


async def test_a_silent_database_makes_nobody_wait_longer_than_a_moment(
    address: DatabaseAddress,
) -> None:
    async with opened(address) as database:
        readiness = Readiness(database, KEEPER, ManualClock(), look_s=0.05)
        async with database.connection() as connection:
            process = await connection.fetchval("select pg_backend_pid()")
        os.kill(process, signal.SIGSTOP)
        try:
            told = set(await asyncio.gather(readiness.reason(), readiness.reason()))
            assert told == {"the database does not answer within 0.05 s"}
        finally:
            os.kill(process, signal.SIGCONT)
        patient = Readiness(database, KEEPER, ManualClock())
        assert await patient.reason() is None


@pytest.mark.parametrize(("sqlstate", "reason"), [("53100", "disk_full"), ("25006", "read_only")])
async def test_one_refused_write_does_not_stop_a_database_that_writes(
    address: DatabaseAddress, sqlstate: str, reason: str
) -> None:
    async with opened(address) as database:
        with pytest.raises(StoreUnavailable):
            await refuse(database, sqlstate)
        assert database.refused.counts == {reason: 1}
        assert await Readiness(database, KEEPER, ManualClock()).reason() is None
        assert database.refused.last is None


async def test_who_has_nothing_to_write_learns_that_it_could_not(address: DatabaseAddress) -> None:
    setting = f'alter database "{address.database}" set default_transaction_read_only'
    await on_its_own(address, f"{setting} = on")
    async with opened(address) as database:
        told = await Readiness(database, KEEPER, ManualClock()).reason()
        assert "refuses to write" in (told or "")
    assert database.refused.counts == {"read_only": 1}


async def test_the_hub_is_not_ready_while_writes_are_refused(address: DatabaseAddress) -> None:
    clock = ManualClock()
    async with opened(address) as database:
        readiness = Readiness(database, KEEPER, clock)
        assert await readiness.reason() is None
        setting = f'alter database "{address.database}" set default_transaction_read_only'
        await on_its_own(address, f"{setting} = on")
        with pytest.raises(StoreUnavailable):
            await refuse(database, "25006")  # and the next connection reads only
        assert "refuses to write" in (await readiness.reason() or "")
        tried = database.refused.counts.total()
        assert "refuses to write" in (await readiness.reason() or "")
        assert database.refused.counts.total() == tried
        await on_its_own(address, f"{setting} = off")
        told: str | None = "not asked"
        for _ in range(10):  # each try ends a session of the pool that still only reads
            if told is not None:
                clock.advance(PROBE_S)
                told = await readiness.reason()
        assert told is None
