"""Reading back what partners have stored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client_info import ClientInfoRow
from ocpi_hub.delivery.client_info_verifier import ClientInfoVerifier
from ocpi_hub.directory.snapshot import PartyStatus
from ocpi_hub.domain.exchange import Exchange, Unreachable
from ocpi_hub.domain.party import InterfaceRole, PartyId, PlatformId, Role
from tests.support.factories import CPO, EMSP, make_directory, make_platform
from tests.support.scripted import ScriptedClient, answer

URL = "https://partner.example/clients"
SAME = '{"party_id":"msp","country_code":"DE","role":"EMSP","status":"CONNECTED","x":1}'
OTHER = '{"party_id":"MSP","country_code":"DE","role":"EMSP","status":"OFFLINE"}'


class Told:
    """Two rows that were told."""

    def __init__(self) -> None:
        moment = datetime(2026, 11, 1, tzinfo=UTC)
        self.rows = [
            ClientInfoRow(party, Role.EMSP, PartyStatus.CONNECTED, moment, serial)
            for serial, party in ((3, EMSP), (7, PartyId("BE", "TWO")))
        ]
        self.again: list[PartyId] = []

    async def told_after(self, _: PlatformId, after_serial: int) -> ClientInfoRow | None:
        return next((row for row in self.rows if row.serial > after_serial), None)

    async def tell_again(self, _: PlatformId, row: ClientInfoRow) -> bool:
        self.again.append(row.party)
        return True

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the verifier does not call {name}")


class Verifying:
    """The loop, for one platform with the interface and one without."""

    def __init__(self, *steps: Exchange) -> None:
        endpoints = {("hubclientinfo", InterfaceRole.RECEIVER): URL}
        platforms = [
            make_platform((CPO, Role.CPO), endpoints=endpoints),
            make_platform((EMSP, Role.EMSP), endpoints={}),
        ]
        directory = make_directory(*platforms)
        self.store = Told()
        self.client = ScriptedClient()
        self.client.will(*steps)
        self.woken: list[PlatformId] = []
        self.verifier = ClientInfoVerifier(
            self.store,
            self.client,
            lambda: directory,
            SystemClock(),
            every_s=0.001,
            attempt_s=1,
            differs=self.woken.append,
        )

    async def reads(self, number: int) -> list[str]:
        """URLs of so many reads, and what came of them."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.verifier.run(stop))
        # The read after them has begun, so that those have ended.
        await self.client.called(number + 1)
        stop.set()
        await task
        requests = self.client.requests[:number]
        assert {(request.method, request.body) for request in requests} == {("GET", None)}
        return [request.url.removeprefix(URL) for request in requests]


@pytest.mark.req("HC-09")
async def test_objects_are_read_one_after_the_other_and_what_differs_is_told_again() -> None:
    verifying = Verifying(answer(data=SAME), answer(data=OTHER), answer(data=SAME))
    assert await verifying.reads(3) == ["/DE/MSP", "/BE/TWO", "/DE/MSP"]
    assert verifying.store.again == [PartyId("BE", "TWO")]
    assert len(verifying.woken) == 1


@pytest.mark.req("HC-09")
@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (answer(2003, http=404), True),
        (answer(None, http=404), False),
        (answer(2000), False),
        (answer(3000, http=500), False),
        (answer(2000, http=405), False),
        (answer(data="null"), False),
        (answer(data="[]"), False),
        (Unreachable("refused"), False),
    ],
    ids=["not-found", "no-such-path", "refused", "broken", "no-get", "null", "list", "away"],
)
async def test_what_cannot_be_read_is_left_alone_and_what_is_missing_is_told(
    found: Exchange, missing: bool
) -> None:
    verifying = Verifying(found, answer(data=SAME))
    await verifying.reads(1)
    assert verifying.store.again == ([EMSP] if missing else [])


async def test_without_an_interval_nothing_is_read() -> None:
    verifying = Verifying(answer())
    verifying.verifier._every_s = 0.0
    stop = asyncio.Event()
    task = asyncio.create_task(verifying.verifier.run(stop))
    await asyncio.sleep(0)
    stop.set()
    await task
    assert verifying.client.requests == []
