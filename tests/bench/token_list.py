"""An eMSP that serves a token list of any length, page by page, with as little CPU as it can.

`/DE/MSP/tokens?offset=N` answers the page that begins there. The process prints its port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import cast
from urllib.parse import parse_qs, urlsplit

import uvloop

from ocpi_hub.domain.party import PartyId
from tests.support.factories import text, token

_SLOT = "UID-GOES-HERE"


class TokenList(asyncio.Protocol):
    """One connection, of a client that awaits an answer before it asks again."""

    def __init__(self, template: str, tokens: int, page: int) -> None:
        self._template = template
        self._tokens = tokens
        self._page = page
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        assert self._transport is not None
        lines = self._received.decode("latin-1").split("\r\n")
        target = lines[0].split(" ")[1]
        host = next(line[6:] for line in lines if line.lower().startswith("host: "))
        self._received = b""
        self._transport.write(self._answer(target, host))

    def _answer(self, target: str, host: str) -> bytes:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        offset = int(query.get("offset", ["0"])[0])
        # Nothing has changed lately, for which a hub asks after its start.
        length = 0 if "date_from" in query else self._tokens
        end = min(offset + self._page, length)
        shown = ",".join(
            self._template.replace(_SLOT, uid_of(number)) for number in range(offset, end)
        )
        head = f"X-Total-Count: {length}\r\nX-Limit: {self._page}\r\n"
        if end < length:
            head += f'Link: <http://{host}{parts.path}?offset={end}>; rel="next"\r\n'
        body = f'{{"data":[{shown}],"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}}'
        return (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def uid_of(number: int) -> str:
    return f"04{number:012X}"


async def serve(tokens: int, page: int) -> None:
    template = text(token(_SLOT, owner=PartyId("DE", "MSP")))
    server = await asyncio.get_running_loop().create_server(
        lambda: TokenList(template, tokens, page), "127.0.0.1", 0
    )
    sys.stdout.write(json.dumps({"ports": [server.sockets[0].getsockname()[1]]}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.token_list")
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--page", type=int, default=1000)
    args = parser.parse_args()
    uvloop.run(serve(args.tokens, args.page))


if __name__ == "__main__":
    main()
