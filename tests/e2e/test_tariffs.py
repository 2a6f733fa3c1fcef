"""Tariffs through the running hub: pushed, listed, deleted, and told to everybody related."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.hub import Roaming
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of
from tests.support.waiting import eventually
from tests.support.wire import Answer, Wire
from tests.unit.ocpi.factories import make_connector, make_evse, make_location, make_tariff

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "/2.2.1/receiver/tariffs/NL/CPO"
LIST = "/2.2.1/sender/tariffs"

_numbers = itertools.count(1)


class Reader:
    """An eMSP FR*MSP that takes Tariffs, and what it was sent."""

    def __init__(self, partner: ScriptedPartner, wire: Wire) -> None:
        self.partner = partner
        self.wire = wire

    def takes(self, tariff_id: str, http: int = 200, code: int = 1000) -> None:
        """Have it answer pushes about a Tariff like this."""

        async def respond(_: web.Request) -> web.StreamResponse:
            return web.Response(status=http, body=envelope(None, code))

        for method in ("PUT", "DELETE"):
            self.partner.on(method, f"/tariffs/NL/CPO/{tariff_id}", respond)

    def got(self, tariff_id: str) -> list[str]:
        """Methods of the pushes about a Tariff, in order."""
        path = f"/tariffs/NL/CPO/{tariff_id}"
        return [each.method for each in self.partner.received if each.path == path]

    async def gets(self, tariff_id: str, *methods: str) -> None:
        """Wait for exactly these pushes."""

        async def complete() -> bool:
            return len(self.got(tariff_id)) >= len(methods)

        await eventually(complete, f"{tariff_id}: {methods}")
        assert self.got(tariff_id) == list(methods)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader(roam: Roaming) -> AsyncIterator[Reader]:
    async with ScriptedPartner(role_of("FR*MSP", "EMSP")) as partner:
        partner.endpoints.append(("tariffs", "RECEIVER", f"{partner.base_url}/tariffs"))
        invited = await roam.hub.run("platform", "invite", "--name", "reader")
        async with Wire(roam.hub, invited["token"]) as before:
            answer = await before.send("POST", "/2.2.1/credentials", partner.credentials())
        async with Wire(roam.hub, answer.data["token"]) as wire:
            yield Reader(partner, wire)


@pytest.fixture
def name(reader: Reader) -> str:
    """The id of a Tariff that no other test uses, and that FR*MSP takes."""
    tariff_id = f"T{next(_numbers)}"
    reader.takes(tariff_id)
    return tariff_id


async def put(wire: Wire, name: str, to: str | None = None, **fields: Any) -> Answer:
    return await wire.send("PUT", f"{OWN}/{name}", make_tariff(id=name, **fields), to=to)


async def delete(wire: Wire, name: str, to: str | None = None) -> Answer:
    return await wire.send("DELETE", f"{OWN}/{name}", to=to)


async def listed(wire: Wire) -> set[str]:
    """Ids on the hub's list."""
    answer = await wire.send("GET", f"{LIST}?limit=1000", to="EU*HUB")
    return {tariff["id"] for tariff in answer.data}


@pytest.mark.req("TA-01", "RT-25")
async def test_a_tariff_is_stored_listed_shown_and_pushed(
    cpo: Wire, emsp: Wire, reader: Reader, name: str
) -> None:
    assert (await put(cpo, name)).codes == (201, 1000)
    assert (await put(cpo, name, last_updated="2026-01-02T00:00:00Z")).codes == (200, 1000)
    assert name in await listed(emsp)
    shown = await cpo.send("GET", f"{OWN}/{name}")
    assert shown.data["last_updated"] == "2026-01-02T00:00:00Z"
    assert (await cpo.send("GET", f"{OWN}/NONE")).codes == (404, 2000)

    async def told() -> bool:
        return bool(reader.got(name))

    await eventually(told, "FR*MSP is told")
    assert set(reader.got(name)) == {"PUT"}


@pytest.mark.req("TA-01")
@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", f"{OWN}/T0"), ("POST", OWN), ("PUT", LIST), ("DELETE", LIST)]
)
async def test_what_the_module_does_not_define_is_405(cpo: Wire, method: str, path: str) -> None:
    assert (await cpo.send(method, path, {"id": "T0"})).codes == (405, 2000)


@pytest.mark.req("RT-05")
async def test_an_emsp_pushes_no_tariffs_and_a_cpo_lists_none(cpo: Wire, emsp: Wire) -> None:
    own = "/2.2.1/receiver/tariffs/DE/MSP/T0"
    assert (await emsp.send("PUT", own, make_tariff())).codes == (403, 2001)
    assert (await cpo.send("GET", LIST, to="EU*HUB")).codes == (403, 2001)
    assert (await emsp.send("GET", f"{LIST}/T0", to="EU*HUB")).codes == (404, 2000)


