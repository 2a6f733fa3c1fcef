"""Counting of mild faults: what is counted together, what an example shows, and what is bounded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from ocpi_hub.delivery import named_tariffs, quality
from ocpi_hub.delivery.dating import AHEAD
from ocpi_hub.delivery.quality import NOTHING, STALE, Noticed, Quality, noticed
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.domain.quality import Example, Subject, TallyKey
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.faults import Finding, Rule
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.commands import StopSession
from ocpi_hub.ocpi.v2_2_1.locations import Location
from ocpi_hub.ocpi.v2_2_1.tokens import Token
from tests.support.directory import ManualClock
from tests.support.quality import WAIT_S, MemoryQualityStore
from tests.unit.ocpi.factories import (
    encode,
    make_command,
    make_connector,
    make_evse,
    make_location,
    make_token,
)

P1, P2 = PlatformId("p-1"), PlatformId("p-2")
CPO = PartyId("NL", "CPO")


class Scene:
    """A process that counts."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.clock.advance(timedelta(days=90).total_seconds())  # after what the objects say
        self.store = MemoryQualityStore()
        self.metrics: list[tuple[str, str, int]] = []
        self.quality = Quality(
            self.store,
            self.clock,
            mask=lambda uid: f"{len(uid)}-digits",
            counted=lambda *what: self.metrics.append(what),
            tariff_wait_s=WAIT_S,
        )

    def send(self, seen: Noticed, *, platform: PlatformId = P1, object_id: str = "LOC1") -> None:
        self.quality.accepted(Subject(platform, "locations", CPO, object_id), seen)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def seen(value: dict[str, Any], model: type[OcpiModel] = Location) -> Noticed:
    return noticed(parse_object(encode(value), model, max_depth=16))


def findings(*found: tuple[Rule, str]) -> Noticed:
    return Noticed(tuple(Finding(rule, path, "a shape") for rule, path in found), {}, None)


def naming(*tariff_ids: str) -> Noticed:
    return seen(
        make_location(evses=[make_evse(connectors=[make_connector(tariff_ids=tariff_ids)])])
    )


@pytest.mark.req("TY-02", "TY-11")
async def test_an_object_counts_once_for_each_rule_that_it_breaks(scene: Scene) -> None:
    connectors = [make_connector(standard="PLUG"), make_connector(id="2", format="HOSE")]
    location = make_location(
        city="c" * 46, name="n" * 256, evses=[make_evse(connectors=connectors)]
    )
    for _ in range(3):
        scene.send(seen(location))
        scene.clock.advance(60)
    scene.send(seen(make_location()))
    await scene.quality.flush()
    assert scene.store.rules() == {("locations", "too_long"): 3, ("locations", "unknown_value"): 3}
    tally = scene.store.counted[TallyKey(P1, "locations", "too_long")]
    assert tally.example == Example("LOC1", "name", "256 characters, string(255) allows 255")
    assert tally.last_at - tally.first_at == timedelta(seconds=120)
    assert scene.metrics.count(("locations", "too_long", 1)) == 3


async def test_nothing_is_written_while_there_is_nothing_to_say(scene: Scene) -> None:
    scene.send(seen(make_location()))
    scene.send(NOTHING)
    await scene.quality.flush()
    assert (scene.store.writes, scene.quality.queued, scene.metrics) == (0, 0, [])


async def test_later_counts_are_added_and_show_a_later_example(scene: Scene) -> None:
    scene.send(findings((Rule.TOO_LONG, "name")), object_id="OLD")
    await scene.quality.flush()
    scene.clock.advance(10)
    scene.send(findings((Rule.TOO_LONG, "city")), object_id="NEW")
    await scene.quality.flush()
    [tally] = scene.store.counted.values()
    assert (tally.count, tally.example) == (2, Example("NEW", "city", "a shape"))
    assert tally.last_at - tally.first_at == timedelta(seconds=10)


@pytest.mark.parametrize("module", ["tokens", "locations"])
async def test_the_uid_of_a_token_never_stands_in_an_example(scene: Scene, module: str) -> None:
    subject = Subject(P1, module, CPO, "04A2B3C4")
    token = make_token(uid="04A2B3C4", visual_number="DE-1234" * 20)
    scene.quality.accepted(subject, seen(token, Token))
    await scene.quality.flush()
    [tally] = scene.store.counted.values()
    assert tally.example.object_id == ("~8-digits" if module == "tokens" else "04A2B3C4")
    assert "DE-1234" not in str(tally)


async def test_a_last_updated_in_the_future_is_counted(scene: Scene) -> None:
    now = scene.clock.now()
    scene.send(Noticed((), {}, now + AHEAD))
    scene.send(Noticed((), {}, now + AHEAD + timedelta(seconds=1)))
    await scene.quality.flush()
    assert scene.store.rules() == {("locations", "ahead"): 1}
    [tally] = scene.store.counted.values()
    assert tally.example == Example("LOC1", "last_updated", "301 seconds ahead")


async def test_a_stale_push_is_counted(scene: Scene) -> None:
    scene.quality.deviates(Subject(P1, "sessions", CPO, "S1"), STALE)
    await scene.quality.flush()
    assert scene.store.rules() == {("sessions", "stale"): 1}


