"""The admin API: one pipeline for every request.

    request ─► gate, ids ─► key ─► route ─► scope ─► parameters and body ─► handler ─► view

Whatever fails on the way becomes a fault in one place (`faults.py`). Every call that may change
something is logged with the id of its key, whether it was carried out or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from pydantic import ValidationError

from ocpi_hub.admin.acting import acting
from ocpi_hub.admin.faults import Code, Refusal, invalid, invalid_model, refusal_of
from ocpi_hub.admin.keys import AdminKey, KeyRing, Scope, TooManyLookUps, read_bearer
from ocpi_hub.admin.openapi import openapi_text
from ocpi_hub.admin.personal import Privacy
from ocpi_hub.admin.routes.base import API, AnyRoute, Call
from ocpi_hub.admin.views.base import View
from ocpi_hub.clock import Clock
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.ocpi import headers
from ocpi_hub.server.inbound import Target, read_body, read_target
from ocpi_hub.server.limits import Gate
from ocpi_hub.store.audit import Actor, ActorKind, AuditLog
from ocpi_hub.telemetry import bind, get_logger

log = get_logger(__name__)

OPENAPI = "/admin/openapi.json"
MAX_IN_FLIGHT = 50
"""Admin requests that one process works on at a time."""
READS_AT_ONCE = 2
"""Requests of them that look something up at a time: partners need the database's connections."""
READ_S = 10.0

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="admin"'}
_API_SEGMENTS = tuple(API.strip("/").split("/"))
_OPENAPI_SEGMENTS = tuple(OPENAPI.strip("/").split("/"))


@dataclass(slots=True)
class _Seen:
    """What the pipeline learns about one request on its way."""

    ids: MessageIds
    key: AdminKey | None = None
    route: AnyRoute | None = None
    place: Mapping[str, str] | None = None


