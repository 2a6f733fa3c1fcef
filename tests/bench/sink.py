"""The partner of the bench: a server that answers at once, with as little CPU as Python allows.

One process stands for any number of platforms: it listens on as many ports as told. A path ends in
`/{country_code}/{party_id}/tokens/{uid}/authorize` (answered ALLOWED), anything else is answered
1000, a GET with an empty list. `/close/` in front makes the server close the connection afterwards;
`/counts` tells what came.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import ssl
import sys
from dataclasses import dataclass
from typing import cast

import uvloop

_STAMP = b'"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
_DONE = b"{" + _STAMP
_EMPTY_LIST = b'{"data":[],' + _STAMP
_ALLOWED = (
    b'{"data":{"allowed":"ALLOWED","token":{"country_code":"%b","party_id":"%b","uid":"%b",'
    b'"type":"RFID","contract_id":"%b-%b-C00000001","issuer":"A provider","valid":true,'
    b'"whitelist":"ALLOWED","last_updated":"2026-01-01T00:00:00Z"},'
    b'"authorization_reference":"R-%b"},' + _STAMP
)


@dataclass(slots=True)
class Counts:
    """Requests so far, by what they were; `pushed_bytes`: of heads and bodies."""

    authorized: int = 0
    pushed: int = 0
    pushed_bytes: int = 0
    read: int = 0
    connections: int = 0

    def as_json(self) -> bytes:
        return json.dumps(
            {
                "authorized": self.authorized,
                "pushed": self.pushed,
                "pushed_bytes": self.pushed_bytes,
                "read": self.read,
                "connections": self.connections,
            }
        ).encode()


class Sink(asyncio.Protocol):
    """One connection; requests may come in pieces, or several at once."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._counts.connections += 1

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head = received[:end]
            size = end + 4 + _content_length(head)
            if len(received) < size:
                break
            self._answer(head, size)
            received = received[size:]
        self._received = received

    def _answer(self, head: bytes, size: int) -> None:
        assert self._transport is not None
        method, path, _ = head.split(b" ", 2)
        body = self._body(method, path, size)
        if path.startswith(b"/close/"):
            self._transport.write(_response(body, b"Connection: close\r\n"))
            self._transport.close()
        else:
            self._transport.write(_response(body))

    def _body(self, method: bytes, path: bytes, size: int) -> bytes:
        if path.find(b"/authorize") >= 0:
            self._counts.authorized += 1
            country, party, _, uid, _ = path.split(b"/")[-5:]
            return _ALLOWED % (country, party, uid, country, party, uid)
        if path == b"/counts":
            return self._counts.as_json()
        if method == b"GET":
            self._counts.read += 1
            return _EMPTY_LIST
        self._counts.pushed += 1
        self._counts.pushed_bytes += size
        return _DONE


def _response(body: bytes, more: bytes = b"") -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b"
        % (more, len(body), body)
    )


def _content_length(head: bytes) -> int:
    at = head.find(b"ontent-Length: ")
    if at < 0:
        at = head.lower().find(b"ontent-length: ")
    if at < 0:
        return 0
    end = head.find(b"\r", at)
    return int(head[at + 15 : end if end >= 0 else len(head)])


async def serve(ports: int, context: ssl.SSLContext | None) -> None:
    """Listen on that many free ports, tell them, and answer until the process is ended."""
    loop = asyncio.get_running_loop()
    counts = Counts()
    servers = [
        await loop.create_server(lambda: Sink(counts), "127.0.0.1", 0, ssl=context, backlog=1024)
        for _ in range(ports)
    ]
    found = [server.sockets[0].getsockname()[1] for server in servers]
    sys.stdout.write(json.dumps({"ports": found}) + "\n")
    sys.stdout.flush()
    gc.freeze()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sink")
    parser.add_argument("--ports", type=int, default=1)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    args = parser.parse_args()
    context = None
    if args.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(args.certificate, args.key)
    uvloop.run(serve(args.ports, context))


if __name__ == "__main__":
    main()
