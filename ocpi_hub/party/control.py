"""The control side: plain JSON on a port of its own, for whoever plays with the platform.

It shows credentials in clear and changes everything on request. That is fit for a test peer only,
so it listens on loopback and nowhere else. A browser of the same machine reaches that too, with the
pages of anybody in it: what comes from a page, or for another host's name, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ocpi_hub.errors import HubError, OcpiError
from ocpi_hub.ocpi.envelope import dump
from ocpi_hub.party.charge_control import ChargeControl
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.credentials import CredentialsStore
from ocpi_hub.party.faults import Fault, FaultTable
from ocpi_hub.party.handshake import Handshake
from ocpi_hub.party.holdings import Holdings
from ocpi_hub.party.later_control import LaterControl
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.lists import ListControl
from ocpi_hub.party.modules import Decision, Modules
from ocpi_hub.party.outbox import Outbox, SendRequest
from ocpi_hub.party.rawjson import array_items
from ocpi_hub.party.record import Record

HOST = "127.0.0.1"
_HOSTS = frozenset({HOST, "localhost", "[::1]"})
MAX_BODY_BYTES = 256 * 1024 * 1024
"""Room for loading a token table of a million entries."""

T = TypeVar("T")


class _Registration(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    versions_url: str
    token: str


class _Many(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: tuple[SendRequest, ...]
    concurrency: int = Field(16, ge=1, le=1000)


class _RecordQuery(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    module: str | None = None
    direction: str | None = None
    since: int = Field(0, ge=0)
    wait_s: float = Field(0.0, ge=0, le=60)


@dataclass(frozen=True, slots=True)
class ControlServer:
    """One handler for each thing that can be asked of the platform."""

    config: PartyConfig
    listener: Listener
    credentials: CredentialsStore
    handshake: Handshake
    held: Holdings
    modules: Modules
    outbox: Outbox
    record: Record
    faults: FaultTable
    lists: ListControl
    later: LaterControl
    charges: ChargeControl

    def runner(self) -> web.AppRunner:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors_as_json])
        app.add_routes(
            [
                web.get("/status", self._status),
                web.get("/record", self._get_record),
                web.delete("/record", self._clear_record),
                web.get("/fault", self._get_faults),
                web.post("/fault", self._add_fault),
                web.delete("/fault", self._clear_faults),
                web.get("/tokens", self._get_tokens),
                web.post("/tokens", self._load_tokens),
                web.post("/decisions", self._decide),
                web.get("/locations", self._get_locations),
                web.post("/locations", self._load_locations),
                web.get("/tariffs", self._get_tariffs),
                web.post("/tariffs", self._load_tariffs),
                web.get("/sessions", self._get_sessions),
                web.post("/sessions", self._load_sessions),
                web.get("/cdrs", self._get_cdrs),
                web.post("/cdrs", self._load_cdrs),
                web.post("/send", self._send),
                web.post("/send_many", self._send_many),
                web.post("/invite", self._invite),
                web.post("/register", self._register),
                web.post("/rotate", self._rotate),
                web.post("/unregister", self._unregister),
                web.get("/credentials", self._get_credentials),
                *self.lists.routes(),
                *self.later.routes(),
                *self.charges.routes(),
            ]
        )
        return web.AppRunner(app, access_log=None, shutdown_timeout=0.5)

    async def _status(self, _request: web.Request) -> web.Response:
        return _answer(
            {
                "versions_url": self.listener.versions_url,
                "parties": [
                    {"party": str(party.party), "role": party.role.value, "name": party.name}
                    for party in self.config.parties
                ],
                "registered": self.credentials.peer is not None,
                "refusing": self.faults.refusing,
                "record_next": self.record.next,
            }
        )

    async def _get_record(self, request: web.Request) -> web.Response:
        """`wait_s` waits that long for something newer than `since`."""
        query = _RecordQuery.model_validate(dict(request.query))
        if query.wait_s:
            await self.record.wait_for_more(query.since, query.wait_s)
        items = self.record.items(module=query.module, direction=query.direction, since=query.since)
        return _answer({"items": [item.as_json() for item in items], "next": self.record.next})

    async def _clear_record(self, _request: web.Request) -> web.Response:
        self.record.clear()
        return _answer({"next": self.record.next})

    async def _get_faults(self, _request: web.Request) -> web.Response:
        return _answer({"items": self.faults.as_json()})

    async def _add_fault(self, request: web.Request) -> web.Response:
        await self.faults.add(Fault.model_validate_json(await request.read()))
        return _answer({"items": self.faults.as_json()})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        await self.faults.clear()
        return _answer({"items": []})

    async def _get_tokens(self, _request: web.Request) -> web.Response:
        return _answer({"issued": list(self.held.issued), "cached": list(self.held.cached)})

    async def _load_tokens(self, request: web.Request) -> web.Response:
        tokens = _parse(list[dict[str, Any]], await request.read())
        for token in tokens:
            self.held.load_token(token)
        return _answer({"loaded": len(tokens), "held": len(self.held.issued)})

    async def _decide(self, request: web.Request) -> web.Response:
        decisions = _parse(list[Decision], await request.read())
        for decision in decisions:
            self.modules.decide(decision)
        return _answer({"decided": len(decisions)})

    async def _get_locations(self, _request: web.Request) -> web.Response:
        return _own_and_cached(self.held.locations, self.held.cached_locations)

    async def _load_locations(self, request: web.Request) -> web.Response:
        items = array_items((await request.read()).decode())
        for _, text in items:
            self.held.load_location(text)
        return _answer({"loaded": len(items), "held": len(self.held.locations)})

    async def _get_tariffs(self, _request: web.Request) -> web.Response:
        return _own_and_cached(self.held.tariffs, self.held.cached_tariffs)

    async def _load_tariffs(self, request: web.Request) -> web.Response:
        items = array_items((await request.read()).decode())
        for _, text in items:
            self.held.load_tariff(text)
        return _answer({"loaded": len(items)})

    async def _get_sessions(self, _request: web.Request) -> web.Response:
        return _own_and_cached(self.held.sessions, self.held.cached_sessions)

    async def _load_sessions(self, request: web.Request) -> web.Response:
        items = array_items((await request.read()).decode())
        for _, text in items:
            self.held.load_session(text)
        return _answer({"loaded": len(items)})

    async def _get_cdrs(self, _request: web.Request) -> web.Response:
        return _answer({"received": [cdr.as_json() for cdr in self.held.cdrs.received()]})

    async def _load_cdrs(self, request: web.Request) -> web.Response:
        items = array_items((await request.read()).decode())
        for _, text in items:
            self.held.load_cdr(text)
        return _answer({"loaded": len(items)})

    async def _send(self, request: web.Request) -> web.Response:
        result = await self.outbox.send(SendRequest.model_validate_json(await request.read()))
        return _answer(result.as_json())

    async def _send_many(self, request: web.Request) -> web.Response:
        many = _Many.model_validate_json(await request.read())
        results = await self.outbox.send_many(many.requests, many.concurrency)
        return _answer({"results": [result.as_json() for result in results]})

    async def _invite(self, _request: web.Request) -> web.Response:
        token = self.credentials.invite()
        return _answer({"versions_url": self.listener.versions_url, "token": token})

    async def _register(self, request: web.Request) -> web.Response:
        wanted = _Registration.model_validate_json(await request.read())
        await self.handshake.register(wanted.versions_url, wanted.token)
        return _answer(self.credentials.as_json())

    async def _rotate(self, _request: web.Request) -> web.Response:
        await self.handshake.rotate()
        return _answer(self.credentials.as_json())

    async def _unregister(self, _request: web.Request) -> web.Response:
        await self.handshake.unregister()
        return _answer(self.credentials.as_json())

    async def _get_credentials(self, _request: web.Request) -> web.Response:
        return _answer(self.credentials.as_json())


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    if _is_of_page(request):
        return _answer({"error": "the control side is not for web pages"}, status=403)
    try:
        return await handler(request)
    except (ValueError, OcpiError) as error:  # what was asked makes no sense
        return _answer({"error": str(error)}, status=400)
    except HubError as error:  # it made sense, but did not work
        return _answer({"error": str(error)}, status=409)


def _is_of_page(request: web.Request) -> bool:
    """Whether a web page asks, or a browser that was led here by another name of this address."""
    host = re.sub(r":\d*$", "", request.headers.get("Host", "")).lower()
    site = request.headers.get("Sec-Fetch-Site", "none")
    return host not in _HOSTS or site != "none" or "Origin" in request.headers


def _answer(value: object, status: int = 200) -> web.Response:
    return web.Response(body=dump(value), status=status, content_type="application/json")


def _own_and_cached(own: Iterable[str], cached: Iterable[str]) -> web.Response:
    """Objects as they are held, every number as it was written."""
    text = f'{{"own":[{",".join(own)}],"cached":[{",".join(cached)}]}}'
    return web.Response(text=text, content_type="application/json")


def _parse(wanted: type[T], body: bytes) -> T:
    return TypeAdapter(wanted).validate_json(body)
