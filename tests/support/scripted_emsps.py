"""eMSPs that do as they are told, on real sockets, and the rows that make them partners of a hub.

The platforms are written into the database before the hub starts: there is no handshake, and
nothing of theirs is read. What an eMSP does to an authorize request stands in the request itself,
as the `location_id` of its LocationReferences, else it does what it always does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from ocpi_hub.domain.party import CredentialsToken, PartyId
from ocpi_hub.ocpi import headers
from ocpi_hub.store.database import Database
from ocpi_hub.store.secret_key import Keyring
from tests.support.directory import insert_platform, insert_token
from tests.support.hub import free_port

CPO_TOKEN = CredentialsToken("what the CPO presents")
KEYRING = Keyring(b"k" * 32)

Says = Callable[["Asked"], bytes | None]
"""What goes back over the socket; None: nothing, ever."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorize request as an eMSP gets it."""

    emsp: PartyId
    uid: str
    token_type: str
    correlation_id: str
    location: Mapping[str, Any]

    def token(self, **fields: object) -> dict[str, object]:
        return make_token(self.emsp, self.uid, **{"type": self.token_type, **fields})


def make_token(owner: PartyId, uid: str, **fields: object) -> dict[str, object]:
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"{owner.country_code}{owner.party_id}C{uid}"[:36],
        "issuer": "An issuer",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2026-01-01T00:00:00Z",
        **fields,
    }


def http(body: bytes | str, status: int = 200, kind: str = "application/json") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def envelope(data: object = None, code: int = 1000, status: int = 200) -> bytes:
    whole: dict[str, object] = {"status_code": code, "timestamp": "2026-01-01T00:00:00Z"}
    if data is not None:
        whole["data"] = data
    return http(json.dumps(whole), status)


def info(asked: Asked, allowed: str = "ALLOWED", **fields: object) -> bytes:
    """An AuthorizationInfo about the token asked for."""
    return envelope(
        {
            "allowed": allowed,
            "token": asked.token(),
            "authorization_reference": f"REF-{asked.uid}"[:36],
            **fields,
        }
    )


@dataclass
class ScriptedEmsp:
    """One eMSP's platform on a socket.

    Args:
        usually: what it says when the request does not tell.
        scripts: what it says, by the location_id of a request.
    """

    party: PartyId
    usually: Says
    scripts: Mapping[str, Says] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._stack.callback(server.close)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        for writer in tuple(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                asked = await self._read(reader)
                says = self.usually
                if asked is not None:
                    self.asked.append(asked)
                    says = self.scripts.get(asked.location.get("location_id", ""), says)
                said = envelope([]) if asked is None else says(asked)
                if said is not None:
                    writer.write(said)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Asked | None:
        """One request; None when it is not an authorize."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.split("\r\n")
        given = {name.lower(): text for name, _, text in (each.partition(": ") for each in rest)}
        body = await reader.readexactly(int(given.get("content-length", 0)))
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        if method != "POST" or not path.endswith("/authorize"):
            return None
        return Asked(
            self.party,
            path.split("/")[-2],
            query.partition("type=")[2] or "RFID",
            given["x-correlation-id"],
            json.loads(body) if body else {},
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """A relation. The ages are seconds."""

    mode: str = "realtime"
    fallback: str = "hub"
    budget_ms: int = 300
    max_age_s: int = 3600


async def insert_emsp(
    database: Database, party: PartyId, port: int | None, *, online: bool = True
) -> str:
    """An eMSP's platform; without a port it announces no interface. Its id."""
    platform_id = f"p-{party.party_id.lower()}"
    url = f"http://127.0.0.1:{port}/tokens"
    await insert_platform(
        database,
        platform_id,
        keyring=KEYRING,
        roles=(("EMSP", str(party)),),
        endpoints=(("tokens", "SENDER", url),) if port else (),
    )
    async with database.connection() as connection:
        await connection.execute(
            "update platform set online = $2, catch_up = 'none', versions_url = $3"
            " where platform_id = $1",
            platform_id,
            online,
            f"http://127.0.0.1:{port or closed_port()}/versions",
        )
    return platform_id


async def insert_cpos(database: Database, cpos: Mapping[PartyId, Terms], *emsps: PartyId) -> None:
    """A platform with these CPOs, each on the same terms with every eMSP."""
    roles = tuple(("CPO", str(cpo)) for cpo in cpos)
    await insert_platform(database, "p-cpo", keyring=KEYRING, roles=roles)
    await insert_token(database, CPO_TOKEN, "p-cpo")
    async with database.connection() as connection:
        await connection.executemany(
            "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code,"
            " emsp_party_id, mode, fallback, authorize_budget_ms, whitelist_max_age_s,"
            " fallback_max_age_s) values ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
            [
                (*cpo, *emsp, terms.mode, terms.fallback, terms.budget_ms, terms.max_age_s)
                for cpo, terms in cpos.items()
                for emsp in emsps
            ],
        )


async def insert_tokens(database: Database, *tokens: Mapping[str, object]) -> None:
    """Tokens as their eMSPs pushed them."""
    async with database.connection() as connection:
        await connection.executemany(
            "insert into shared_object (module, country_code, party_id, object_id, object_type,"
            " position, body, last_updated, origin, correlation_id) values ('tokens', $1, $2,"
            " upper($3), $4, nextval('shared_object_position'), $5, now(), 'broadcast', 'test')",
            [
                (
                    token["country_code"],
                    token["party_id"],
                    token["uid"],
                    token["type"],
                    json.dumps(token),
                )
                for token in tokens
            ],
        )


def request_headers(cpo: PartyId, to: PartyId | None, correlation_id: str) -> dict[str, str]:
    """Headers of a CPO's authorize request."""
    hub = PartyId("EU", "HUB")
    return {
        headers.AUTHORIZATION: headers.authorization(CPO_TOKEN, raw=False),
        headers.REQUEST_ID: f"request-{correlation_id}",
        headers.CORRELATION_ID: correlation_id,
        **headers.routing_headers(to=to or hub, sender=cpo),
    }


def closed_port() -> int:
    """A port on which nobody listens."""
    return free_port()
