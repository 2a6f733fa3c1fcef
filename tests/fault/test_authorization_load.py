"""200 authorizations a second while one of three eMSPs hangs and one refuses connections.

Nobody waits longer than the budget, nobody gets a wrong answer, and those that hang are hardly
asked after the first few. Time is measured against the lag of the event loops: on a busy machine
everything is late, and that is not the hub's doing.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.database import Database
from tests.support.hub import HubProcess
from tests.support.postgres import PostgresServer, make_settings
from tests.support.scripted_emsps import (
    Asked,
    ScriptedEmsp,
    Terms,
    closed_port,
    envelope,
    info,
    insert_cpos,
    insert_emsp,
    insert_tokens,
    make_token,
    request_headers,
)
from tests.support.thorough import THOROUGH, rounds

RATE = 200
SECONDS = rounds(4, 60)
BUDGET_MS = 1000
ALLOWED_MS = 100
PROCESSES = 2
WHITELISTS = ("ALLOWED", "NEVER")

HUB, CPO = PartyId("EU", "HUB"), PartyId("NL", "CPO")
ANSWERING, HANGING, REFUSING = PartyId("DE", "ANS"), PartyId("DE", "SIL"), PartyId("DE", "UNR")


@dataclass(frozen=True, slots=True)
class Done:
    """One authorization, as the CPO saw it."""

    emsp: PartyId
    uid: str
    searched: bool
    code: int
    allowed: str | None
    token_uid: str | None
    sender: PartyId
    took_s: float

    @property
    def undecided(self) -> bool:
        """No answer, although the hub has a token that would do: right only while the database is
        slower than the look-up may be."""
        return self._stands_in and self.sender == HUB and self.code in (4002, 4003)

    @property
    def _stands_in(self) -> bool:
        return self.emsp != ANSWERING and "NEVER" not in self.uid

    @property
    def fault(self) -> str | None:
        """Why this answer is wrong; None: it is right."""
        if self.allowed is not None and self.token_uid != self.uid:
            return f"about {self.token_uid}"
        told = (self.code, self.allowed, self.sender)
        return None if told in self._right() else f"{told} for {self.uid}"

    def _right(self) -> list[tuple[int, str | None, PartyId]]:
        good = "good" in self.uid
        no_answer: list[tuple[int, str | None, PartyId]] = [(4002, None, HUB), (4003, None, HUB)]
        if self.emsp == ANSWERING:
            # While an eMSP stays silent that may know the token, a no is not the last word.
            said = (1000, "ALLOWED" if good else "NO_CREDIT", ANSWERING)
            return [said, *(no_answer if self.searched and not good else ())]
        return [(1000, "ALLOWED" if good else "BLOCKED", HUB)] if self._stands_in else no_answer


@dataclass
class Lag:
    """How much later than asked for this process comes back."""

    worst_s: float = 0.0

    async def watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.worst_s = max(self.worst_s, time.monotonic() - before - 0.01)


@dataclass
class Drive:
    """Sends requests at a rate, whatever becomes of those before."""

    session: aiohttp.ClientSession
    url: str
    done: list[Done] = field(default_factory=list)
    _numbers: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    async def run(self, requests: int) -> None:
        chance = random.Random(7)  # noqa: S311 - the same requests each time
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in range(requests):
                await asyncio.sleep(max(0.0, begin + number / RATE - loop.time()))
                emsp = (ANSWERING, HANGING, REFUSING)[number % 3]
                good = "good" if chance.random() < 0.5 else "bad"
                searched = emsp == ANSWERING and chance.random() < 0.2
                name = "UNKNOWN" if searched else chance.choice(WHITELISTS)
                group.create_task(self._one(emsp, f"{emsp.party_id}-{name}-{good}", searched))

    async def _one(self, emsp: PartyId, uid: str, searched: bool) -> None:
        headers = request_headers(CPO, None if searched else emsp, f"c-{self._numbers()}")
        started = time.monotonic()
        async with self.session.post(
            f"{self.url}/ocpi/2.2.1/sender/tokens/{uid}/authorize", headers=headers
        ) as response:
            text = await response.read()
            took_s = time.monotonic() - started
        body: dict[str, Any] = json.loads(text)
        data = body.get("data") or {}
        sender = PartyId(
            response.headers["OCPI-from-country-code"], response.headers["OCPI-from-party-id"]
        )
        self.done.append(
            Done(
                emsp,
                uid,
                searched,
                body["status_code"],
                data.get("allowed"),
                data.get("token", {}).get("uid"),
                sender,
                took_s,
            )
        )


def answering(asked: Asked) -> bytes:
    """Knows all its tokens, those that the hub does not know too, and nobody else's."""
    if not asked.uid.startswith(ANSWERING.party_id):
        return envelope(code=2004, status=404)
    return info(asked, "ALLOWED" if "good" in asked.uid else "NO_CREDIT")


