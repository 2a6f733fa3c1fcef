"""The demo as a caller of the hub's admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from ocpi_hub.demo.admin import Admin
from ocpi_hub.demo.processes import Hub, free_port
from ocpi_hub.errors import OperatorError

PAGES = {"": ([1, 2], "later"), "later": ([3], None)}


async def _things(request: web.Request) -> web.Response:
    if request.headers["Authorization"] != "Bearer secret":
        return web.json_response({"error": {"message": "who is there?"}}, status=401)
    numbers, following = PAGES[request.query.get("next", "")]
    return web.json_response({"items": [{"n": n} for n in numbers], "next": following})


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Admin]:
    """An API with a list of three things on two pages."""
    app = web.Application()
    app.router.add_get("/admin/api/things", _things)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hub = Hub(tmp_path, tmp_path, {})
    hub.url = f"http://127.0.0.1:{site.port}"
    caller = Admin(hub)
    caller.secret = "secret"
    yield caller
    await caller.disconnect()
    await runner.cleanup()


async def test_lists_are_read_to_their_end(admin: Admin) -> None:
    assert await admin.items("/things") == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_what_the_api_says_no_to_is_told(admin: Admin) -> None:
    admin.secret = "wrong"
    with pytest.raises(OperatorError, match=r"GET /admin/api/things: .*who is there"):
        await admin.call("GET", "/things")


async def test_a_hub_that_is_gone_is_told(tmp_path: Path) -> None:
    hub = Hub(tmp_path, tmp_path, {})
    hub.url = f"http://127.0.0.1:{free_port()}"
    caller = Admin(hub)
    with pytest.raises(OperatorError, match="POST /admin/api/things: ConnectError"):
        await caller.call("POST", "/things", {})
    await caller.disconnect()
