"""One HTTP client that POSTs as fast as it can, and the CPU time it took.

Arguments: client, URL, file of certificate authorities, number of requests.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.domain.exchange import Answer, OutboundRequest
from ocpi_hub.ocpi import headers
from tests.bench.world import HUB
from tests.support import factories
from tests.support.postgres import make_settings

IN_FLIGHT = 32
WARM_UP = 100

Post = Callable[[], Awaitable[None]]

BODY = factories.text(factories.token()).encode()
HEADERS = {
    headers.AUTHORIZATION: headers.authorization("a-credentials-token"),
    headers.REQUEST_ID: "8f4b1d0e-6d0c-4f7e-9d55-3f5a2f0f2a01",
    headers.CORRELATION_ID: "8f4b1d0e-6d0c-4f7e-9d55-3f5a2f0f2a02",
    **headers.routing_headers(to=factories.EMSP, sender=HUB),
    "Content-Type": "application/json",
}


@asynccontextmanager
async def hub_client(url: str, ca_file: str) -> AsyncIterator[Post]:
    """The hub's own."""
    settings = make_settings(
        extra_ca_file=ca_file,
        allow_networks=["127.0.0.0/8"],
        max_in_flight_per_receiver=2 * IN_FLIGHT,
    )
    request = OutboundRequest(
        method="POST", url=url, limit_key="p", deadline_s=30.0, headers=HEADERS, body=BODY
    )
    async with HttpClient(settings, clock=SystemClock()) as client:

        async def post() -> None:
            exchange = await client.send(request)
            if not isinstance(exchange, Answer):
                raise AssertionError(exchange)

        yield post


@asynccontextmanager
async def aiohttp_client(url: str, ca_file: str) -> AsyncIterator[Post]:
    """aiohttp, with nothing around it."""
    context = ssl.create_default_context(cafile=ca_file)
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post() -> None:
            async with session.post(url, data=BODY, headers=HEADERS) as response:
                await response.read()

        yield post


@asynccontextmanager
async def pyreqwest_client(url: str, ca_file: str) -> AsyncIterator[Post]:
    """pyreqwest (Rust), with nothing around it."""
    # Nothing the project needs, so it may be absent.
    from pyreqwest.client import (  # type: ignore[import-not-found,unused-ignore]
        ClientBuilder,
    )

    pem = await asyncio.to_thread(Path(ca_file).read_bytes)
    async with ClientBuilder().add_root_certificate_pem(pem).build() as client:

        async def post() -> None:
            request = client.post(url).headers(HEADERS).body_bytes(BODY).build()
            response = await request.send()
            await response.bytes()

        yield post


CLIENTS = {"hub": hub_client, "aiohttp": aiohttp_client, "pyreqwest": pyreqwest_client}


async def _many(post: Post, number: int) -> None:
    """Send that many, `IN_FLIGHT` at a time."""
    left = number

    async def some() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await post()

    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))


async def main(client: str, url: str, ca_file: str, requests: str) -> None:
    async with CLIENTS[client](url, ca_file) as post:
        await _many(post, WARM_UP)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        before = time.process_time()
        await _many(post, int(requests))
        used_s = time.process_time() - before
    sys.stdout.write(json.dumps({"cpu_us": used_s * 1e6 / int(requests)}) + "\n")


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
