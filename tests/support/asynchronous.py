"""Commands and charging profiles from message to reply: real stores, scripted receivers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ocpi_hub.delivery.answer_url_limit import AnswerUrlLimit
from ocpi_hub.delivery.asynchronous import AsynchronousAnswers
from ocpi_hub.delivery.links import PageLinks
from ocpi_hub.delivery.relay import Relay
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.exchange import OutboundRequest
from ocpi_hub.domain.message import MessageIds, Reply
from ocpi_hub.domain.party import (
    InterfaceRole,
    PartyId,
    Platform,
    Relation,
    RelationMode,
    Role,
)
from ocpi_hub.server.handlers.charging_profiles import ChargingProfilesHandler
from ocpi_hub.server.handlers.commands import CommandsHandler
from ocpi_hub.server.handlers.common import Limits
from ocpi_hub.server.inbound import Inbound
from ocpi_hub.store.addressees import PostgresAddressees
from ocpi_hub.store.answer_url import PostgresAnswerUrlStore
from ocpi_hub.store.database import Database
from tests.support.directory import ManualClock
from tests.support.factories import CPO, EMSP, make_directory, make_message, make_platform
from tests.support.quality import make_quality
from tests.support.scripted import ScriptedClient
from tests.support.stores import value, writing

SECOND_CPO = PartyId("BE", "TWO")
SECOND_EMSP = PartyId("FR", "MSP")
SCSP = PartyId("NL", "SCS")
STRANGER = PartyId("AT", "FAR")
"""An eMSP without relations."""

PUBLIC_URL = "https://hub.example"
RESPONSE_URL = "https://msp.example/ocpi/results?for=17&x=%2Fa"
LIMITS = Limits(json_depth=64, object_bytes=20_000, page=100, page_bytes=1_000_000)
KEEP_S = 3600.0
PER_PLATFORM = 50


@dataclass(slots=True)
class Scene:
    """A hub with one platform for each party.

    Attributes:
        clock: moves only when told.
    """

    client: ScriptedClient
    store: PostgresAnswerUrlStore
    directory: Directory
    platforms: dict[PartyId, Platform]
    handlers: dict[str, Any]
    database: Database
    clock: ManualClock

    async def call(
        self,
        module: str,
        method: str,
        path: str,
        *,
        by: PartyId,
        to: PartyId | None,
        role: InterfaceRole = InterfaceRole.RECEIVER,
        body: Any = None,
        query: str = "",
        correlation_id: str = "correlation-1",
    ) -> Reply:
        message = make_message(
            self.platforms[by],
            by,
            to=to,
            module=module,
            interface_role=role,
            method=method,
            path=tuple(unquote(part) for part in path.split("/") if part),
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            body=body if isinstance(body, bytes) else b"" if body is None else _encoded(body),
        )
        message = replace(message, raw_query=query, ids=MessageIds("request-1", correlation_id))
        reply = await self.handlers[module](Inbound(message, self.directory, 0.0))
        assert isinstance(reply, Reply)
        return reply

    async def command(
        self, name: str, body: Any, *, by: PartyId = EMSP, to: PartyId | None = CPO
    ) -> Reply:
        return await self.call("commands", "POST", name, by=by, to=to, body=body)

    async def profile(
        self,
        method: str,
        *,
        by: PartyId = EMSP,
        to: PartyId | None = CPO,
        session: str = "S1",
        **rest: Any,
    ) -> Reply:
        if method != "PUT":
            asked = {"duration": "900"} if method == "GET" else {}
            rest.setdefault("query", urlencode({**asked, "response_url": RESPONSE_URL}))
        return await self.call("chargingprofiles", method, session, by=by, to=to, **rest)

    async def result(self, url: str, body: Any, *, by: PartyId = CPO, **rest: Any) -> Reply:
        """POST to a URL that the hub handed out; TO absent unless told otherwise."""
        path = urlsplit(url).path.removeprefix("/ocpi/2.2.1/sender/")
        module, _, rest_of_path = path.partition("/")
        wanted = {"to": None, "role": InterfaceRole.SENDER, **rest}
        return await self.call(module, "POST", rest_of_path, by=by, body=body, **wanted)

    @property
    def sent(self) -> OutboundRequest:
        """The request that left last."""
        return self.client.requests[-1]

    @property
    def handed_out(self) -> str:
        """The `response_url` of the request that left last."""
        if self.sent.body:
            return str(json.loads(self.sent.body)["response_url"])
        return dict(parse_qsl(urlsplit(self.sent.url).query))["response_url"]

    async def kept(self) -> int:
        """How many mappings there are."""
        return int(await value(self.database, "select count(*) from answer_url"))


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


async def hold_session(scene: Scene, owner: PartyId, receiver: PartyId) -> None:
    """A Session S1 of `owner` that went to `receiver`."""
    async with scene.database.connection() as connection:
        await connection.execute(
            "insert into directed_object (module, country_code, party_id, object_id,"
            " receiver_country_code, receiver_party_id, body, fingerprint, last_updated,"
            " correlation_id, state) values ('sessions', $1, $2, 'S1', $3, $4, '{}', '', now(),"
            " 'c', 'pending')",
            owner.country_code,
            owner.party_id,
            receiver.country_code,
            receiver.party_id,
        )


@asynccontextmanager
async def asynchronous_scene(database: Database) -> AsyncIterator[Scene]:
    parties = {
        CPO: Role.CPO,
        SECOND_CPO: Role.CPO,
        EMSP: Role.EMSP,
        SECOND_EMSP: Role.EMSP,
        SCSP: Role.SCSP,
        STRANGER: Role.EMSP,
    }
    platforms = {party: make_platform((party, role)) for party, role in parties.items()}
    directory = make_directory(
        *platforms.values(),
        relations=[Relation(cpo, STRANGER, RelationMode.NONE) for cpo in (CPO, SECOND_CPO)],
    )
    client, clock = ScriptedClient(), ManualClock()
    relay = Relay(client, PageLinks(PUBLIC_URL, lambda text: "5ea1", clock, days=7), timeout_s=30.0)
    store = PostgresAnswerUrlStore(
        database,
        keep=timedelta(seconds=KEEP_S),
        longest=timedelta(days=30),
        batch_rows=100,
        batch_queue_rows=1000,
    )
    answers = AsynchronousAnswers(
        store,
        relay,
        UrlPolicy(allow_http=False, allow_networks=()),
        clock,
        public_url=PUBLIC_URL,
        keep_s=KEEP_S,
        limit=AnswerUrlLimit(store, clock, per_platform=PER_PLATFORM),
    )
    addressees, quality = PostgresAddressees(database), make_quality()
    handlers = {
        "commands": CommandsHandler(answers, addressees, LIMITS, quality),
        "chargingprofiles": ChargingProfilesHandler(answers, addressees, relay, LIMITS, quality),
    }
    async with writing(store.writes):
        yield Scene(client, store, directory, platforms, handlers, database, clock)
