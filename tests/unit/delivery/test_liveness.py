"""Contacts, checks after silence, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery import liveness as liveness_module
from ocpi_hub.delivery.liveness import Liveness
from ocpi_hub.delivery.messages import RecordedClient, Recorder
from ocpi_hub.domain.exchange import Exchange, NoAnswer, OutboundRequest, Unreachable
from ocpi_hub.domain.party import Platform, PlatformId, PlatformState, Quirk, Role
from ocpi_hub.errors import StoreError, StoreUnavailable
from tests.support.factories import CPO, EMSP, make_directory, make_platform
from tests.support.scripted import ScriptedClient, answer

HERE = make_platform((CPO, Role.CPO))
AWAY = make_platform((EMSP, Role.EMSP), online=False)


EVERYBODY = PlatformId("everybody")


class Notes:
    """A liveness store that writes down what it is told."""

    def __init__(self, *silent: Platform) -> None:
        self.told: list[tuple[str, PlatformId]] = []
        self.away = False
        self.refuses = False
        self._silent = [platform.platform_id for platform in silent]
        self._noted = asyncio.Condition()

    async def note_contacts(self, ago_s: Mapping[PlatformId, float]) -> None:
        assert all(0 <= ago < 60 for ago in ago_s.values())
        await self._note("contact", *ago_s)

    async def claim_silent(self, still_alive_s: float) -> Sequence[PlatformId]:
        silent, self._silent = self._silent, []
        return silent

    async def note_failed_check(self, platform_id: PlatformId, *, offline_after: int) -> bool:
        await self._note("failed", platform_id)
        return offline_after == 1

    async def request_catch_up_since(self, ago_s: float) -> None:
        assert 0 <= ago_s < 60
        await self._note("missed", EVERYBODY)

    async def mark_online(self, platform_id: PlatformId) -> bool:
        await self._note("online", platform_id)
        return True

    async def reaches(self, count: int) -> None:
        async with asyncio.timeout(10), self._noted:
            await self._noted.wait_for(lambda: len(self.told) >= count)

    async def _note(self, what: str, *platforms: PlatformId) -> None:
        if self.refuses:
            self.refuses = False
            raise StoreError("deadlock detected")
        if self.away:
            self.away = False
            raise StoreUnavailable("away for once")
        async with self._noted:
            self.told += [(what, platform) for platform in platforms]
            self._noted.notify_all()


@pytest.fixture(autouse=True)
def quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness_module, "ROUND_S", 0.01)
    monkeypatch.setattr(liveness_module, "SETTLE_S", 0.05)


async def run(
    notes: Notes, client: ScriptedClient, *platforms: Platform, seen: Sequence[Platform] = (),
    expect: int = 1, missed: int = 0,
) -> int:  # fmt: skip
    """Run rounds until so much was noted; returns how often somebody came back."""
    returned: list[None] = []
    directory = make_directory(*platforms)
    liveness = Liveness(
        notes,
        client,
        lambda: directory,
        SystemClock(),
        still_alive_s=300.0,
        offline_after=2,
        check_s=5.0,
        returned=lambda: returned.append(None),
    )
    for platform in seen:
        liveness.seen(platform)
    for _ in range(missed):
        liveness.missed()
    stop = asyncio.Event()
    loop = asyncio.ensure_future(liveness.run(stop))
    await notes.reaches(expect)
    stop.set()
    await loop
    return len(returned)


async def test_who_returns_is_brought_back_before_the_contact_is_noted() -> None:
    notes = Notes()
    returned = await run(notes, ScriptedClient(), HERE, AWAY, seen=[HERE, AWAY], expect=3)
    assert returned == 1
    assert notes.told[0] == ("online", AWAY.platform_id)
    assert set(notes.told[1:]) == {("contact", HERE.platform_id), ("contact", AWAY.platform_id)}


async def test_contacts_wait_for_the_database() -> None:
    notes = Notes()
    notes.away = True
    await run(notes, ScriptedClient(), HERE, seen=[HERE])
    assert notes.told[0] == ("contact", HERE.platform_id)


@pytest.mark.req("TF-37")
async def test_after_an_outage_what_could_not_be_taken_in_is_asked_for_once() -> None:
    notes = Notes()
    notes.away = True
    await run(notes, ScriptedClient(), HERE, seen=[HERE], expect=2)
    assert notes.told == [("contact", HERE.platform_id), ("missed", EVERYBODY)]


async def test_an_object_that_was_refused_is_asked_for_when_the_trouble_is_over() -> None:
    notes = Notes()
    await run(notes, ScriptedClient(), HERE, missed=3)
    assert notes.told == [("missed", EVERYBODY)]


async def test_a_statement_that_is_refused_does_not_end_the_loop() -> None:
    notes = Notes()
    notes.refuses = True
    await run(notes, ScriptedClient(), HERE, seen=[HERE])
    assert notes.told == [("contact", HERE.platform_id)]


@pytest.mark.req("HC-13")
async def test_a_silent_platform_is_asked_for_its_versions() -> None:
    raw = replace(HERE, quirks=frozenset({Quirk.RAW_TOKEN}))
    notes, client = Notes(raw), ScriptedClient()
    client.will(answer(data="[]"))
    await run(notes, client, raw)
    assert notes.told == [("contact", raw.platform_id)]
    [request] = client.requests
    assert (request.method, request.url) == ("GET", raw.versions_url)
    assert request.headers["Authorization"] == "Token our-token-at-the-partner"


@pytest.mark.req("HC-14")
@pytest.mark.parametrize(
    "exchange",
    [Unreachable("gone"), NoAnswer("silence"), answer(None), answer(3000), answer(http=500)],
)
async def test_a_check_without_a_good_answer_counts_as_failed(exchange: Exchange) -> None:
    notes, client = Notes(HERE), ScriptedClient()
    client.will(exchange)
    await run(notes, client, HERE)
    assert notes.told == [("failed", HERE.platform_id)]


async def test_platforms_that_are_not_connected_any_more_are_not_called() -> None:
    suspended = replace(HERE, state=PlatformState.SUSPENDED)
    notes, client = Notes(suspended, AWAY), ScriptedClient()
    await run(notes, client, suspended, seen=[suspended])
    assert client.requests == []


@pytest.mark.parametrize(
    ("exchange", "alive"),
    [(answer(), True), (answer(2001, http=404), True), (answer(http=502), False),
     (NoAnswer("silence"), False)],
)  # fmt: skip
async def test_an_answer_to_anything_is_a_contact(exchange: Exchange, alive: bool) -> None:
    heard: list[PlatformId] = []
    client = ScriptedClient()
    client.will(exchange)
    clock = SystemClock()
    recorder = Recorder(lambda _: None, clock, body_bytes=0)
    observed = RecordedClient(client, recorder, clock, answered=heard.append)
    request = OutboundRequest("GET", "https://p.example", HERE.platform_id, 1.0)
    assert await observed.send(request) is exchange
    assert heard == ([HERE.platform_id] if alive else [])
