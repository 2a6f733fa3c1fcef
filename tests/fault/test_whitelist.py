"""`kill -9` of the hub while it reads a long token list: it goes on, and ends with that list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ocpi_hub.delivery.whitelist_runs import RunId
from ocpi_hub.store.database import Database
from ocpi_hub.store.whitelist import WhitelistAdmin
from tests.support.hub import HubProcess
from tests.support.party import PartyProcess, make_token
from tests.support.postgres import PostgresServer
from tests.support.scripted_partner import ScriptedPartner, envelope, role_of
from tests.support.thorough import rounds
from tests.support.waiting import eventually
from tests.support.wire import Wire

TOKENS = rounds(2_000, 1_000_000)
PAGE = rounds(100, 1_000)
WITHIN_S = rounds(60, 3_000)
SETTINGS = {"default_relation": "none", "whitelist_pages_per_s": "0"}


class Lister:
    """The token list of an eMSP, which stops before chosen pages until the hub was killed.

    Nothing on it changed lately, for which the hub asks after its start.
    """

    def __init__(self, partner: ScriptedPartner) -> None:
        self._partner = partner
        self.uids: list[str] = []
        self.stops_at: set[int] = set()
        self.stopped = asyncio.Event()
        self.pages: list[int] = []

    async def page(self, request: web.Request) -> web.StreamResponse:
        if "date_from" in request.query:
            return web.Response(body=envelope([]), content_type="application/json")
        offset = int(request.query.get("offset", "0"))
        number = offset // PAGE
        self.pages.append(number)
        if number in self.stops_at:
            self.stops_at.discard(number)
            self.stopped.set()
            await asyncio.sleep(3600)
        shown = self.uids[offset : offset + PAGE]
        body = envelope([make_token(uid) for uid in shown])
        headers = {"X-Total-Count": str(len(self.uids)), "X-Limit": str(PAGE)}
        if offset + PAGE < len(self.uids):
            following = f"{self._partner.base_url}/tokens?offset={offset + PAGE}"
            headers["Link"] = f'<{following}>; rel="next"'
        return web.Response(body=body, headers=headers, content_type="application/json")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A hub, an eMSP that serves a token list, a CPO that gets tokens pushed."""

    hub: HubProcess
    lister: Lister
    cpo: PartyProcess
    platform: str
    database: Database

    async def live(self) -> set[str]:
        """The tokens the hub takes for valid."""
        found: set[str] = set()
        last = ""
        async with self.database.connection() as connection:
            # A million at once take longer than a statement may.
            while rows := await connection.fetch(
                "select object_id, deleted from shared_object"
                " where module = 'tokens' and object_id > $1 order by object_id limit 20000",
                last,
            ):
                found.update(row["object_id"] for row in rows if not row["deleted"])
                last = rows[-1]["object_id"]
        return found

    async def ended(self, run: int, *states: str) -> dict[str, Any]:
        """A run as `whitelist runs` shows it, once it is in one of these states."""
        admin = WhitelistAdmin(self.database)

        async def over() -> bool:
            return (await admin.find(RunId(run))).state.value in states

        await eventually(over, f"the run is {states}", within_s=WITHIN_S)
        shown = await self.hub.run("whitelist", "runs", self.platform)
        return dict(next(each for each in shown if each["run"] == run))

    async def authorized(self, uid: str) -> str:
        answer = await self.cpo.send(
            "POST", "tokens", role="SENDER", path=f"{uid}/authorize", to="DE*MSP"
        )
        return str(json.loads(answer["body"])["data"]["allowed"])

    async def told_invalid(self, uid: str) -> bool:
        """Whether the CPO was told that a token is not valid."""
        cached = (await self.cpo.tokens())["cached"]
        return any(each["uid"] == uid and each["valid"] is False for each in cached)


@asynccontextmanager
async def exchange(server: PostgresServer, log: Path, *uids: str) -> AsyncIterator[Exchange]:
    address = await server.create_database()
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(HubProcess(address, log, settings=SETTINGS))
        cpo = await stack.enter_async_context(PartyProcess.of([("CPO", "NL*CPO")]))
        partner = await stack.enter_async_context(ScriptedPartner(role_of("DE*MSP", "EMSP")))
        lister = Lister(partner)
        lister.uids = list(uids)
        partner.endpoints.append(("tokens", "SENDER", f"{partner.base_url}/tokens"))
        partner.on("GET", "/tokens", lister.page)
        await hub.onboard(cpo, "Charge Co")
        await hub.run("relation", "set", "NL*CPO", "DE*MSP", "--mode", "whitelist")
        invited = await hub.run("platform", "invite", "--name", "Mobility Co")
        wire = await stack.enter_async_context(Wire(hub, invited["token"]))
        joined = await wire.send("POST", "/2.2.1/credentials", partner.credentials())
        assert joined.codes == (200, 1000), joined
        database = await hub.open_database()
        stack.push_async_callback(database.close)
        yield Exchange(hub, lister, cpo, invited["platform"], database)
    await server.drop_database(address)


@pytest.mark.timeout(rounds(120, 3_600))
async def test_a_long_list_is_read_to_its_end_through_kills_and_what_it_lacks_is_withdrawn(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    first = ["KEPT1", "KEPT2", "KEPT3", "REVOKED"]
    async with exchange(postgres_server, tmp_path / "hub.log", *first) as roam:
        lister = roam.lister

        async def all_known() -> bool:
            return await roam.live() == set(first)

        await eventually(all_known, "a new eMSP's list is read")
        assert await roam.authorized("REVOKED") == "ALLOWED"

        lister.uids = first[:3]
        small = await roam.hub.run("whitelist", "pull", roam.platform, "--full", "--wait")
        assert (small["state"], small["absent"], small["withdrawn"]) == ("done", 1, 1)
        assert await roam.authorized("REVOKED") == "BLOCKED"
        assert await roam.authorized("KEPT1") == "ALLOWED"

        async def told() -> bool:
            return await roam.told_invalid("REVOKED")

        await eventually(told, "the CPO is told")

        lister.uids = [*first[:3], *(f"T{number}" for number in range(TOKENS))]
        pages = -(-len(lister.uids) // PAGE)
        lister.stops_at = {pages // 3, 2 * pages // 3}
        lister.pages.clear()
        run = (await roam.hub.run("whitelist", "pull", roam.platform, "--full"))["run"]
        for _ in range(2):
            await asyncio.wait_for(lister.stopped.wait(), WITHIN_S)
            await roam.hub.kill()
            lister.stopped.clear()
            await roam.hub.start()
        done = await roam.ended(run, "done", "failed")
        assert (done["state"], done["seen"], done["pages"]) == ("done", len(lister.uids), pages)
        assert (done["absent"], done["withdrawn"], done["errors"]) == (0, 0, 0)
        assert await roam.live() == set(lister.uids)
        assert len(lister.pages) <= pages + 4, "it went on where it was"

        lister.uids = lister.uids[: len(lister.uids) // 2]
        run = (await roam.hub.run("whitelist", "pull", roam.platform, "--full"))["run"]
        held = await roam.ended(run, "held")
        assert held["withdrawn"] == 0
        assert len(await roam.live()) == TOKENS + 3
        await roam.hub.run("whitelist", "confirm", str(run))
        assert (await roam.ended(run, "done"))["withdrawn"] == held["absent"]
        assert await roam.live() == set(lister.uids)
        assert "Traceback" not in roam.hub.logs()
