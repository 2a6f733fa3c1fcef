"""A partner that answers exactly what a test tells it to, over real HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    authorization: str
    body: bytes


def envelope(data: object, code: int = 1000, message: str | None = None) -> bytes:
    fields = {"data": data, "status_code": code, "timestamp": "2026-01-01T00:00:00Z"}
    return json.dumps(fields | ({"status_message": message} if message else {})).encode()


def token_of(authorization: str) -> str:
    return base64.b64decode(authorization.removeprefix("Token ")).decode()


def role_of(party: str = "NL*CPO", role: str = "CPO", name: str = "A partner") -> dict[str, Any]:
    country_code, _, party_id = party.partition("*")
    return {
        "role": role,
        "party_id": party_id,
        "country_code": country_code,
        "business_details": {"name": name},
    }


class ScriptedPartner:
    """A partner platform whose every answer can be replaced; an async context manager.

    Attributes:
        received: all requests, in order.
        roles: what it claims.
        token: the credentials token it hands out.
        endpoints: (identifier, role, URL) of its version details, besides credentials.
    """

    def __init__(self, *roles: dict[str, Any]) -> None:
        self.received: list[Received] = []
        self.roles = list(roles) or [role_of()]
        self.token = "the-partners-token"
        self.endpoints: list[tuple[str, str, str]] = []
        self._answers: dict[tuple[str, str], Respond] = {}
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{site.port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def versions_url(self) -> str:
        return f"{self.base_url}/versions"

    def credentials(self, **overrides: Any) -> dict[str, Any]:
        """Its credentials object."""
        own = {"token": self.token, "url": self.versions_url, "roles": self.roles}
        return {**own, **overrides}

    def body(self, **overrides: Any) -> bytes:
        return json.dumps(self.credentials(**overrides)).encode()

    def on(self, method: str, path: str, respond: Respond) -> None:
        """Replace one answer by a function."""
        self._answers[(method, path)] = respond

    def answer(
        self,
        method: str,
        path: str,
        body: bytes,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Replace one answer by bytes."""

        async def respond(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers=headers)

        self.on(method, path, respond)

    def calls(self, method: str, path: str) -> list[Received]:
        return [each for each in self.received if (each.method, each.path) == (method, path)]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        authorization = request.headers.get("Authorization", "")
        self.received.append(Received(request.method, request.path, authorization, body))
        respond = self._answers.get((request.method, request.path))
        if respond is not None:
            return await respond(request)
        return self._usual(request)

    def _usual(self, request: web.Request) -> web.Response:
        match request.method, request.path.rstrip("/"):
            case "GET", "/versions":
                data: object = [{"version": "2.2.1", "url": f"{self.base_url}/2.2.1"}]
            case "GET", "/2.2.1":
                own = [("credentials", "SENDER", f"{self.base_url}/2.2.1/credentials")]
                data = {
                    "version": "2.2.1",
                    "endpoints": [
                        {"identifier": identifier, "role": role, "url": url}
                        for identifier, role, url in (*own, *self.endpoints)
                    ],
                }
            case (("POST" | "PUT"), "/2.2.1/credentials"):
                data = self.credentials()
            case "DELETE", "/2.2.1/credentials":
                data = None
            case _:
                return web.Response(status=404)
        return web.Response(body=envelope(data), content_type="application/json")
