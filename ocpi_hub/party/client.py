"""Requests of the platform to its peer."""

from __future__ import annotations

import asyncio
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from ocpi_hub.clock import Clock
from ocpi_hub.domain.message import MessageIds
from ocpi_hub.domain.party import CredentialsToken, InterfaceRole
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi import headers as ocpi_headers
from ocpi_hub.ocpi.envelope import parse_envelope, timestamp
from ocpi_hub.ocpi.status_codes import is_success
from ocpi_hub.party.record import Record, RecordItem, body_text, headers_of_interest


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request, complete but for Authorization and ids.

    Attributes:
        headers: extra headers; None removes one that would be sent.
    """

    method: str
    url: str
    token: CredentialsToken
    module: str
    role: InterfaceRole | None = None
    body: bytes | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class SendResult:
    """The peer's answer, or why there was none.

    Attributes:
        http: None when there was no answer; `error` then says why.
        ocpi: status code of the envelope; None when the body is none.
        headers: names in lower case.
        body: the answer's text.
    """

    ms: float
    http: int | None = None
    ocpi: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error: str | None = None

    @property
    def accepted(self) -> bool:
        return (
            self.http is not None
            and self.http < 300
            and self.ocpi is not None
            and is_success(self.ocpi)
        )

    def data(self) -> Any:
        """The `data` of the envelope; None when there is none."""
        parsed = parse_envelope(self.body.encode())
        return parsed.data if parsed else None

    def as_json(self) -> dict[str, Any]:
        if self.error is not None:
            return {"error": self.error, "ms": self.ms}
        return {
            "http": self.http,
            "ocpi": self.ocpi,
            "headers": dict(self.headers),
            "body": self.body,
            "ms": self.ms,
        }


class AnswerTooLarge(Exception):
    """The answer is larger than this platform reads."""


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities that are trusted anyway, and those of a file.

    Raises:
        OperatorError: the file cannot be used.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise OperatorError(f"--ca-file: cannot use {ca_file}: {error}") from None
    return context


class PeerClient:
    """One bounded pool of connections; each request is recorded."""

    def __init__(
        self,
        record: Record,
        clock: Clock,
        *,
        raw_token: bool,
        max_connections: int,
        max_answer_bytes: int,
        ca_file: Path | None = None,
    ) -> None:
        """Raises OperatorError when `ca_file` cannot be used."""
        self._record = record
        self._clock = clock
        self._raw_token = raw_token
        self._max_answer_bytes = max_answer_bytes
        self._http = httpx.AsyncClient(
            verify=_trust(ca_file),
            limits=httpx.Limits(
                max_connections=max_connections, max_keepalive_connections=max_connections
            ),
            timeout=None,  # noqa: S113 - each request has one overall deadline, see send
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "ocpi-hub-party"},
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, request: Outgoing) -> SendResult:
        """Send one request and record it. Never raises for what the peer does."""
        headers = self._headers(request)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(request.timeout_s):
                response, body = await self._exchange(request, headers)
        except TimeoutError:
            result = SendResult(_ms(began), error=f"timeout after {request.timeout_s:g} s")
        except AnswerTooLarge:
            result = SendResult(_ms(began), error="the answer is too large")
        # A connection that the peer resets right after connecting makes httpcore raise an
        # AttributeError: it looks at a socket that is gone.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, AttributeError) as error:
            result = SendResult(_ms(began), error=f"{type(error).__name__}: {error}".rstrip(": "))
        else:
            parsed = parse_envelope(body)
            result = SendResult(
                ms=_ms(began),
                http=response.status_code,
                ocpi=parsed.status_code if parsed else None,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=body.decode(errors="replace"),
            )
        self._keep(request, headers, result)
        return result

    def _headers(self, request: Outgoing) -> dict[str, str]:
        ids = MessageIds(str(uuid.uuid4()), str(uuid.uuid4()))
        headers: dict[str, str | None] = {
            ocpi_headers.AUTHORIZATION: ocpi_headers.authorization(
                request.token, raw=self._raw_token
            ),
            **ocpi_headers.id_headers(ids),
        }
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        names = {name.lower(): name for name in headers}
        for name, value in request.headers.items():
            headers[names.get(name.lower(), name)] = value
        return {name: value for name, value in headers.items() if value is not None}

    async def _exchange(
        self, request: Outgoing, headers: Mapping[str, str]
    ) -> tuple[httpx.Response, bytes]:
        async with self._http.stream(
            request.method, request.url, headers=dict(headers), content=request.body
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._max_answer_bytes:
                    raise AnswerTooLarge
            return response, bytes(body)

    def _keep(self, request: Outgoing, headers: Mapping[str, str], result: SendResult) -> None:
        url = urlsplit(request.url)
        self._record.add(
            RecordItem(
                at=timestamp(self._clock.now()),
                direction="out",
                method=request.method,
                path=url.path,
                query=url.query,
                module=request.module,
                role=request.role.value if request.role else None,
                headers=headers_of_interest(headers),
                body=body_text(request.module, request.body or b""),
                http=result.http,
                ocpi=result.ocpi,
                ms=result.ms,
                acked=result.accepted,
                error=result.error,
            )
        )


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
