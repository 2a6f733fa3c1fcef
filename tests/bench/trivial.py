"""The baseline of a server: a handler that reads the body and answers fixed bytes."""

from __future__ import annotations

import asyncio
import gc
import json
import sys

import uvloop
from aiohttp import web

_BODY = json.dumps(
    {
        "data": {
            "allowed": "ALLOWED",
            "token": {
                "country_code": "DE",
                "party_id": "AAA",
                "uid": "04AABBCCDD0001",
                "type": "RFID",
                "contract_id": "DE-AAA-C00000001",
                "issuer": "A provider",
                "valid": True,
                "whitelist": "ALLOWED",
                "last_updated": "2026-01-01T00:00:00Z",
            },
            "authorization_reference": "c3f2a4c2-0d6c-4c0e-9a53-8d6cfb6a2a11",
        },
        "status_code": 1000,
        "timestamp": "2026-01-01T00:00:00Z",
    }
).encode()


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=_BODY, content_type="application/json")


async def serve() -> None:
    """Listen on a free port, tell it, and answer until the process is ended."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(json.dumps({"ports": [site.port]}) + "\n")
    sys.stdout.flush()
    # As the hub does.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
