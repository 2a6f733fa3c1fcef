"""The OCPI side: admits requests, lets faults interfere, answers, records."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from ocpi_hub.clock import Clock
from ocpi_hub.errors import (
    BodyTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    OcpiError,
    ServerFault,
    Unauthenticated,
)
from ocpi_hub.ocpi import headers as ocpi_headers
from ocpi_hub.ocpi.envelope import envelope, parse_envelope, timestamp
from ocpi_hub.party.config import VERSION, PartyConfig
from ocpi_hub.party.credentials import Access, CredentialsStore
from ocpi_hub.party.exchange import Answer, Inbound, failure, interface_of, success_value
from ocpi_hub.party.faults import Disturbance, Fault, FaultTable
from ocpi_hub.party.handshake import Handshake
from ocpi_hub.party.listener import Listener
from ocpi_hub.party.modules import Modules
from ocpi_hub.party.record import Record, RecordItem, body_text, headers_of_interest

log = logging.getLogger(__name__)

GARBAGE = b"<!doctype html><title>It works</title><p>This is not OCPI.</p>"
_CHUNK = b"x" * 65_536
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class OcpiServer:
    """Answers whatever arrives at the OCPI address."""

    config: PartyConfig
    clock: Clock
    credentials: CredentialsStore
    handshake: Handshake
    modules: Modules
    record: Record
    faults: FaultTable
    address: Listener

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, from its arrival to its answer or its planned lack of one."""
        began = time.perf_counter()
        body = await self._body(request)
        inbound = _inbound(request, body or b"")
        disturbance = self.faults.take(inbound)
        fault = disturbance.decisive
        if disturbance.delay_before_s:
            await self.clock.sleep(disturbance.delay_before_s)
        answer: Answer | None = None
        if fault is None or fault.processes:
            answer = await self._answer(inbound, complete=body is not None)
        if disturbance.delay_after_s:
            await self.clock.sleep(disturbance.delay_after_s)
        shown = answer if fault is None else _instead(fault)
        self._keep(inbound, answer, shown, disturbance, began)
        if shown is None:
            return await self._without_answer(request, fault or Fault())
        headers = dict(shown.headers)
        if shown.code is not None:
            headers = {**_JSON, **headers, **self._ocpi_headers(inbound)}
        return web.Response(
            status=shown.http_status, body=shown.body, headers=_altered(headers, disturbance)
        )

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        """The body; None when it is larger than this platform reads."""
        body = bytearray()
        async for chunk in request.content.iter_chunked(65_536):
            body += chunk
            if len(body) > self.config.max_body_bytes:
                return None
        return bytes(body)

    async def _answer(self, request: Inbound, *, complete: bool) -> Answer:
        try:
            if not complete:
                raise BodyTooLarge("The body is larger than this platform accepts")
            return await self._dispatch(request)
        except OcpiError as error:
            return failure(error)
        except Exception:  # whatever goes wrong here must reach the peer as an envelope
            log.exception("unexpected failure")
            return failure(ServerFault())

    async def _dispatch(self, request: Inbound) -> Answer:
        access = self.credentials.admit(request.headers.get(ocpi_headers.AUTHORIZATION))
        if access is Access.NONE:
            raise Unauthenticated
        match request.module:
            case "versions":
                return self._versions(request)
            case "credentials":
                return await self.handshake.answer(request, access)
            case "":
                raise NotFound
            case _ if access is Access.PEER:
                return self.modules.answer(request)
            case _:
                raise Unauthenticated("This token only opens versions and credentials")

    def _versions(self, request: Inbound) -> Answer:
        if request.method != "GET":
            raise MethodNotAllowed
        details_url = f"{self.address.base_url}/ocpi/{VERSION}"
        if not request.tail:
            return success_value([{"version": VERSION, "url": details_url}])
        credentials = {
            "identifier": "credentials",
            "role": "SENDER",
            "url": f"{details_url}/credentials",
        }
        endpoints = [credentials, *self.modules.endpoints()]
        return success_value({"version": VERSION, "endpoints": endpoints})

    def _ocpi_headers(self, request: Inbound) -> dict[str, str]:
        """Ids echoed; on functional modules also routing headers, turned round."""
        headers = ocpi_headers.id_headers(request.ids)
        if request.functional:
            try:
                to, sender = request.sender, self.modules.answerer(request)
            except InvalidRequest:
                return headers
            headers |= ocpi_headers.routing_headers(to=to, sender=sender)
        return headers

    def _keep(
        self,
        request: Inbound,
        answer: Answer | None,
        shown: Answer | None,
        disturbance: Disturbance,
        began: float,
    ) -> None:
        self.record.add(
            RecordItem(
                at=timestamp(self.clock.now()),
                direction="in",
                method=request.method,
                path=request.path,
                query=request.query_string,
                module=request.module,
                role=request.role.value if request.role else None,
                headers=headers_of_interest(request.headers),
                body=body_text(request.module, request.body),
                http=shown.http_status if shown else None,
                ocpi=shown.code if shown else None,
                ms=round((time.perf_counter() - began) * 1000, 2),
                acked=answer is not None and answer.accepted,
                fault=disturbance.applied,
                note=answer.note if answer else None,
            )
        )

    async def _without_answer(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse:
        if fault.huge:
            return await _stream(request, fault.huge)
        if fault.hang:
            await self.faults.wait_released()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _inbound(request: web.BaseRequest, body: bytes) -> Inbound:
    path, _, query_string = request.raw_path.partition("?")
    module, role, tail = interface_of(path)
    return Inbound(
        method=request.method,
        path=path,
        module=module,
        role=role,
        tail=tail,
        query=dict(request.rel_url.query),
        query_string=query_string,
        headers=request.headers,
        body=body,
        ids=ocpi_headers.message_ids(request.headers),
    )


def _instead(fault: Fault) -> Answer | None:
    """What a fault answers in place of the platform; None when the peer gets no HTTP answer."""
    if fault.drop or fault.drop_before or fault.hang or fault.huge:
        return None
    http_status = fault.http or 200
    if fault.ocpi is not None:
        body = envelope(status_code=fault.ocpi, message=fault.message)
        return Answer(http_status, fault.ocpi, body)
    if fault.body is not None:
        body = fault.body.encode()
        parsed = parse_envelope(body)
        return Answer(http_status, parsed.status_code if parsed else None, body, _JSON)
    if fault.garbage:
        return Answer(http_status, None, GARBAGE, {"Content-Type": "text/html"})
    return Answer(http_status, None, b"")


def _altered(headers: dict[str, str], disturbance: Disturbance) -> Mapping[str, str]:
    """The headers of the answer after the faults had their way with them."""
    replaced = {name.lower() for name in disturbance.headers}
    kept = {name: value for name, value in headers.items() if name.lower() not in replaced}
    added = {name: value for name, value in disturbance.headers.items() if value is not None}
    return {**kept, **added}


async def _stream(request: web.BaseRequest, size: int) -> web.StreamResponse:
    response = web.StreamResponse(headers=_JSON)
    try:
        await response.prepare(request)
        while size > 0:
            await response.write(_CHUNK[:size])
            size -= len(_CHUNK)
        await response.write_eof()
    except ConnectionError:
        log.debug("the peer stopped reading")
    return response