class AdminApi:
    """Serves `/admin/...`."""

    def __init__(
        self,
        routes: Sequence[AnyRoute],
        keys: KeyRing,
        audit: AuditLog,
        privacy: Privacy,
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._keys = keys
        self._audit = audit
        self._privacy = privacy
        self._clock = clock
        self._gate = Gate(MAX_IN_FLIGHT)
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._document = openapi_text(routes)

    async def handle(self, request: web.Request) -> web.Response:
        """Serve one request. Never raises but for cancellation."""
        started = self._clock.monotonic()
        seen = _Seen(headers.message_ids(request.headers))
        bind({"request_id": seen.ids.request_id, "correlation_id": seen.ids.correlation_id})
        extra: Mapping[str, str] = {}
        try:
            with self._gate:
                http_status, body = await self._serve(request, seen)
        except Exception as error:  # noqa: BLE001 - the one place where errors become answers
            refusal = refusal_of(error)
            http_status, body, extra = refusal.http_status, refusal.body, refusal.headers
        self._log(request, seen, http_status, started)
        return web.Response(
            status=http_status,
            body=body,
            headers={
                "Cache-Control": "no-store",
                "Server": "ocpi-hub",
                **extra,
                **headers.id_headers(seen.ids),
            },
            content_type="application/json",
        )

    async def authenticate(
        self, request: web.Request, needed: Scope, *, stale_s: float = 0.0
    ) -> AdminKey:
        """The key of a request.

        Args:
            stale_s: see `KeyRing.key`.

        Raises:
            Refusal: it has none, or none that is good for this.
            StoreUnavailable: the database cannot be reached.
        """
        key = await self._key(request, stale_s=stale_s)
        _require(key, needed)
        return key

    async def _serve(self, request: web.Request, seen: _Seen) -> tuple[int, bytes]:
        target = read_target(request.raw_path)
        if target.segments == _OPENAPI_SEGMENTS:
            if request.method != "GET":
                raise _other_method(request.method, ["GET"])
            return 200, self._document
        if target.segments[:2] != _API_SEGMENTS:
            raise Refusal(Code.NOT_FOUND, f"there is no such path: see {OPENAPI}")
        seen.key = await self._key(request)
        route, place = self._route(request.method, target)
        seen.route, seen.place = route, place
        _require(seen.key, route.scope)
        view = await self._call(request, route, target, place, seen)
        if not seen.key.may(Scope.OPERATE):
            view = self._privacy.view(view)
        return route.http_status, view.model_dump_json().encode()

    async def _key(self, request: web.Request, *, stale_s: float = 0.0) -> AdminKey:
        values = set(request.headers.getall(headers.AUTHORIZATION, ()))
        secret = read_bearer(values.pop()) if len(values) == 1 else None
        if secret is None:
            text = "send `Authorization: Bearer <key>`; `ocpi-hub admin key create` makes one"
            raise Refusal(Code.UNAUTHENTICATED, text, None, _CHALLENGE)
        try:
            key = await self._keys.key(secret, stale_s=stale_s)
        except TooManyLookUps:
            text = "too many unknown keys were tried; try again shortly"
            raise Refusal(Code.TOO_MANY_REQUESTS, text, None, {"Retry-After": "1"}) from None
        if key is None:
            text = "this key is unknown, or was revoked"
            raise Refusal(Code.UNAUTHENTICATED, text, None, _CHALLENGE)
        return key

    def _route(self, method: str, target: Target) -> tuple[AnyRoute, Mapping[str, str]]:
        matches = [
            (route, place)
            for route in self._routes
            if (place := route.match(target.segments)) is not None
        ]
        # A path without parameters stands in front of one with them.
        fewest = min((len(place) for _, place in matches), default=0)
        matches = [(route, place) for route, place in matches if len(place) == fewest]
        for route, place in matches:
            if route.method == method:
                return route, place
        if matches:
            raise _other_method(method, sorted({route.method for route, _ in matches}))
        raise Refusal(Code.NOT_FOUND, f"there is no such path: see {OPENAPI}")

    async def _call(
        self,
        request: web.Request,
        route: AnyRoute,
        target: Target,
        place: Mapping[str, str],
        seen: _Seen,
    ) -> View:
        try:
            given = route.given.model_validate({**_query(target, place), **place})
        except ValidationError as error:
            known = [name for name in route.given.model_fields if name not in place]
            raise invalid_model(error, known) from None
        raw = await read_body(request, timeout_s=READ_S, max_bytes=route.max_body_bytes)
        if len(raw) > route.max_body_bytes:
            text = f"the body is larger than {route.max_body_bytes} bytes"
            raise Refusal(Code.TOO_LARGE, text)
        try:
            body = route.body.model_validate_json(raw or b"{}", strict=True)
        except ValidationError as error:
            raise invalid_model(error, list(route.body.model_fields)) from None
        key = _known(seen)
        call = Call(given, body, key)
        if route.changes:
            actor = Actor(ActorKind.KEY, key.key_id, key.name)
            with acting(actor, self._audit, seen.ids.correlation_id):
                return await route.handler(call)
        async with self._reads:
            return await route.handler(call)

    def _log(self, request: web.Request, seen: _Seen, http_status: int, started: float) -> None:
        route = seen.route
        level = log.info if route is None or route.changes else log.debug
        level(
            "admin_call",
            key_id=seen.key.key_id if seen.key else None,
            method=request.method,
            route=route.template if route else None,
            # What was changed: ids of platforms, parties, CDRs and keys.
            place=list(seen.place.values()) if seen.place and route and route.changes else None,
            http_status=http_status,
            duration_ms=round((self._clock.monotonic() - started) * 1000, 1),
        )


def _known(seen: _Seen) -> AdminKey:
    if seen.key is None:
        raise AssertionError("routes are served with a key")
    return seen.key


def _require(key: AdminKey, needed: Scope) -> None:
    if not key.may(needed):
        text = f"this needs a key with scope `{needed}`"
        raise Refusal(Code.FORBIDDEN, text, None, {"WWW-Authenticate": _scope_challenge(needed)})


def _scope_challenge(needed: Scope) -> str:
    return f'{_CHALLENGE["WWW-Authenticate"]}, error="insufficient_scope", scope="{needed}"'


def _other_method(method: str, allowed: Sequence[str]) -> Refusal:
    names = ", ".join(allowed)
    text = f"{method} is not defined here: use {names}"
    return Refusal(Code.METHOD_NOT_ALLOWED, text, None, {"Allow": names})


def _query(target: Target, place: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the query, each once.

    Raises:
        Refusal: one comes twice, or names what stands in the path.
    """
    found: dict[str, str] = {}
    for name, value in target.query:
        if name in found:
            raise invalid(name, "is given twice")
        if name in place:
            raise invalid(name, "stands in the path")
        found[name] = value
    return found
