"""A custom module between two partners, and another hub as a platform: over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web

from ocpi_hub.assembly import OFFERED
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.domain.message_record import Direction, MessageFilter, MessageRecord
from ocpi_hub.registration.onboarding import Onboarding
from ocpi_hub.store.database import Database
from ocpi_hub.store.messages import PostgresMessages
from ocpi_hub.store.platform_admin import PlatformAdmin
from ocpi_hub.store.registration import PostgresRegistrationStore
from ocpi_hub.store.secret_key import Keyring
from tests.support.factories import token
from tests.support.hub import HubProcess
from tests.support.postgres import PostgresServer, make_settings
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of
from tests.support.waiting import eventually
from tests.support.wire import Answer, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODULE = "nltnm-meters"
PRIVATE = "private-value-4711"


@dataclass(frozen=True, slots=True)
class Leg:
    """A request as a partner got it, its path as it stood in the request line."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def routing(self) -> tuple[str, str]:
        """TO and FROM."""
        to, sender = (
            f"{self.headers[f'ocpi-{end}-country-code']}*{self.headers[f'ocpi-{end}-party-id']}"
            for end in ("to", "from")
        )
        return to, sender


class Partner(ScriptedPartner):
    """Answers whatever comes below `/functional` as it was told, and keeps it."""

    def __init__(self, *roles: dict[str, Any]) -> None:
        super().__init__(*roles)
        self.legs: list[Leg] = []
        self.status = 200
        self.reply = envelope({"done": True})

    def _usual(self, request: web.Request) -> web.Response:
        if not request.path.startswith("/functional"):
            return super()._usual(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.legs.append(Leg(request.method, request.raw_path, headers, self.received[-1].body))
        return web.Response(status=self.status, body=self.reply, content_type="application/json")

    def announce(self, module: str, *roles: str) -> None:
        for role in roles:
            url = f"{self.base_url}/functional/{role.lower()}/{module}"
            self.endpoints.append((module, role, url))


@dataclass(frozen=True, slots=True)
class Joined:
    """A partner on board.

    Attributes:
        before: the identifiers that it read in the hub's details with its invitation.
    """

    partner: Partner
    wire: Wire
    before: frozenset[str]

    async def offered(self) -> frozenset[str]:
        """The identifiers in the hub's version details, as this partner sees them."""
        return _identifiers(await self.wire.send("GET", "/2.2.1"))

    async def call(
        self, method: str, tail: str, body: bytes | None = None, **arguments: Any
    ) -> Answer:
        """A message of the custom module, its path byte for byte."""
        self.partner.legs.clear()
        return await self.wire.send(method, f"/2.2.1/receiver/{MODULE}{tail}", body, **arguments)


def _identifiers(details: Answer) -> frozenset[str]:
    assert details.codes == (200, 1000)
    return frozenset(each["identifier"] for each in details.data["endpoints"])


@dataclass(frozen=True, slots=True)
class Scene:
    """A CPO and an eMSP that use a custom module, an eMSP that does not, and another hub."""

    cpo: Joined
    emsp: Joined
    stranger: Joined
    peer: Joined
    messages: PostgresMessages

    async def records(self, correlation_id: str) -> Sequence[MessageRecord]:
        """Both legs of a message, once they are there."""
        wanted = MessageFilter(correlation_id=correlation_id)
        found: Sequence[MessageRecord] = ()

        async def there() -> bool:
            nonlocal found
            found = (await self.messages.page(10, wanted)).items
            return len(found) == 2

        await eventually(there, "both legs are recorded")
        return found


class Operator:
    """What an operator does, without the detour over commands."""

    def __init__(self, hub: HubProcess, database: Database, client: HttpClient) -> None:
        self._onboarding = Onboarding(
            PostgresRegistrationStore(database, Keyring(b"k" * 32)),
            client,
            UrlPolicy(allow_http=True, allow_networks=()),
            make_settings(),
            public_url=hub.url,
            offered=OFFERED,
        )
        self._admin = PlatformAdmin(database, overlap=timedelta())

    async def invite(self, *custom_modules: str) -> str:
        """An invitation's token, for a platform that these modules are agreed on with."""
        invited = await self._onboarding.invitations.invite("A partner")
        await self._admin.configure(invited.platform_id, add_custom_modules=custom_modules)
        return invited.token


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    settings = {"message_bodies": "true", "max_body_bytes": "100000"}
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(HubProcess(address, log, settings=settings))
        client = await stack.enter_async_context(HttpClient(make_settings(), clock=SystemClock()))
        database = await hub.open_database()
        stack.push_async_callback(database.close)

        async def join(*roles: dict[str, Any], custom: str = "", standard: str = "") -> Joined:
            partner = await stack.enter_async_context(Partner(*roles))
            partner.token = f"token-of-{roles[0]['country_code']}"
            partner.announce(MODULE, *custom.split())
            for module in standard.split():
                partner.announce(module, "RECEIVER")
            invitation = await operator.invite(*([MODULE] if custom else []))
            wire = await stack.enter_async_context(Wire(hub, invitation))
            return await _registered(hub, stack, partner, wire, reads=bool(custom))

        operator = Operator(hub, database, client)
        cpo, emsp, stranger, peer = await asyncio.gather(
            join(role_of("NL*CPO", "CPO"), custom="SENDER"),
            join(role_of("DE*MSP", "EMSP"), custom="SENDER RECEIVER"),
            join(role_of("FR*MS2", "EMSP")),
            join(
                role_of("BE*HUB", "HUB"),
                role_of("BE*CPO", "CPO"),
                role_of("BE*MSP", "EMSP"),
                standard="tokens",
            ),
        )
        yield Scene(cpo, emsp, stranger, peer, PostgresMessages(database))
    await postgres_server.drop_database(address)


async def _registered(
    hub: HubProcess, stack: AsyncExitStack, partner: Partner, before: Wire, *, reads: bool
) -> Joined:
    """Register by an invitation.

    Args:
        reads: wait until the hub lists the custom module: it was agreed on a moment ago.
    """
    read: frozenset[str] = frozenset()

    async def listed() -> bool:
        nonlocal read
        read = _identifiers(await before.send("GET", "/2.2.1"))
        return MODULE in read or not reads

    await eventually(listed, "the custom module is listed")
    answer = await before.send("POST", "/2.2.1/credentials", partner.credentials())
    assert answer.codes == (200, 1000), answer
    wire = await stack.enter_async_context(Wire(hub, answer.data["token"]))
    return Joined(partner, wire, read)


@pytest.mark.req("VE-11", "VE-12")
async def test_a_custom_module_is_listed_for_those_who_agreed_on_it_alone(scene: Scene) -> None:
    for joined in (scene.cpo, scene.emsp):
        assert MODULE in joined.before, "it can be read before the registration"
        assert MODULE in await joined.offered()
    for joined in (scene.stranger, scene.peer):
        assert MODULE not in joined.before | await joined.offered()


@pytest.mark.req("VE-12", "RT-06", "RT-07", "RT-08", "RT-10", "TF-30", "TF-31", "TF-39")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_message_of_a_custom_module_goes_through_untouched(
    scene: Scene, method: str
) -> None:
    tail = f"/a%2Fb/{PRIVATE}/c%23d/Z%C3%BCrich%252F?q={PRIVATE}&q=%2F+x&flag"
    body = None if method == "GET" else f'{{ "v":  1.10e0, "x": "{PRIVATE}" }}'.encode()
    scene.emsp.partner.legs.clear()
    scene.emsp.partner.status, scene.emsp.partner.reply = 201, envelope({"p": PRIVATE}, 1901)
    correlation = ("X-Correlation-ID", f"custom-{method}")
    answer = await scene.cpo.call(method, tail, body, to="DE*MSP", headers=[correlation])
    assert (answer.http, answer.body) == (201, scene.emsp.partner.reply)
    assert answer.routing() == ("NL*CPO", "DE*MSP")
    [leg] = scene.emsp.partner.legs
    assert leg.target == f"/functional/receiver/{MODULE}{tail}"
    assert (leg.method, leg.body) == (method, body or b"")
    assert leg.routing == ("DE*MSP", "NL*CPO")
    assert leg.headers["x-correlation-id"] == correlation[1]
    assert leg.headers["x-request-id"] != answer.headers["x-request-id"]
    assert leg.headers["authorization"] != scene.cpo.wire.authorization
    records = await scene.records(correlation[1])
    assert {record.direction for record in records} == {Direction.IN, Direction.OUT}
    for record in records:
        assert (record.module, record.http, record.ocpi) == (MODULE, 201, 1901)
        assert record.path.partition("~")[0].endswith(f"/receiver/{MODULE}/")
        assert record.request_body is None
        assert record.response_body is None
        assert PRIVATE not in str(record)


@pytest.mark.req("VE-12", "RT-12", "RT-15")
async def test_who_did_not_agree_neither_sends_nor_gets_it(scene: Scene) -> None:
    answers = {
        (await scene.stranger.call("POST", "/1", b"{}", to="NL*CPO")).codes,
        (await scene.stranger.call("OPTIONS", "/1", to="NL*CPO")).codes,
    }
    assert answers == {(404, 2000)}
    assert (await scene.emsp.call("POST", "/1", b"{}", to="NL*CPO")).codes == (200, 4000)
    assert (await scene.cpo.call("POST", "/1", b"{}", to="FR*MS2")).codes == (200, 4000)
    assert (await scene.cpo.call("POST", "/1", b"{}")).codes == (200, 4001)
    assert (await scene.cpo.call("PUT", "/1", b"{}", to="EU*HUB")).codes == (200, 4001)
    refused = await scene.cpo.call("OPTIONS", "/1", to="DE*MSP")
    assert refused.codes == (405, 2000)
    assert refused.headers["allow"] == "DELETE, GET, PATCH, POST, PUT"
    assert not scene.stranger.partner.legs


@pytest.mark.req("ER-01")
async def test_custom_bodies_have_the_limits_of_all_bodies(scene: Scene) -> None:
    scene.emsp.partner.legs.clear()
    large = b'"' + b"x" * 100_000 + b'"'
    assert (await scene.cpo.call("POST", "/1", large, to="DE*MSP")).codes == (413, 2001)
    assert (await scene.cpo.call("DELETE", "/1", large, to="DE*MSP")).codes == (413, 2001)
    assert (await scene.cpo.call("POST", "/1", b"<x/>", to="DE*MSP")).codes == (400, 2001)
    assert not scene.emsp.partner.legs


@pytest.mark.parametrize(
    "tail",
    [b"/../credentials", b"/%2e%2e/credentials", b"/..%2f..%2fcredentials", b"/a%0d%0aX:%20y"],
)
async def test_no_path_of_a_custom_module_leads_elsewhere(scene: Scene, tail: bytes) -> None:
    scene.emsp.partner.legs.clear()
    received = len(scene.emsp.partner.received)
    head = (
        b"DELETE /ocpi/2.2.1/receiver/" + MODULE.encode() + tail + b" HTTP/1.1\r\nHost: hub\r\n"
        b"%AUTH%\r\nOCPI-to-country-code: DE\r\nOCPI-to-party-id: MSP\r\n"
        b"Connection: close\r\n\r\n"
    )
    [answer] = await scene.cpo.wire.raw(head)
    assert answer.codes == (200, 2001)
    assert len(scene.emsp.partner.received) == received


# Two hubs in a row --------------------------------------------------------------------------------


@pytest.mark.req("RT-43", "RT-06", "RT-10")
async def test_two_hubs_in_a_row_leave_to_and_from_alone(scene: Scene) -> None:
    peer = scene.peer.partner
    peer.legs.clear()
    body = json.dumps(token("ROW-1")).encode()
    path = "/2.2.1/receiver/tokens/DE/MSP/ROW-1"
    answer = await scene.emsp.wire.send("PUT", path, body, to="BE*CPO")
    assert answer.codes == (200, 1000)
    assert answer.routing() == ("DE*MSP", "BE*CPO")
    [leg] = peer.legs
    assert leg.routing == ("BE*CPO", "DE*MSP")
    assert urlsplit(leg.target).path.endswith("/tokens/DE/MSP/ROW-1")
    assert leg.body == body


@pytest.mark.req("RT-43")
async def test_loops_between_two_hubs_are_refused(scene: Scene) -> None:
    peer = scene.peer
    peer.partner.legs.clear()
    body = json.dumps(token("LOOP-1")).encode()
    path = "/2.2.1/receiver/tokens/DE/MSP/LOOP-1"
    # What the other hub got from here comes back.
    looped = await peer.wire.send("PUT", path, body, to="BE*CPO", sender="DE*MSP")
    assert looped.codes == (200, 4000)
    assert "loop" in looped.message
    # A message between two parties behind it is not for this hub.
    path = "/2.2.1/receiver/tokens/BE/MSP/LOOP-1"
    body = json.dumps(token("LOOP-1", country_code="BE")).encode()
    back = await peer.wire.send("PUT", path, body, to="BE*CPO", sender="BE*MSP")
    assert back.codes == (200, 4000)
    assert "nothing goes back" in back.message
    # An authorization neither: the token's eMSP is behind the same hub as the CPO.
    authorize = "/2.2.1/sender/tokens/LOOP-1/authorize"
    asked = await peer.wire.send("POST", authorize, to="BE*MSP", sender="BE*CPO")
    assert asked.codes == (200, 4003)
    assert not peer.partner.legs
