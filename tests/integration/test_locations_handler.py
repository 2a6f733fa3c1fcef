"""The locations module from message to reply, on the real store, with a scripted receiver."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.feed.addressed import AddressedPushes
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.quality import Quality
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.message import Message, Reply
from ocpi_hub.domain.party import (
    InterfaceRole,
    PartyId,
    Platform,
    Quirk,
    Relation,
    RelationMode,
    Role,
)
from ocpi_hub.errors import (
    InvalidRequest,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    NotOwnUrl,
    NotPermitted,
    OcpiError,
    ReceiverNotConnected,
    UnknownForPatch,
    UnknownLocation,
    UnknownReceiver,
)
from ocpi_hub.server.handlers.common import Limits
from ocpi_hub.server.handlers.locations import LocationsHandler
from ocpi_hub.server.handlers.shared import Services
from ocpi_hub.server.inbound import Inbound
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.directory import ManualClock
from tests.support.factories import CPO, EMSP, HUB, make_directory, make_message, make_platform
from tests.support.quality import MemoryQualityStore, make_quality
from tests.support.scripted import ScriptedClient, answer, status_code
from tests.support.stores import feed_store, shared_store, value
from tests.unit.ocpi.factories import encode, make_connector, make_evse, make_location

OTHER_CPO = PartyId("BE", "TWO")
NSP = PartyId("DE", "NSP")
FAR = PartyId("FR", "FAR")
OWN = ("NL", "CPO", "LOC1")
PARTS: tuple[tuple[str, ...], ...] = ((), ("E1",), ("E1", "1"))
LATER = "2026-03-01T00:00:00Z"
LIMITS = Limits(json_depth=64, object_bytes=20_000, page=100, page_bytes=1_000_000)


@dataclass(slots=True)
class Scene:
    handler: LocationsHandler
    client: ScriptedClient
    store: PostgresSharedStore
    directory: Directory
    platforms: dict[PartyId, Platform]
    quality: Quality
    counted: MemoryQualityStore

    async def call(
        self,
        method: str,
        *path: str,
        by: PartyId = CPO,
        to: PartyId | None = None,
        body: Any = None,
        role: InterfaceRole = InterfaceRole.RECEIVER,
        query: tuple[tuple[str, str], ...] = (),
    ) -> Reply:
        message: Message = make_message(
            self.platforms[by],
            by,
            to=to,
            module="locations",
            interface_role=role,
            method=method,
            path=path,
            query=query,
            body=b"" if body is None else encode(body),
        )
        return await self.handler(Inbound(message, self.directory, 0.0))

    async def put(self, **fields: Any) -> Reply:
        return await self.call("PUT", *OWN, body=make_location(**fields))

    async def get(self, *path: str, by: PartyId = CPO, to: PartyId | None = HUB) -> Any:
        """The data that the owner gets."""
        return data(await self.call("GET", *path, by=by, to=to))

    async def ask(self, *path: str, by: PartyId = EMSP, to: PartyId | None = HUB) -> Reply:
        return await self.call("GET", *path, by=by, to=to, role=InterfaceRole.SENDER)


def data(reply: Reply) -> Any:
    return json.loads(reply.body)["data"]


@pytest_asyncio.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    parties = {
        CPO: Role.CPO,
        OTHER_CPO: Role.CPO,
        EMSP: Role.EMSP,
        NSP: Role.NSP,
        FAR: Role.EMSP,
    }
    platforms = {party: make_platform((party, role)) for party, role in parties.items()}
    directory = make_directory(
        *platforms.values(),
        relations=[Relation(cpo, FAR, RelationMode.NONE) for cpo in (CPO, OTHER_CPO)],
    )
    client = ScriptedClient()
    links = PageLinks("https://hub.example", lambda text: "5ea1", ManualClock(), days=7)
    relay = Relay(client, links, timeout_s=30.0)
    counted = MemoryQualityStore()
    quality = make_quality(counted, SystemClock())
    async with shared_store(database) as store, feed_store(database) as feed:
        handler = LocationsHandler(
            Services(
                store,
                relay,
                AddressedPushes(relay, store, feed),
                links,
                LIMITS,
                "https://hub.example",
                quality,
            )
        )
        yield Scene(handler, client, store, directory, platforms, quality, counted)


# Data quality ------------------------------------------------------------------------------------


@pytest.mark.req("TY-02", "TY-11")
async def test_mild_faults_of_what_is_kept_are_counted_at_every_level(scene: Scene) -> None:
    async def counted() -> dict[str, int]:
        await scene.quality.flush()
        found = {rule: count for (_, rule), count in scene.counted.rules().items()}
        scene.counted.counted.clear()
        return found

    await scene.put(evses=[make_evse(evse_id="E1", status="ASLEEP")], city="c" * 46)
    assert await counted() == {"evse_id": 1, "unknown_value": 1, "too_long": 1}
    await scene.call("PATCH", *OWN, body={"name": "n" * 256, "last_updated": LATER})
    assert await counted() == {"too_long": 1}
    status = {"status": "DOZING", "last_updated": LATER}
    await scene.call("PATCH", *OWN, "E1", body=status)
    assert await counted() == {"unknown_value": 1}
    await scene.call("PATCH", *OWN, "E1", "1", body={"format": "HOSE", "last_updated": LATER})
    assert await counted() == {"unknown_value": 1}
    await scene.put(evses=[], city="c" * 46)
    assert await counted() == {"stale": 1}
    # Addressed to one party it is looked at as well, and what is refused is not.
    scene.client.will(answer())
    await scene.call("PATCH", *OWN, "E1", body=status, to=EMSP)
    assert await counted() == {"unknown_value": 1}
    with pytest.raises(InvalidRequest):
        await scene.put(evses=[], city="c" * 46, publish=None, last_updated=LATER)
    with pytest.raises(UnknownLocation):
        await scene.call("PATCH", *OWN[:2], "LOC9", "E1", body=status)
    assert await counted() == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"status": "CHARGING"}, "last_updated: is required in a PATCH"),
        ({"last_updated": None}, "last_updated: must be a DateTime.*, got null"),
        ({"last_updated": "soon"}, "last_updated: must be a DateTime.*, got a string of 4 char"),
        ({"last_updated": LATER, "status": 7}, "status: must be a value of Status, got a number"),
        ([], "The body must be a JSON object, got a list of 0"),
    ],
)
async def test_a_hard_fault_of_a_patch_is_told_with_field_rule_and_shape(
    scene: Scene, body: Any, message: str
) -> None:
    await scene.put()
    with pytest.raises(InvalidRequest, match=message) as refusal:
        await scene.call("PATCH", *OWN, "E1", body=body)
    assert refusal.value.status_code == 2001


# The owner's pushes ------------------------------------------------------------------------------


@pytest.mark.req("LO-03", "LO-04", "LO-05", "ER-04")
async def test_an_owner_puts_patches_and_reads_at_all_levels(scene: Scene) -> None:
    assert (await scene.put()).http_status == 201
    assert (await scene.put(name="A name", last_updated=LATER)).http_status == 200
    evse = make_evse(uid="E2", last_updated="2026-03-02T00:00:00Z")
    assert (await scene.call("PUT", *OWN, "E2", body=evse)).http_status == 201
    connector = make_connector(id="2", last_updated="2026-03-03T00:00:00Z")
    assert (await scene.call("PUT", *OWN, "E2", "2", body=connector)).http_status == 201
    patch: dict[str, Any] = {"status": "CHARGING", "last_updated": "2026-03-04T00:00:00Z"}
    assert (await scene.call("PATCH", *OWN, "e2", body=patch)).http_status == 200
    patch = {"max_voltage": 400, "last_updated": "2026-03-05T00:00:00Z"}
    assert (await scene.call("PATCH", *OWN, "E2", "2", body=patch)).http_status == 200
    assert await scene.get(*OWN, "E2", "2") == connector | patch
    held = await scene.get("nl", "cpo", "loc1", "E2")
    assert (held["status"], held["last_updated"]) == ("CHARGING", "2026-03-05T00:00:00Z")
    whole = await scene.get(*OWN, to=None)
    assert whole["evses"] == [make_evse(), held]
    assert (whole["name"], whole["last_updated"]) == ("A name", "2026-03-05T00:00:00Z")


@pytest.mark.req("ER-09")
async def test_a_patch_without_last_updated_is_2001(scene: Scene) -> None:
    await scene.put()
    bodies: list[Any] = [{"status": "CHARGING"}, {"last_updated": "yesterday"}, [], "x"]
    for part, body in itertools.product(PARTS, bodies):
        with pytest.raises(InvalidRequest):
            await scene.call("PATCH", *OWN, *part, body=body)


@pytest.mark.req("TF-26", "LO-14")
async def test_url_and_body_name_the_same(scene: Scene) -> None:
    await scene.put()
    others: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        ((), make_location(id="OTHER")),
        ((), make_location(party_id="TWO")),
        ((), make_location(country_code="BE")),
        (("E1",), make_evse(uid="E9")),
        (("E1", "1"), make_connector(id="9")),
    ]
    for method, (part, body) in itertools.product(("PUT", "PATCH"), others):
        with pytest.raises(InvalidRequest, match="differs"):
            await scene.call(method, *OWN, *part, body=body | {"last_updated": LATER})
    assert await scene.get(*OWN) == make_location()


@pytest.mark.req("TF-25")
async def test_nobody_else_reads_or_writes_at_an_owners_url(scene: Scene) -> None:
    await scene.put()
    for method, part in itertools.product(("GET", "PUT", "PATCH"), PARTS):
        with pytest.raises(NotOwnUrl):
            await scene.call(method, *OWN, *part, by=OTHER_CPO, body={"last_updated": LATER})
        with pytest.raises(NotPermitted):
            await scene.call(method, *OWN, *part, by=EMSP, body={"last_updated": LATER})
    assert await scene.get(*OWN) == make_location()


@pytest.mark.req("LO-03", "LO-06", "ER-08")
async def test_what_the_module_does_not_define_is_refused(scene: Scene) -> None:
    for method in ("POST", "DELETE"):
        with pytest.raises(MethodNotAllowed):
            await scene.call(method, *OWN, body=make_location())
    with pytest.raises(MethodNotAllowed):
        await scene.call("PUT", "LOC1", by=EMSP, role=InterfaceRole.SENDER)
    for path in (OWN[:2], (*OWN, "E1", "1", "more")):
        with pytest.raises(NotFound):
            await scene.call("GET", *path)
    with pytest.raises(NotFound):
        await scene.ask("LOC1", "E1", "1", "more")


@pytest.mark.req("LO-09", "ER-03", "ER-10")
async def test_what_the_hub_lacks_is_told_apart(scene: Scene) -> None:
    for part, body in ((("E1",), make_evse()), (("E1", "1"), make_connector())):
        for method in ("PUT", "PATCH"):
            with pytest.raises(UnknownLocation) as refused:
                await scene.call(method, *OWN, *part, body=body)
            assert (refused.value.http_status, refused.value.status_code) == (404, 2003)
    with pytest.raises(UnknownForPatch):
        await scene.call("PATCH", *OWN, body={"last_updated": LATER})
    with pytest.raises(UnknownLocation):
        await scene.get(*OWN)
    await scene.put()
    for part in (("E9",), ("E9", "1"), ("E1", "9")):
        with pytest.raises(UnknownForPatch):
            await scene.call("PATCH", *OWN, *part, body={"last_updated": LATER})
        with pytest.raises(NotFound):
            await scene.get(*OWN, *part)
    with pytest.raises(UnknownForPatch):
        await scene.call("PUT", *OWN, "E9", "1", body=make_connector())


@pytest.mark.req("TF-20", "LO-04")
async def test_a_patch_that_would_spoil_an_object_is_2001(scene: Scene) -> None:
    await scene.put()
    spoiling: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        ((), {"address": None}),
        ((), {"evses": [{"uid": "E1"}]}),
        (("E1",), {"connectors": []}),
        (("E1",), {"status": None}),
        (("E1", "1"), {"max_voltage": "400"}),
    ]
    for part, patch in spoiling:
        with pytest.raises(InvalidRequest):
            await scene.call("PATCH", *OWN, *part, body=patch | {"last_updated": LATER})
    assert await scene.get(*OWN) == make_location()


@pytest.mark.req("RT-11", "LO-05")
async def test_an_owner_whose_clock_runs_backwards_is_told_and_loses_nothing(scene: Scene) -> None:
    newest = make_location(
        evses=[make_evse(connectors=[make_connector(last_updated=LATER)], last_updated=LATER)],
        last_updated=LATER,
    )
    await scene.call("PUT", *OWN, body=newest)
    earlier = {"last_updated": "2026-02-28T23:59:59Z"}
    for part in PARTS:
        reply = await scene.call("PATCH", *OWN, *part, body=earlier)
        assert (reply.http_status, status_code(reply.body)) == (200, 1000)
        assert "newer" in json.loads(reply.body)["status_message"]
    assert await scene.get(*OWN) == newest


async def test_limits_hold_for_what_parts_make_of_a_location(scene: Scene) -> None:
    await scene.put()
    evse = make_evse(last_updated=LATER, vendor="x" * 12_000)
    await scene.call("PUT", *OWN, "E2", body=evse | {"uid": "E2"})
    with pytest.raises(InvalidRequest, match="larger"):
        await scene.call("PUT", *OWN, "E3", body=evse | {"uid": "E3"})
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    await scene.put(vendor=deep, last_updated=LATER)
    with pytest.raises(MalformedJson):
        await scene.call("PUT", *OWN, "E1", body=make_evse(vendor=[[deep]]))
    with pytest.raises(InvalidRequest, match="255"):
        await scene.call("PUT", *OWN, "E" * 256, body=make_evse(uid="E" * 256))


# Lists and single objects ------------------------------------------------------------------------


@pytest.mark.req("LO-01", "LO-07")
async def test_lists_hold_locations_with_their_evses_and_nothing_else(scene: Scene) -> None:
    await scene.put()
    removed = {"status": "REMOVED", "last_updated": LATER}
    await scene.call("PATCH", *OWN, "E1", body=removed)
    reply = await scene.ask()
    assert reply.headers["X-Total-Count"] == "1"
    [listed] = data(reply)
    assert listed == await scene.get(*OWN)
    assert listed["evses"] == [make_evse() | removed]
    window = await scene.call(
        "GET", by=EMSP, to=HUB, role=InterfaceRole.SENDER, query=(("date_from", LATER),)
    )
    assert len(data(window)) == 1, "the change of an EVSE counts as one of its Location"


@pytest.mark.req("LO-01", "LO-02", "RT-37")
async def test_a_reader_gets_each_level_of_the_only_location_with_an_id(scene: Scene) -> None:
    await scene.put()
    assert data(await scene.ask("loc1")) == make_location()
    assert data(await scene.ask("LOC1", "e1")) == make_evse()
    assert data(await scene.ask("LOC1", "E1", "1")) == make_connector()
    for path in (("LOC1", "E9"), ("LOC1", "E1", "9")):
        with pytest.raises(NotFound):
            await scene.ask(*path)
    with pytest.raises(UnknownLocation):
        await scene.ask("LOC9")
    with pytest.raises(UnknownReceiver):
        await scene.ask("LOC9", to=None)
    with pytest.raises(UnknownLocation):
        await scene.ask("LOC1", by=FAR)
    same_id = make_location(country_code="BE", party_id="TWO")
    await scene.call("PUT", "BE", "TWO", "LOC1", by=OTHER_CPO, body=same_id)
    for to in (HUB, None):
        with pytest.raises(UnknownReceiver, match="Several"):
            await scene.ask("LOC1", to=to)


@pytest.mark.req("LO-02", "RT-34")
async def test_a_location_of_one_owner_is_asked_for_there(scene: Scene) -> None:
    await scene.put()
    for to in (CPO, None):
        scene.client.will(answer(data='{"fresh": true}'))
        reply = await scene.ask("LOC1", "E1", to=to)
        assert (data(reply), reply.sender) == ({"fresh": True}, CPO)
        request = scene.client.requests[-1]
        assert request.url == "https://partner.example/sender/locations/LOC1/E1"
        assert request.headers["OCPI-to-party-id"] == "CPO"


@pytest.mark.req("LO-12")
async def test_what_is_not_to_be_published_is_shown_to_emsps_alone(scene: Scene) -> None:
    await scene.put(publish=False)
    assert len(data(await scene.ask())) == 1
    reply = await scene.ask(by=NSP)
    assert (data(reply), reply.headers["X-Total-Count"]) == ([], "0")
    with pytest.raises(UnknownLocation):
        await scene.ask("LOC1", by=NSP)
    scene.client.will(answer())
    await scene.call("PUT", *OWN, to=NSP, body=make_location(publish=False))
    assert len(data(await scene.ask(by=NSP))) == 1, "its owner gave it to that party"


# Addressed to one party --------------------------------------------------------------------------


@pytest.mark.req("RT-06", "RT-17")
async def test_an_addressed_part_is_kept_for_its_receiver_and_relayed_at_once(
    scene: Scene, database: Database
) -> None:
    await scene.put()
    scene.client.will(answer())
    patch = {"status": "RESERVED", "last_updated": LATER}
    reply = await scene.call("PATCH", *OWN, "E1", to=EMSP, body=patch)
    assert status_code(reply.body) == 1000
    [request] = scene.client.requests
    assert (request.method, request.body) == ("PATCH", encode(patch))
    assert request.url.endswith("/receiver/locations/NL/CPO/LOC1/E1")
    [for_emsp], [for_nsp] = data(await scene.ask()), data(await scene.ask(by=NSP))
    statuses = [seen["evses"][0]["status"] for seen in (for_emsp, for_nsp)]
    assert statuses == ["RESERVED", "AVAILABLE"]
    assert await value(database, "select count(*) from lane_gap") == 0


async def test_only_the_evse_is_owed_while_its_verdict_is_open(
    scene: Scene, database: Database
) -> None:
    await scene.put()
    scene.client.will(answer(None, http=503))
    with pytest.raises(OcpiError):
        await scene.call("PUT", *OWN, "E1", "1", to=EMSP, body=make_connector(last_updated=LATER))
    owed = await value(database, "select array_agg(object_type) from lane_gap")
    assert owed == ["EVSE:e1"]


@pytest.mark.req("TF-23")
async def test_a_part_that_the_receiver_cannot_place_is_owed_at_once(
    scene: Scene, database: Database
) -> None:
    await scene.put()
    due = "select count(*) from lane_gap where next_attempt_at <= now()"
    for number, refusal in enumerate((answer(2003, http=404), answer(2003), answer(2001)), 1):
        scene.client.will(refusal)
        evse = make_evse(uid=f"N{number}", last_updated=LATER)
        reply = await scene.call("PUT", *OWN, f"N{number}", to=EMSP, body=evse)
        assert reply.body == refusal.body
        assert await value(database, due) == number


@pytest.mark.req("LO-09", "ER-10")
async def test_what_the_hub_lacks_goes_on_to_an_addressed_party_all_the_same(
    scene: Scene, database: Database
) -> None:
    scene.client.will(answer(2003, http=404))
    for part in PARTS:
        reply = await scene.call("PATCH", *OWN, *part, to=EMSP, body={"last_updated": LATER})
        assert (reply.http_status, status_code(reply.body), reply.sender) == (404, 2003, EMSP)
    assert await value(database, "select count(*) from shared_object") == 0


async def test_a_platform_that_takes_no_patch_gets_the_whole_evse(scene: Scene) -> None:
    await scene.put()
    quirky = make_platform((EMSP, Role.EMSP))
    object.__setattr__(quirky, "quirks", frozenset({Quirk.NO_PATCH}))
    others = [each for party, each in scene.platforms.items() if party != EMSP]
    scene.directory = make_directory(quirky, *others)
    scene.client.will(answer())
    patch = {"max_voltage": 400, "last_updated": LATER}
    await scene.call("PATCH", *OWN, "E1", "1", to=EMSP, body=patch)
    [request] = scene.client.requests
    assert request.method == "PUT"
    assert request.url.endswith("/receiver/locations/NL/CPO/LOC1/E1")
    connector = make_connector() | patch
    assert json.loads(request.body or b"") == make_evse(connectors=[connector], last_updated=LATER)


async def test_nobody_without_a_relation_is_addressed(scene: Scene, database: Database) -> None:
    with pytest.raises(ReceiverNotConnected):
        await scene.call("PUT", *OWN, to=FAR, body=make_location())
    assert await value(database, "select count(*) from shared_object") == 0
