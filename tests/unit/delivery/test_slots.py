"""Slots of a receiver are shared fairly, and authorizations find one."""

from __future__ import annotations

import asyncio
import random

import pytest

from ocpi_hub.delivery.slots import Slots


class Use:
    """Who holds slots of one receiver. Each request keeps its slot until `done`."""

    def __init__(self, limit: int) -> None:
        self.slots = Slots(limit)
        self.held: list[str] = []
        self._ends: dict[str, list[asyncio.Event]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, sender: str, times: int = 1, *, urgent: bool = False) -> None:
        for _ in range(times):
            self._tasks.append(asyncio.create_task(self._hold(sender, urgent=urgent)))
            await asyncio.sleep(0)
        await self._settled()

    async def done(self, sender: str, times: int = 1) -> None:
        for _ in range(times):
            self._ends[sender].pop(0).set()
            await self._settled()

    async def give_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hold(self, sender: str, *, urgent: bool) -> None:
        await self.slots.acquire("receiver", sender, urgent=urgent)
        end = asyncio.Event()
        self.held.append(sender)
        self._ends.setdefault(sender, []).append(end)
        try:
            await end.wait()
        finally:
            self.held.remove(sender)
            self.slots.release("receiver", sender)

    async def _settled(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_sender_alone_leaves_a_quarter_to_those_who_come_later() -> None:
    use = Use(16)
    await use.ask("A", 40)
    assert use.held.count("A") == 12
    await use.ask("B", 2)
    assert use.held.count("B") == 2
    await use.give_up()
    assert len(use.slots) == 0


async def test_while_others_wait_nobody_has_more_than_half() -> None:
    use = Use(16)
    await use.ask("A", 40)
    await use.ask("B", 40)
    assert (use.held.count("A"), use.held.count("B")) == (12, 2)
    await use.done("A", 4)
    assert (use.held.count("A"), use.held.count("B")) == (8, 6)
    await use.done("A")
    assert (use.held.count("A"), use.held.count("B")) in ((8, 6), (7, 7))
    await use.give_up()


async def test_free_slots_go_round_the_senders_that_wait() -> None:
    use = Use(1)
    await use.ask("A", 4)
    await use.ask("B", 2)
    await use.ask("C", 1)
    order = []
    for _ in range(7):
        order += use.held
        await use.done(use.held[0])
    assert order == ["A", "A", "B", "C", "A", "B", "A"]
    assert len(use.slots) == 0


async def test_an_authorization_finds_a_slot_and_goes_first() -> None:
    use = Use(16)
    await use.ask("A", 40)
    await use.ask("B", 40)
    await use.ask("C", 1)
    assert "C" not in use.held
    await use.ask("D", 2, urgent=True)
    assert use.held.count("D") == 2
    await use.ask("E", 1, urgent=True)
    assert "E" not in use.held
    await use.done("D")
    assert "E" in use.held
    assert "C" not in use.held
    await use.give_up()
    assert len(use.slots) == 0


async def test_greedy_authorizations_leave_room_for_those_of_others() -> None:
    use = Use(16)
    await use.ask("A", 40, urgent=True)
    assert use.held.count("A") == 12
    await use.ask("B", 1, urgent=True)
    assert "B" in use.held
    await use.give_up()


async def test_who_gives_up_waiting_lets_the_others_on() -> None:
    use = Use(2)
    await use.ask("A", 3)
    impatient = asyncio.create_task(use.slots.acquire("receiver", "B", urgent=False))
    await asyncio.sleep(0)
    await use.done("A")
    assert impatient.done()
    patient = asyncio.create_task(use.slots.acquire("receiver", "C", urgent=False))
    await asyncio.sleep(0)
    patient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await patient
    use.slots.release("receiver", "B")
    await use.give_up()
    assert len(use.slots) == 0


async def test_a_slot_that_is_given_to_one_who_just_left_goes_on() -> None:
    slots = Slots(1)
    await slots.acquire("receiver", "A", urgent=False)
    leaving = asyncio.create_task(slots.acquire("receiver", "B", urgent=False))
    staying = asyncio.create_task(slots.acquire("receiver", "C", urgent=False))
    await asyncio.sleep(0)
    slots.release("receiver", "A")
    leaving.cancel()
    await asyncio.wait({leaving})
    await asyncio.wait_for(staying, 10)
    slots.release("receiver", "C")
    assert len(slots) == 0


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 16])
async def test_whatever_happens_no_slot_is_lost_or_invented(limit: int) -> None:
    slots = Slots(limit)
    chance = random.Random(limit)  # noqa: S311 - the same course every time
    busy = most = served = 0

    async def request(number: int) -> None:
        nonlocal busy, most, served
        sender, urgent = f"S{number % 5}", number % 3 == 0
        try:
            async with asyncio.timeout(None) as limit_s:
                if chance.random() < 0.3:
                    limit_s.reschedule(asyncio.get_running_loop().time())
                await slots.acquire("receiver", sender, urgent=urgent)
                busy += 1
                most = max(most, busy)
                try:
                    for _ in range(chance.randrange(4)):
                        await asyncio.sleep(0)
                finally:
                    busy -= 1
                    slots.release("receiver", sender)
                    served += 1
        except TimeoutError:
            pass

    await asyncio.wait_for(asyncio.gather(*map(request, range(400))), 20)
    assert most <= limit
    assert served >= 200
    assert len(slots) == 0