@pytest.mark.req("TA-04", "TF-26")
@pytest.mark.parametrize(
    "fields", [{"id": "OTHER"}, {"party_id": "XXX"}, {"elements": []}, {"currency": None}]
)
async def test_what_is_no_such_tariff_is_2001(cpo: Wire, name: str, fields: dict[str, Any]) -> None:
    wrong = make_tariff(id=name) | fields
    assert (await cpo.send("PUT", f"{OWN}/{name}", wrong)).codes == (200, 2001)


@pytest.mark.req("TA-02")
async def test_a_deleted_tariff_is_gone_everywhere_until_it_is_put_again(
    cpo: Wire, emsp: Wire, reader: Reader, name: str
) -> None:
    await put(cpo, name)
    await reader.gets(name, "PUT")
    assert (await delete(cpo, name)).codes == (200, 1000)
    await reader.gets(name, "PUT", "DELETE")
    assert name not in await listed(emsp)
    assert (await cpo.send("GET", f"{OWN}/{name}")).codes == (404, 2000)
    assert (await delete(cpo, name)).codes == (404, 2000)
    stale = await put(cpo, name, last_updated="2020-01-01T00:00:00Z")
    assert (stale.codes, name in await listed(emsp)) == ((200, 1000), False)
    assert (await put(cpo, name)).codes == (201, 1000)
    await reader.gets(name, "PUT", "DELETE", "PUT")
    assert name in await listed(emsp)


@pytest.mark.req("TA-03")
async def test_a_tariff_that_connectors_still_name_can_be_deleted(cpo: Wire, name: str) -> None:
    await put(cpo, name)
    evse = make_evse(connectors=[make_connector(tariff_ids=[name])])
    location = make_location(id=f"L-{name}", evses=[evse])
    path = f"/2.2.1/receiver/locations/NL/CPO/L-{name}"
    assert (await cpo.send("PUT", path, location)).codes == (201, 1000)
    assert (await delete(cpo, name)).codes == (200, 1000)


@pytest.mark.req("TA-09", "TA-18", "TF-38")
async def test_a_tariff_is_passed_on_byte_for_byte(
    cpo: Wire, emsp: Wire, reader: Reader, name: str
) -> None:
    text = (
        f'{{ "id":"{name}","country_code":"NL","party_id":"CPO", "currency":"EUR","x":1.10,\n'
        '"elements":[{"price_components":[{"type":"TIME","price":2.50,"step_size":300}]},'
        '{"price_components":[{"type":"ENERGY","price":0.2500,"vat":21.0,"step_size":1}]}],'
        '"last_updated":"2026-01-01T00:00:00.5Z"}'
    )
    assert (await cpo.send("PUT", f"{OWN}/{name}", text.encode())).codes == (201, 1000)
    assert text in (await emsp.send("GET", f"{LIST}?limit=1000", to="EU*HUB")).body.decode()
    await reader.gets(name, "PUT")
    path = f"/tariffs/NL/CPO/{name}"
    assert [each.body for each in reader.partner.received if each.path == path] == [text.encode()]


@pytest.mark.req("TA-02")
async def test_a_receiver_that_lacks_the_tariff_has_deleted_it(
    roam: Roaming, cpo: Wire, reader: Reader, name: str
) -> None:
    await put(cpo, name)
    await reader.gets(name, "PUT")
    reader.takes(name, http=404, code=2000)
    await delete(cpo, name)
    await reader.gets(name, "PUT", "DELETE")
    follow = f"{name}-NEXT"
    reader.takes(follow)
    await put(cpo, follow)
    await reader.gets(follow, "PUT")
    async with roam.database.connection() as connection:
        query = "select count(*) from lane_gap where object_id = $1"
        assert await connection.fetchval(query, name) == 0


@pytest.mark.req("RT-07")
async def test_a_tariff_for_one_emsp_is_relayed_with_its_verdict_and_listed_to_it_alone(
    cpo: Wire, emsp: Wire, reader: Reader, name: str
) -> None:
    assert (await put(cpo, name, to="FR*MSP")).codes == (200, 1000)
    assert reader.got(name) == ["PUT"]
    assert name in await listed(reader.wire)
    assert name not in await listed(emsp)
    assert (await delete(cpo, name, to="FR*MSP")).codes == (200, 1000)
    assert reader.got(name) == ["PUT", "DELETE"]
    assert name not in await listed(reader.wire)
    reader.takes(name, http=404, code=2000)
    assert (await delete(cpo, name, to="FR*MSP")).codes == (404, 2000)
    assert reader.got(name) == ["PUT", "DELETE", "DELETE"], "it may hold what the hub lacks"
