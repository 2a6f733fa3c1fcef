"""Readings of token lists, on PostgreSQL: resumed, held, compared with pushes, never run twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from ocpi_hub.delivery.shared import Changed
from ocpi_hub.delivery.whitelist_runs import Extent, RunId, RunState
from ocpi_hub.domain.exchange import Exchange
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store import whitelist_runs
from ocpi_hub.store.database import Database
from tests.support.factories import EMSP, text, token
from tests.support.scripted import answer
from tests.support.stores import execute, insert_platform, value
from tests.support.waiting import eventually
from tests.support.whitelist import PLATFORM, Exchanging, exchanging

NOW_LEASE = timedelta(0)
"""A lease that is over at once: its process was killed."""


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[Exchanging]:
    async with exchanging(database) as running:
        yield running


@pytest.mark.req("TK-18")
async def test_a_full_run_counts_what_it_finds(hub: Exchanging) -> None:
    await hub.push("A")
    await hub.push("B")
    hub.lister.has("A", "C", "D")
    hub.lister.tokens["B"] = text(token("B", valid=False, last_updated="2026-11-01T00:00:00Z"))
    hub.lister.tokens["X"] = text(token("X", whitelist=5))
    run = await hub.read()
    assert (run.state, run.extent, run.pages) == (RunState.DONE, Extent.FULL, 3)
    assert (run.seen, run.added, run.changed, run.errors) == (5, 2, 1, 1)
    assert (run.absent, run.withdrawn, run.note) == (0, 0, None)
    assert await hub.listed() == set("ABCD")


async def test_what_a_full_list_lacks_is_withdrawn_and_comes_back(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C")
    await hub.read()
    hub.lister.has("A", "C")
    run = await hub.read()
    assert (run.state, run.absent, run.withdrawn) == (RunState.DONE, 1, 1)
    assert await hub.listed() == {"A", "C"}
    hub.lister.has("A", "B", "C")
    assert (await hub.read()).added == 1
    assert await hub.listed() == {"A", "B", "C"}


@pytest.mark.parametrize("scanned", [1, 2, 3])
async def test_long_lists_are_compared_bit_by_bit(
    hub: Exchanging, monkeypatch: pytest.MonkeyPatch, scanned: int
) -> None:
    monkeypatch.setattr(whitelist_runs, "SCANNED", scanned)
    names = [f"T{number}" for number in range(7)]
    hub.lister.has(*names)
    await hub.read()
    hub.lister.has(*names[1::2], names[0])
    run = await hub.read()
    assert (run.absent, run.withdrawn) == (3, 3)
    assert await hub.listed() == {*names[1::2], names[0]}


async def test_a_party_that_has_moved_goes_by_its_new_platforms_list(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C", "D")
    await hub.read()
    hub.lister.has("A")
    held = await hub.read()
    assert held.state is RunState.HELD
    await insert_platform(hub.database, "p-2")
    await execute(hub.database, "update party set platform_id = 'p-2'")
    await hub.admin.confirm(held.run_id)
    assert (await hub.work(held.run_id)).withdrawn == 0
    assert await hub.listed() == set("ABCD")


async def test_a_partial_run_withdraws_nothing(hub: Exchanging) -> None:
    hub.lister.has("A", "B")
    await hub.read()
    hub.lister.has("C", last_updated="2026-11-05T00:00:00Z")
    run = await hub.read(full=False)
    assert (run.extent, run.added, run.withdrawn) == (Extent.PARTIAL, 1, 0)
    assert hub.lister.asked[-1] == {"date_from": "2026-11-01T00:00:00.000Z"}
    assert await hub.listed() == {"A", "B", "C"}


@pytest.mark.parametrize("again", [False, True], ids=["new content", "the same content"])
async def test_a_push_during_the_run_survives(hub: Exchanging, again: bool) -> None:
    hub.lister.has("A", "B", "C", "D", "E")
    await hub.read()
    hub.lister.has("A", "B", "C", "D")
    pushed: list[Changed] = []

    async def push(offset: int) -> None:
        if offset == 2 and not pushed:
            newer = {} if again else {"last_updated": "2026-11-02T00:00:00Z"}
            pushed.append(await hub.push("E", **newer))
            pushed.append(await hub.push("F"))

    hub.lister.before_page = push
    run = await hub.read()
    assert pushed == [Changed.UNCHANGED if again else Changed.UPDATED, Changed.CREATED]
    assert (run.absent, run.withdrawn) == (0, 0)
    assert await hub.listed() == set("ABCDEF")


async def test_a_push_between_the_look_and_the_withdrawal_survives(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C")
    await hub.read()
    hub.lister.has("A", "B")
    run_id = await hub.start()
    stop = asyncio.Event()
    reading = asyncio.ensure_future(hub.reader().run(stop))
    store = hub.store()

    async def is_read() -> bool:
        steps = "select count(*) from whitelist_run where (state, step) = ('running', 'withdraw')"
        return bool(await value(hub.database, steps))

    await eventually(is_read, "the list is read")
    stop.set()
    await reading
    withdrawal = await store.claim_withdrawal()
    assert withdrawal is not None
    (gone,) = (await store.absent(withdrawal)).lacked
    assert gone.key.object_id == "C"
    assert await hub.push("C") is Changed.UNCHANGED
    assert (await store.absent(withdrawal)).lacked == []
    await store.end_withdrawal(withdrawal)
    assert (await hub.admin.find(run_id)).withdrawn == 0
    assert await hub.listed() == {"A", "B", "C"}


async def test_a_run_that_died_goes_on_where_it_was(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C", "D", "E")
    run_id = await hub.start()
    arrived, never = asyncio.Event(), asyncio.Event()

    async def hang(offset: int) -> None:
        if offset == 4:
            arrived.set()
            await never.wait()

    hub.lister.before_page = hang
    dying = asyncio.ensure_future(hub.reader().run(asyncio.Event()))
    await asyncio.wait_for(arrived.wait(), 10)
    dying.cancel()
    await asyncio.wait({dying})
    await execute(hub.database, "update whitelist_run set lease_until = now() - interval '1 s'")
    hub.lister.before_page = None
    hub.lister.asked.clear()
    run = await hub.work(run_id)
    assert hub.lister.asked == [{"offset": "4"}]
    assert (run.state, run.pages, run.seen, run.added) == (RunState.DONE, 3, 5, 5)
    assert await hub.listed() == set("ABCDE")


async def test_a_place_at_another_server_is_not_asked_with_our_token(hub: Exchanging) -> None:
    hub.lister.has("A")
    run_id = await hub.start()
    await execute(
        hub.database,
        "update whitelist_run set country_code = 'DE', party_id = 'MSP',"
        " next_url = 'https://elsewhere.example/?offset=7'",
    )
    run = await hub.work(run_id)
    assert (run.state, hub.lister.asked) == (RunState.DONE, [{}])


async def test_a_list_that_lacks_too_much_is_held_until_an_operator_confirms(
    hub: Exchanging,
) -> None:
    hub.lister.has("A", "B", "C", "D")
    await hub.read()
    known_at = await _known_at(hub)
    hub.lister.has("A", "E")
    held = await hub.read()
    assert (held.state, held.absent, held.withdrawn) == (RunState.HELD, 3, 0)
    assert held.note == "the list lacks 3 of 4 tokens: confirm or discard"
    assert await hub.listed() == set("ABCDE")
    assert await _known_at(hub) == known_at, "what is held is not believed"
    assert await hub.push("B") is Changed.UNCHANGED, "its owner says so meanwhile"
    confirmed = await hub.admin.confirm(held.run_id)
    assert confirmed.state is RunState.RUNNING
    done = await hub.work(held.run_id)
    assert (done.state, done.withdrawn) == (RunState.DONE, 2)
    assert await hub.listed() == set("ABE")
    assert await _known_at(hub) > known_at


async def test_a_discarded_run_takes_nothing_away(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C", "D")
    await hub.read()
    known_at = await _known_at(hub)
    hub.lister.has("A")
    held = await hub.read()
    discarded = await hub.admin.discard(held.run_id)
    assert (discarded.state, discarded.withdrawn) == (RunState.DONE, 0)
    assert await hub.listed() == set("ABCD")
    assert await _known_at(hub) > known_at
    for decide in (hub.admin.confirm, hub.admin.discard):
        with pytest.raises(OperatorError, match="is done"):
            await decide(held.run_id)
        with pytest.raises(NoSuchObject):
            await decide(RunId(99))


async def test_a_newer_full_list_takes_the_place_of_one_that_is_held(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C", "D")
    await hub.read()
    hub.lister.has("A")
    held = await hub.read()
    hub.lister.has("A", "B", "C", "D")
    newer = await hub.read()
    settled = await hub.admin.find(held.run_id)
    assert (settled.state, settled.withdrawn) == (RunState.DONE, 0)
    assert settled.note == f"run {newer.run_id} has read the list anew"
    assert await hub.listed() == set("ABCD")


async def test_what_is_broken_on_a_list_is_not_withdrawn(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C", "D")
    await hub.read()
    hub.lister.has("A", "B", "C")
    hub.lister.tokens["C"] = text(token("C", whitelist=5))
    run = await hub.read()
    assert (run.errors, run.withdrawn, run.note) == (1, 1, None)
    assert await hub.listed() == {"A", "B", "C"}


async def test_nothing_goes_by_a_list_that_does_not_say_which_tokens_it_has(
    hub: Exchanging,
) -> None:
    hub.lister.has("A", "B", "C")
    await hub.read()
    hub.lister.has("A", "B")
    hub.lister.tokens["?"] = '{"uid":7}'
    run = await hub.read()
    assert (run.state, run.absent, run.withdrawn) == (RunState.DONE, 1, 0)
    assert run.note == "nothing is withdrawn: 1 tokens do not say which they are"
    assert await hub.listed() == {"A", "B", "C"}


async def test_what_slips_through_a_list_that_changes_meanwhile_stays(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C", "D", "E")
    await hub.read()

    async def remove(offset: int) -> None:
        if offset == 2:
            hub.lister.tokens.pop("A", None)

    hub.lister.before_page = remove
    run = await hub.read()
    assert (run.state, run.absent, run.withdrawn) == (RunState.DONE, 1, 0)
    assert run.note == "the list showed 4 of 5 tokens: read again"
    assert await hub.listed() == set("ABCDE")
    second = (await hub.admin.list(PLATFORM, 1))[0]
    assert (second.state, second.extent) == (RunState.RUNNING, Extent.FULL)
    await execute(hub.database, "update whitelist_run set next_attempt_at = now()")
    again = await hub.work(second.run_id)
    assert (again.state, again.absent, again.withdrawn) == (RunState.DONE, 1, 1)
    assert await hub.listed() == set("BCDE")
    assert (await hub.admin.list(PLATFORM, 1))[0].run_id == second.run_id


async def test_what_two_lists_lack_goes_although_they_change(hub: Exchanging) -> None:
    hub.lister.has("A", "B", "C", "D", "E", "F", "G", "H")
    await hub.read()
    hub.lister.has("A", "B", "C", "D", "E", "F")

    async def remove(offset: int) -> None:
        if offset == 2:
            hub.lister.tokens.pop(next(iter(hub.lister.tokens)))

    hub.lister.before_page = remove
    first = await hub.read()
    assert (first.absent, first.withdrawn) == (3, 0), "C slipped through, G and H are gone"
    await execute(hub.database, "update whitelist_run set next_attempt_at = now()")
    again = await hub.work((await hub.admin.list(PLATFORM, 1))[0].run_id)
    assert (again.absent, again.withdrawn) == (4, 2), "now A is gone and D slipped through"
    assert await hub.listed() == set("ABCDEF")


async def test_tokens_of_others_are_not_taken_from_a_list_nor_saved_by_it(hub: Exchanging) -> None:
    hub.lister.has("A")
    hub.lister.tokens["Z"] = text(token("Z") | {"country_code": "FR", "party_id": "OTH"})
    run = await hub.read()
    assert (run.added, run.errors) == (1, 1)
    assert await hub.listed() == {"A"}


async def test_two_processes_never_read_the_same_run(hub: Exchanging) -> None:
    hub.lister.has(*(f"T{number}" for number in range(40)))
    run = await hub.work(await hub.start(), processes=3)
    assert (run.seen, run.added) == (40, 40)
    assert len(hub.lister.asked) == 20


async def test_one_run_of_a_platform_at_a_time(hub: Exchanging) -> None:
    run_id = await hub.start()
    with pytest.raises(OperatorError, match=f"run {run_id} of {PLATFORM} is not over"):
        await hub.start()
    stopped = await hub.admin.discard(run_id)
    assert (stopped.state, stopped.note) == (RunState.FAILED, "stopped by an operator")
    await hub.start()


async def test_a_process_that_lost_its_run_changes_nothing_of_it(hub: Exchanging) -> None:
    await hub.start()
    store = hub.store(NOW_LEASE)
    lost = await store.claim()
    assert lost is not None
    job = await hub.store().claim()
    assert job is not None
    assert not await store.keep(lost, lost.progress)
    assert await store.missing(lost, [EMSP]) is None
    await store.end(lost, complete=True)
    await store.release(lost, timedelta(), "lost", restart=True)
    assert (await hub.admin.list(None, 10))[0].state is RunState.RUNNING
    assert await hub.store().keep(job, job.progress)


async def test_a_list_that_cannot_be_read_fails_in_the_end(hub: Exchanging) -> None:
    run_id = await hub.start()

    async def broken(_offset: int) -> Exchange:
        await execute(hub.database, "update whitelist_run set attempts = 20")
        return answer(3000)

    hub.lister.before_page = broken
    run = await hub.work(run_id)
    assert (run.state, run.note) == (RunState.FAILED, "HTTP 200, 3000")
    assert run.finished_at is not None


async def test_a_partner_that_asks_for_patience_is_asked_again_later_where_it_was(
    hub: Exchanging,
) -> None:
    hub.lister.has("A", "B", "C")
    run_id = await hub.start()
    await execute(
        hub.database,
        "update whitelist_run set country_code = 'DE', party_id = 'MSP',"
        " next_url = 'https://partner.example/sender/tokens?offset=2', pages = 1",
    )

    async def busy(_offset: int) -> Exchange:
        return answer(2000, http=429, retry_after="300")

    hub.lister.before_page = busy
    stop = asyncio.Event()
    reading = asyncio.ensure_future(hub.reader().run(stop))

    async def is_put_off() -> bool:
        return (await hub.admin.find(run_id)).note is not None

    await eventually(is_put_off, "the partner was asked")
    stop.set()
    await reading
    run = await hub.admin.find(run_id)
    wait = await value(
        hub.database, "select extract(epoch from next_attempt_at - now())::float from whitelist_run"
    )
    assert 200 < wait <= 300
    assert (run.state, run.pages) == (RunState.RUNNING, 1)
    assert await value(hub.database, "select next_url from whitelist_run")


async def _known_at(hub: Exchanging) -> datetime:
    found: datetime = await value(hub.database, "select pulled_at from owner_knowledge")
    return found