@pytest.mark.req("TF-38")
@pytest.mark.parametrize("model", [Location, Token, StopSession])
@pytest.mark.parametrize("anything", ["2099-01-01T00:00:00Z", 7, [1, [2]], {"id": 3}, None, True])
async def test_unknown_fields_with_known_names_are_not_looked_at(
    scene: Scene, model: type[OcpiModel], anything: object
) -> None:
    known: dict[str, Any] = {
        "Location": make_location(),
        "Token": make_token(),
        "StopSession": make_command(session_id="S1"),
    }[model.__name__]
    names = (*("tariffs", "tariff_ids", "tariff_id", "connectors", "charging_periods"), "evses")
    unknown = {
        name: anything for name in (*names, "last_updated") if name not in model.model_fields
    }
    scene.send(seen(known | unknown, model))
    await scene.quality.flush()
    assert (scene.store.rules(), scene.quality.waiting_tariffs) == ({}, 0)


# The database ------------------------------------------------------------------------------------


async def test_counts_outlive_an_absence_of_the_database(scene: Scene) -> None:
    scene.store.broken = True
    for object_id in ("A", "B"):
        scene.send(findings((Rule.TOO_LONG, "name")), object_id=object_id)
        await scene.quality.flush()
        scene.clock.advance(1)
    scene.store.broken = False
    scene.send(findings((Rule.TOO_LONG, "name")), object_id="C")
    await scene.quality.flush()
    [tally] = scene.store.counted.values()
    assert tally.count == 3
    assert tally.last_at - tally.first_at == timedelta(seconds=2)
    await scene.quality.flush()
    assert scene.store.writes == 1


async def test_what_is_left_is_written_at_the_stop(scene: Scene) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(scene.quality.run(stop))
    await asyncio.sleep(0)
    scene.send(findings((Rule.TOO_LONG, "name")))
    stop.set()
    await running
    assert scene.store.rules() == {("locations", "too_long"): 1}


# Bounds ------------------------------------------------------------------------------------------


async def test_a_partner_that_errs_in_every_object_anew_makes_no_more_rows(scene: Scene) -> None:
    for number in range(20_000):
        scene.send(findings((Rule.TOO_LONG, f"field[{number}]")), object_id=f"LOC{number}")
    assert scene.quality.queued == 1
    await scene.quality.flush()
    [tally] = scene.store.counted.values()
    assert tally.count == 20_000


async def test_an_example_is_short_and_fit_for_a_terminal(scene: Scene) -> None:
    scene.send(findings((Rule.TOO_LONG, "x" * 1000)), object_id="\x1b[31mred\n\u202e\ud800")
    await scene.quality.flush()
    [tally] = scene.store.counted.values()
    assert tally.example.object_id == "[31mred"
    assert len(tally.example.field) == quality.MAX_TEXT


# Tariffs -----------------------------------------------------------------------------------------


def hold(scene: Scene, *tariff_ids: str) -> None:
    scene.store.tariffs |= {ObjectKey("tariffs", CPO, tariff_id) for tariff_id in tariff_ids}


async def test_a_tariff_has_time_to_arrive_after_the_location_that_names_it(scene: Scene) -> None:
    scene.send(naming("t1", "T2"))
    scene.clock.advance(WAIT_S - 1)
    await scene.quality.flush()
    assert scene.store.looks == []
    hold(scene, "T1", "T2")
    scene.clock.advance(1)
    await scene.quality.flush()
    assert (scene.store.looks, scene.store.rules()) == ([2], {})
    assert scene.quality.waiting_tariffs == 0


async def test_a_tariff_that_does_not_arrive_counts_for_each_object_that_named_it(
    scene: Scene,
) -> None:
    hold(scene, "T1")
    for number in range(3):
        scene.send(naming("T1", "T2"), object_id=f"LOC{number}")
        scene.clock.advance(1)
    scene.send(naming("T2"), platform=P2)
    scene.clock.advance(WAIT_S)
    await scene.quality.flush()
    counts = {key: tally.count for key, tally in scene.store.counted.items()}
    rule = ("locations", "unknown_tariff")
    assert counts == {TallyKey(P1, *rule): 3, TallyKey(P2, *rule): 1}
    tally = scene.store.counted[TallyKey(P1, *rule)]
    assert tally.example == Example(
        "LOC0",
        "evses[0].connectors[0].tariff_ids[1]",
        "names a Tariff of NL*CPO that the hub does not hold",
    )
    assert tally.last_at - tally.first_at == timedelta(seconds=2)
    assert scene.metrics.count(("locations", "unknown_tariff", 3)) == 1


async def test_tariffs_wait_for_the_database_and_do_not_keep_counts_from_being_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "TARIFFS_AT_ONCE", 2)
    scene.send(naming("T1", "T2", "T3"))
    scene.clock.advance(WAIT_S)
    scene.store.broken = True
    await scene.quality.flush()
    assert scene.quality.waiting_tariffs == 3
    scene.store.broken = False
    await scene.quality.flush()
    await scene.quality.flush()
    await scene.quality.flush()
    assert scene.store.looks == [2, 1]
    assert scene.store.rules() == {("locations", "unknown_tariff"): 3}


async def test_tariffs_that_wait_are_bounded_for_each_platform_and_in_all(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_tariffs, "MOST_OF_PLATFORM", 5)
    monkeypatch.setattr(named_tariffs, "MOST", 7)
    for number in range(100):
        scene.send(naming(f"T{number}"))
    assert scene.quality.waiting_tariffs == 5
    for number in range(100):
        scene.send(naming(f"T{number}"), platform=P2)
    assert scene.quality.waiting_tariffs == 7
    scene.clock.advance(WAIT_S)
    await scene.quality.flush()
    scene.send(naming("T99"))
    assert scene.quality.waiting_tariffs == 1
