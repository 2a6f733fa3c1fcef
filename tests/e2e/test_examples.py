"""The specification's examples on their way through the hub.

Every valid example of version 2.2.1 that travels between parties is sent over the module, method
and level it belongs to, and arrives as it was written, numbers as text. The parties it names are on
board, so that as a rule nothing is rewritten; where two examples have one id, the later one gets an
id of its own. The invalid ones are refused with a message that names the fault.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.examples import ABSENT, example_index, example_text
from tests.support.hub import HubProcess
from tests.support.party import make_location, make_session, make_token
from tests.support.postgres import PostgresServer
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of
from tests.support.waiting import eventually
from tests.support.wire import Answer, Wire

if not example_index():
    pytest.skip(ABSENT, allow_module_level=True)

pytestmark = pytest.mark.asyncio(loop_scope="module")

CPO, EMSP, HUB = "NL*CPO", "DE*MSP", "EU*HUB"
SEND = "/2.2.1/sender"
RECEIVE = "/2.2.1/receiver"
LONG_AGO = "2010-01-01T00:00:00Z"

STAY_AT_HOME = {
    "Credentials",
    "Version[]",
    "VersionDetails",
    "Response<Version[]>",
    "Response<VersionDetails>",
}
"""Between a platform and the hub: the models check them, and they go no further."""

PARTS = {
    "EnergyMix": ("energy_mix", "{}"),
    "Hours": ("opening_times", "{}"),
    "DisplayText": ("directions", "[{}]"),
}
"""Where a part of a Location stands in it."""


def entries(*types: str, valid: bool = True, partial: bool = False) -> list[Any]:
    """Examples of 2.2.1 as test parameters."""
    return [
        pytest.param(entry, id=entry["file"])
        for entry in example_index()
        if entry["version"] == "2.2.1"
        and entry["type"] in types
        and (entry["valid"], entry["partial"]) == (valid, partial)
    ]


def value(text: str | bytes) -> Any:
    """JSON with its numbers as they are written."""
    return json.loads(text, parse_float=lambda number: f"#{number}", parse_int=lambda n: f"#{n}")


def same(received: bytes, sent: str) -> None:
    assert value(received) == value(sent)


def taken(answer: Answer) -> None:
    assert answer.http in (200, 201), answer.body
    assert answer.envelope["status_code"] == 1000, answer.body


@dataclass(slots=True)
class Ids:
    """Gives the second example with an id another one."""

    used: set[tuple[str, str, str]] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def own(self, text: str) -> tuple[str, str]:
        """The example, its id replaced if it was used, and the path of the object."""
        fields = json.loads(text)
        key = "uid" if "uid" in fields else "id"
        owner = fields["country_code"], fields["party_id"]
        while (*owner, fields[key]) in self.used:
            fields[key] = f"OTHER{next(self.numbers)}"
        self.used.add((*owner, fields[key]))
        text = re.sub(rf'("{key}"\s*:\s*)"[^"]*"', rf'\1"{fields[key]}"', text, count=1)
        assert json.loads(text)[key] == fields[key]
        return text, "/".join((*owner, fields[key]))


class Taker(ScriptedPartner):
    """A platform that takes whatever it is sent, below `/take`."""

    def __init__(self, parties: set[str], role: str) -> None:
        super().__init__(*(role_of(party, role) for party in sorted(parties)))
        self.token = f"token-of-{role}"

    def offers(self, *interfaces: tuple[str, str]) -> None:
        self.endpoints = [
            (module, role, f"{self.base_url}/take/{role.lower()}/{module}")
            for module, role in interfaces
        ]

    def _usual(self, request: web.Request) -> web.Response:
        if request.path.startswith("/take/"):
            empty: list[object] | None = [] if request.path.startswith("/take/sender") else None
            return web.json_response(body=envelope(empty))
        return super()._usual(request)

    async def gets(self, method: str, path: str) -> bytes:
        """The body of the last such request, once there is one."""

        async def arrived() -> bool:
            return bool(self.calls(method, f"/take/receiver/{path}"))

        await eventually(arrived, f"{method} {path} among {[r.path for r in self.received]}")
        return self.calls(method, f"/take/receiver/{path}")[-1].body


@dataclass(frozen=True, slots=True)
class Scene:
    """A hub between a platform of CPOs and one of eMSPs: those that the examples name, and one
    more of each kind."""

    cpo: Taker
    emsp: Taker
    cpo_wire: Wire
    emsp_wire: Wire
    ids: Ids = field(default_factory=Ids)

    async def push(self, method: str, path: str, text: str, *, owner: str, to: str) -> Answer:
        """Send to the RECEIVER interface of a party, from the platform of the CPOs."""
        return await self.cpo_wire.send(
            method, f"{RECEIVE}/{path}", text.encode(), sender=owner, to=to
        )

    async def pushed(self, method: str, path: str, text: str, *, owner: str, to: str) -> None:
        """The same, and it has arrived at the eMSPs as it was sent."""
        answer = await self.push(method, path, text, owner=owner, to=to)
        taken(answer)
        same(await self.emsp.gets(method, path), text)


def named_parties() -> tuple[set[str], set[str]]:
    """The CPOs and the eMSPs that own or receive something in the examples."""
    cpos, emsps = {CPO}, {EMSP}
    for (entry,) in (parameter.values for parameter in entries("CDR", "Location", "Session",
                                                               "Tariff", "Token")):  # fmt: skip
        fields = json.loads(example_text(entry))
        owner = f"{fields['country_code']}*{fields['party_id']}"
        (emsps if entry["type"] == "Token" else cpos).add(owner)
        if token := fields.get("cdr_token"):
            emsps.add(f"{token['country_code']}*{token['party_id']}")
    return cpos, emsps


@asynccontextmanager
async def on_board(hub: HubProcess, partner: Taker) -> AsyncIterator[Wire]:
    invited = await hub.run("platform", "invite", "--name", partner.token)
    async with Wire(hub, invited["token"]) as before:
        answer = await before.send("POST", "/2.2.1/credentials", partner.credentials())
    assert answer.codes == (200, 1000), answer.body
    async with Wire(hub, answer.data["token"]) as wire:
        yield wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    cpos, emsps = named_parties()
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(HubProcess(address, Path(log)))
        cpo = await stack.enter_async_context(Taker(cpos, "CPO"))
        emsp = await stack.enter_async_context(Taker(emsps, "EMSP"))
        cpo.offers(("tokens", "RECEIVER"))
        emsp.offers(
            *((module, "RECEIVER") for module in ("locations", "tariffs", "sessions", "cdrs")),
            ("tokens", "SENDER"),
        )
        cpo_wire, emsp_wire = await asyncio.gather(
            stack.enter_async_context(on_board(hub, cpo)),
            stack.enter_async_context(on_board(hub, emsp)),
        )
        yield Scene(cpo, emsp, cpo_wire, emsp_wire)
    await postgres_server.drop_database(address)


def owner_in(path: str) -> str:
    return "*".join(path.split("/")[:2])


async def test_no_valid_example_is_left_out() -> None:
    sent = {"CDR", "Connector", "EVSE", "Location", "Session", "Tariff", "Token", *PARTS}
    answered = {"Response<none>", "Response<Token>", "Response<Token[]>"}
    types = {entry["type"] for entry in example_index() if entry["version"] == "2.2.1"}
    assert types - {"ClientInfo"} == sent | answered | STAY_AT_HOME


@pytest.mark.parametrize("entry", entries("Location", "Tariff"))
async def test_a_broadcast_example_arrives_as_it_was_written(
    entry: dict[str, Any], scene: Scene
) -> None:
    module = f"{entry['type'].lower()}s"
    text, path = scene.ids.own(example_text(entry))
    owner = owner_in(path)
    await scene.pushed("PUT", f"{module}/{path}", text, owner=owner, to=HUB)
    # What the hub keeps is what came, too: its own answer to the owner, and to whoever asks.
    kept = await scene.cpo_wire.send("GET", f"{RECEIVE}/{module}/{path}", sender=owner, to=HUB)
    assert value(kept.body)["data"] == value(text)
    listed = await scene.emsp_wire.send("GET", f"{SEND}/{module}", sender=EMSP, to=HUB)
    assert value(text) in value(listed.body)["data"]


@pytest.mark.parametrize("entry", entries("Token"))
async def test_a_token_arrives_as_it_was_written(entry: dict[str, Any], scene: Scene) -> None:
    text, path = scene.ids.own(example_text(entry))
    fields = json.loads(text)
    sent = await scene.emsp_wire.send(
        "PUT",
        f"{RECEIVE}/tokens/{path}",
        text.encode(),
        sender=owner_in(path),
        to=HUB,
        query={"type": fields["type"]},
    )
    taken(sent)
    same(await scene.cpo.gets("PUT", f"tokens/{path}"), text)
    listed = await scene.cpo_wire.send("GET", f"{SEND}/tokens", sender=CPO, to=HUB)
    assert value(text) in value(listed.body)["data"]


@pytest.mark.parametrize("entry", entries("Session"))
async def test_a_session_arrives_as_it_was_written(entry: dict[str, Any], scene: Scene) -> None:
    text, path = scene.ids.own(example_text(entry))
    token = json.loads(text)["cdr_token"]
    to = f"{token['country_code']}*{token['party_id']}"
    await scene.pushed("PUT", f"sessions/{path}", text, owner=owner_in(path), to=to)


@pytest.mark.parametrize("entry", entries("CDR"))
async def test_a_cdr_finds_its_emsp_and_arrives_as_it_was_written(
    entry: dict[str, Any], scene: Scene
) -> None:
    text, path = scene.ids.own(example_text(entry))
    token = json.loads(text)["cdr_token"]
    to = f"{token['country_code']}*{token['party_id']}"
    await scene.pushed("POST", "cdrs", text, owner=owner_in(path), to=to)


@pytest.mark.parametrize("entry", entries(*PARTS))
async def test_a_part_of_a_location_arrives_as_it_was_written(
    entry: dict[str, Any], scene: Scene
) -> None:
    member, form = PARTS[entry["type"]]
    part = example_text(entry)
    # The index points into a document that has the part as its only member.
    written = (
        part.strip()[1:-1] if entry.get("pointer") else f'"{member}": {form.replace("{}", part)}'
    )
    number = next(scene.ids.numbers)
    location = json.dumps(make_location(f"PART{number}"))
    text = f"{location[:-1]}, {written}}}"
    path = f"locations/NL/CPO/PART{number}"
    await scene.pushed("PUT", path, text, owner=CPO, to=HUB)


@pytest.mark.parametrize("entry", entries("Location", "EVSE", "Connector", partial=True))
async def test_a_patch_of_a_location_arrives_as_it_was_written(
    entry: dict[str, Any], scene: Scene
) -> None:
    number = next(scene.ids.numbers)
    location = make_location(f"PATCH{number}", last_updated=LONG_AGO)
    for evse in location["evses"]:
        evse["last_updated"] = evse["connectors"][0]["last_updated"] = LONG_AGO
    path = f"locations/NL/CPO/{location['id']}"
    await scene.pushed("PUT", path, json.dumps(location), owner=CPO, to=EMSP)
    level = {"Location": "", "EVSE": "/EVSE1", "Connector": "/EVSE1/1"}[entry["type"]]
    text = example_text(entry)
    await scene.pushed("PATCH", path + level, text, owner=CPO, to=EMSP)
    # And what the hub keeps has the fields of the PATCH.
    kept = await scene.cpo_wire.send("GET", f"{RECEIVE}/{path}{level}", sender=CPO, to=EMSP)
    assert kept.codes == (200, 1000), kept.body


@pytest.mark.parametrize("entry", entries("Session", partial=True))
async def test_a_patch_of_a_session_arrives_as_it_was_written(
    entry: dict[str, Any], scene: Scene
) -> None:
    session = make_session(f"PATCH{next(scene.ids.numbers)}", last_updated=LONG_AGO)
    path = f"sessions/NL/CPO/{session['id']}"
    await scene.pushed("PUT", path, json.dumps(session), owner=CPO, to=EMSP)
    await scene.pushed("PATCH", path, example_text(entry), owner=CPO, to=EMSP)


@pytest.mark.parametrize("entry", entries("Token", partial=True))
async def test_a_patch_of_a_token_arrives_as_it_was_written(
    entry: dict[str, Any], scene: Scene
) -> None:
    token = make_token(f"PATCH{next(scene.ids.numbers)}", last_updated=LONG_AGO)
    path = f"tokens/DE/MSP/{token['uid']}"
    for method, text in (("PUT", json.dumps(token)), ("PATCH", example_text(entry))):
        sent = await scene.emsp_wire.send(
            method, f"{RECEIVE}/{path}", text.encode(), sender=EMSP, to=CPO
        )
        taken(sent)
        same(await scene.cpo.gets(method, path), text)


@pytest.mark.parametrize("entry", entries("Response<Token>", "Response<Token[]>"))
async def test_data_of_an_answer_goes_back_as_it_was_written(
    entry: dict[str, Any], scene: Scene
) -> None:
    text = example_text(entry)
    if entry["type"] == "Response<Token[]>":
        scene.emsp.answer("GET", "/take/sender/tokens", text.encode())
        answer = await scene.cpo_wire.send("GET", f"{SEND}/tokens", sender=CPO, to=EMSP)
    else:
        path = "tokens/DE/MSP/ASKED-FOR"
        scene.cpo.answer("GET", f"/take/receiver/{path}", text.encode())
        answer = await scene.emsp_wire.send("GET", f"{RECEIVE}/{path}", sender=EMSP, to=CPO)
    assert answer.codes == (200, 1000), answer.body
    assert value(answer.body)["data"] == value(text)["data"]


@pytest.mark.parametrize("entry", entries("Response<none>"))
async def test_the_code_and_message_of_an_answer_go_back_as_they_were_written(
    entry: dict[str, Any], scene: Scene
) -> None:
    text, path = example_text(entry), "tokens/DE/MSP/REFUSED"
    scene.cpo.answer("GET", f"/take/receiver/{path}", text.encode())
    answer = await scene.emsp_wire.send("GET", f"{RECEIVE}/{path}", sender=EMSP, to=CPO)
    own = {name: field for name, field in value(answer.body).items() if name != "timestamp"}
    assert own == {name: field for name, field in value(text).items() if name != "timestamp"}


@pytest.mark.req("ER-02")
@pytest.mark.parametrize("entry", entries("EVSE", "Tariff", valid=False))
async def test_an_invalid_example_is_refused_and_its_faults_are_named(
    entry: dict[str, Any], scene: Scene
) -> None:
    text = example_text(entry)
    if entry["type"] == "EVSE":
        location = make_location(f"WRONG{next(scene.ids.numbers)}", last_updated=LONG_AGO)
        path = f"locations/NL/CPO/{location['id']}"
        await scene.pushed("PUT", path, json.dumps(location), owner=CPO, to=HUB)
        path, owner = f"{path}/{json.loads(text)['uid']}", CPO
    else:
        text, object_path = scene.ids.own(text)
        path, owner = f"tariffs/{object_path}", owner_in(object_path)
    refused = await scene.push("PUT", path, text, owner=owner, to=HUB)
    assert refused.codes == (200, 2001), refused.body
    faults = [fault.removeprefix("$.") for fault in entry["violations"]]
    wrong = [
        path for path, _, rule in (f.partition(":") for f in faults) if "not defined" not in rule
    ]
    assert any(path in refused.message for path in wrong), (refused.message, wrong)


@pytest.mark.req("ER-01")
@pytest.mark.parametrize("entry", entries("ClientInfo", valid=False))
async def test_an_example_that_is_no_json_is_refused_as_such(
    entry: dict[str, Any], scene: Scene
) -> None:
    # The hub is no RECEIVER of hubclientinfo: the same text in a place where one is read.
    refused = await scene.push(
        "PUT", "tariffs/NL/CPO/BROKEN", example_text(entry), owner=CPO, to=HUB
    )
    assert refused.http == 400
    assert "JSON" in refused.message