@asynccontextmanager
async def hub_with_three_emsps(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[HubProcess, ScriptedEmsp, ScriptedEmsp]]:
    settings = {
        "workers": str(PROCESSES),
        "default_relation": "none",
        "credentials_renew_days": "0",
        "authorize_budget_ms": str(BUDGET_MS),
        "circuit_failures": "5",
        "circuit_probe_s": "1",
        "metrics_public": "true",
        "log_level": "warning",
    }
    async with AsyncExitStack() as stack:
        address = await postgres_server.create_database()
        stack.push_async_callback(postgres_server.drop_database, address)
        database = await Database.open(address, make_settings())
        stack.push_async_callback(database.close)
        good = await stack.enter_async_context(ScriptedEmsp(ANSWERING, answering))
        hanging = await stack.enter_async_context(ScriptedEmsp(HANGING, lambda asked: None))
        ports = {ANSWERING: good.port, HANGING: hanging.port, REFUSING: closed_port()}
        for party, port in ports.items():
            await insert_emsp(database, party, port)
        await insert_cpos(database, {CPO: Terms(budget_ms=BUDGET_MS)}, *ports)
        await insert_tokens(
            database,
            *(
                make_token(
                    party,
                    f"{party.party_id}-{whitelist}-{name}",
                    whitelist=whitelist,
                    valid=name == "good",
                )
                for party in ports
                for whitelist in WHITELISTS
                for name in ("good", "bad")
            ),
        )
        log = tmp_path_factory.mktemp("hub") / "hub.log"
        hub = await stack.enter_async_context(HubProcess(address, log, settings=settings))
        yield hub, good, hanging


async def hub_lag_s(hub: HubProcess) -> float:
    """The upper bound of the worst lag of the hub's own event loops."""
    text = (await hub.get("/metrics")).text
    name = "ocpi_hub_event_loop_lag_seconds_bucket"
    buckets = [
        (float(bound), float(count))
        for bound, count in re.findall(rf'^{name}{{le="(.*)"}} (.*)$', text, flags=re.MULTILINE)
    ]
    most = max((count for _, count in buckets), default=0.0)
    return min((bound for bound, count in buckets if count >= most), default=0.0)


async def test_no_answer_is_late_and_none_is_wrong(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lag = Lag()
    async with (
        hub_with_three_emsps(postgres_server, tmp_path_factory) as (hub, good, hanging),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        watching = asyncio.ensure_future(lag.watch())
        drive = Drive(session, hub.url)
        await drive.run(RATE * SECONDS)
        watching.cancel()
        allowance_s = lag.worst_s + await hub_lag_s(hub)
        slow_lookups = hub.logs().count("token_lookup_failed")
    wrong = Counter(done.fault for done in drive.done if done.fault and not done.undecided)
    assert not wrong
    assert sum(done.undecided for done in drive.done) <= slow_lookups <= len(drive.done) / 20
    assert len(drive.done) == RATE * SECONDS
    assert good.asked
    # The budget bounds the wait, whatever the eMSP does.
    limit_s = (BUDGET_MS + ALLOWED_MS) / 1000 + (0 if THOROUGH else 3 * allowance_s)
    late = [done for done in drive.done if done.took_s > limit_s]
    assert not late, (allowance_s, late[:5])
    # Who hangs is asked by the first few, and then by one at a time now and then.
    to_hanging = sum(done.emsp == HANGING for done in drive.done)
    assert len(hanging.asked) < to_hanging / 2
    waited = sum(done.emsp == HANGING and done.took_s > BUDGET_MS / 2000 for done in drive.done)
    assert waited < to_hanging / 2
