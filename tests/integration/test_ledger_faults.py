"""Custody comes first: what the ledger does not take is delivered all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from ocpi_hub.store.database import Database
from tests.integration.test_cdr_rechecks import Hub, started
from tests.support.examining import good_cdr
from tests.support.stores import execute, value

REFUSING: Final = """
create or replace function refuse() returns trigger language plpgsql as $$
begin
    if new.cdr_id = 'BAD' then raise exception 'refused'; end if;
    return new;
end
$$;
create trigger refusing before insert or update of checked_at on cdr_ledger
    for each row execute function refuse()"""
ENTRIES: Final = "select array_agg(cdr_id order by cdr_id) from cdr_ledger"


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    async with started(database) as running:
        yield running


async def look(hub: Hub) -> None:
    """What comes afterwards, in a process that was just started."""
    rechecks = hub.rechecks
    while await rechecks.work():
        pass


@pytest.mark.req("CD-25")
async def test_a_cdr_that_the_ledger_refuses_is_taken_and_entered_later(hub: Hub) -> None:
    await execute(hub.database, REFUSING)
    await asyncio.gather(*(hub.take(good_cdr(each)) for each in ("A", "BAD", "C")))
    taken = "select array_agg(object_id order by object_id) from directed_object"
    assert await value(hub.database, taken) == ["A", "BAD", "C"]
    assert await value(hub.database, ENTRIES) == ["A", "C"]
    # One that cannot be entered keeps nobody else out.
    await execute(hub.database, "delete from cdr_ledger")
    await look(hub)
    assert await value(hub.database, ENTRIES) == ["A", "C"]
    await execute(hub.database, "drop trigger refusing on cdr_ledger")
    await look(hub)
    assert await value(hub.database, ENTRIES) == ["A", "BAD", "C"]


async def test_a_result_that_cannot_be_written_keeps_no_other_back(hub: Hub) -> None:
    await asyncio.gather(*(hub.take(good_cdr(each)) for each in ("A", "BAD", "C")))
    await execute(hub.database, "update cdr_ledger set checked_at = null, check_at = now()")
    await execute(hub.database, REFUSING)
    await look(hub)
    unchecked = "select array_agg(cdr_id) from cdr_ledger where checked_at is null"
    assert await value(hub.database, unchecked) == ["BAD"]
