"""Requests to the hub down to their bytes, and what every answer of it has to be."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.hub import HubProcess
from tests.support.party import PartyProcess
from tests.support.plain_http import trusting_nobody

TIMEOUT_S = 15.0
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; header names in lower case."""

    http: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The body, checked to be an envelope (TF-10)."""
        assert self.headers["content-type"].startswith("application/json"), self.headers
        value = json.loads(self.body)
        assert isinstance(value, dict), value
        assert type(value["status_code"]) is int, value
        assert _DATE_TIME.fullmatch(value["timestamp"]), value
        assert (
            {"status_code", "timestamp"}
            <= value.keys()
            <= {
                "data",
                "status_code",
                "status_message",
                "timestamp",
            }
        )
        return value

    @property
    def codes(self) -> tuple[int, int]:
        """HTTP status and OCPI status code."""
        return self.http, self.envelope["status_code"]

    @property
    def data(self) -> Any:
        return self.envelope["data"]

    @property
    def message(self) -> str:
        return str(self.envelope["status_message"])

    @property
    def link(self) -> str | None:
        """The URL of the next page."""
        found = re.fullmatch(r'<(.*)>; rel="next"', self.headers.get("link", ""))
        return found[1] if found else None

    def routing(self) -> tuple[str, str]:
        """TO and FROM."""
        to, sender = (
            f"{self.headers.get(f'ocpi-{end}-country-code')}"
            f"*{self.headers.get(f'ocpi-{end}-party-id')}"
            for end in ("to", "from")
        )
        return to, sender


class Wire:
    """One platform's way to the hub, for requests that no well-behaved platform sends.

    Args:
        token: its credentials token in clear.
    """

    def __init__(self, hub: HubProcess, token: str) -> None:
        self.token = token
        self.authorization = f"Token {base64.b64encode(token.encode()).decode()}"
        self._url = urlsplit(hub.url)
        self._http = httpx.AsyncClient(
            base_url=hub.url, verify=trusting_nobody(), trust_env=False, timeout=TIMEOUT_S
        )

    @classmethod
    async def of(cls, hub: HubProcess, party: PartyProcess) -> Wire:
        """Speaks with the credentials of a party platform."""
        return cls(hub, (await party.credentials())["our_token"])

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        to: str | None = None,
        sender: str | None = None,
        headers: Headers = (),
        authorization: str | None = "",
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request with new ids, which the answer has to repeat (TF-29).

        Args:
            path: after `/ocpi`, or an absolute URL.
            body: bytes as they are, an async iterator in chunks, anything else as JSON.
            authorization: None for no such header, empty for the right one.
        """
        ids = (("X-Request-ID", str(uuid.uuid4())), ("X-Correlation-ID", str(uuid.uuid4())))
        own = list(ids) + _routing("to", to) + _routing("from", sender)
        if authorization is not None:
            own.append(("Authorization", authorization or self.authorization))
        names = {name.lower() for name, _ in headers}
        content = body if isinstance(body, bytes) or hasattr(body, "__aiter__") else None
        if body is not None and content is None:
            content = json.dumps(body).encode()
        response = await self._http.request(
            method,
            path if path.startswith("http") else f"/ocpi{path}",
            content=content,
            params=query,
            headers=[
                (name.encode(), text.encode())
                for name, text in [
                    *(pair for pair in own if pair[0].lower() not in names),
                    *headers,
                ]
            ],
        )
        answer = Answer(response.status_code, _plain(response.headers.items()), response.content)
        for name, value in ids:
            if name.lower() not in names:
                assert answer.headers[name.lower()] == value
        return answer

    async def raw(
        self, *pieces: bytes | float | None, until_closed: bool = True, wait_s: float = TIMEOUT_S
    ) -> list[Answer]:
        """Send bytes on a connection of its own and read answers until the hub closes it.

        `%AUTH%` in the bytes stands for a valid Authorization header.

        Args:
            pieces: sent one after the other; a number is a pause in seconds, None waits for the
                answer to begin.
            until_closed: False: close after the last piece without reading.
        """
        assert self._url.hostname is not None
        received = b""
        reader, writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        try:
            for piece in pieces:
                if piece is None:
                    received += await reader.read(65_536)
                    continue
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                    continue
                authorization = f"Authorization: {self.authorization}".encode()
                writer.write(piece.replace(b"%AUTH%", authorization))
                await writer.drain()
            if not until_closed:
                return []
            async with asyncio.timeout(wait_s):
                return _answers(received + await reader.read())
        except ConnectionError:
            return []
        finally:
            writer.transport.abort()


def _routing(end: str, party: str | None) -> list[tuple[str, str]]:
    if party is None:
        return []
    country_code, _, party_id = party.partition("*")
    return [(f"OCPI-{end}-country-code", country_code), (f"OCPI-{end}-party-id", party_id)]


def _plain(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _answers(data: bytes) -> list[Answer]:
    """The answers in what a connection carried; interim ones are left out."""
    found: list[Answer] = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = _plain((line.split(": ", 1)[0], line.split(": ", 1)[1]) for line in lines)
        length = int(headers.get("content-length", "0"))
        status = int(first.split()[1])
        if status >= 200:
            found.append(Answer(status, headers, data[:length]))
        data = data[length:]
    return found
