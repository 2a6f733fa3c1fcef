"""Answers after the deadline: told to whoever wants to know, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from ocpi_hub.delivery import connection, transport
from ocpi_hub.domain.exchange import Answer, NoAnswer
from tests.integration.test_client import (
    OK,
    SHORT_S,
    Server,
    call,
    client,
    eventually,
    sending_then_hanging,
    serving,
)


def after(go: asyncio.Event, answer: bytes, start: bytes = b"") -> Callable[..., Awaitable[None]]:
    """Answers when told to, then waits for the client to leave."""

    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await partner.read(reader)
        writer.write(start)
        await go.wait()
        writer.write(answer)
        await reader.readexactly(1)

    return handler


@pytest.mark.parametrize("start", [0, 20, len(OK) - 1], ids=["nothing", "part", "almost-all"])
async def test_a_late_answer_is_told(start: int) -> None:
    go, told = asyncio.Event(), list[Answer]()
    handler = after(go, OK[start:], OK[:start])
    async with serving(handler) as partner, client() as http:
        request = replace(call(partner.url(), deadline_s=SHORT_S), late=told.append)
        assert isinstance(await http.send(request), NoAnswer)
        assert told == []
        go.set()
        await eventually(lambda: bool(told))
        await partner.gone.wait()
    assert [(answer.http_status, answer.body) for answer in told] == [(200, b"{}")]


async def test_meanwhile_its_slot_is_free_for_others() -> None:
    go = asyncio.Event()
    async with (
        serving(after(go, OK)) as partner,
        client(max_in_flight_per_receiver=1) as http,
    ):
        for number in range(3):
            request = replace(call(partner.url(), deadline_s=0.05), late=lambda _: None)
            assert await http.send(request) == NoAnswer("no answer within 0.05 s")
            assert len(partner.requests) == number + 1


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"220 smtp\r\n\r\n"],
    ids=["nothing", "half", "no-http"],
)
async def test_what_is_no_answer_is_not_told(answer: bytes) -> None:
    go, told = asyncio.Event(), list[Answer]()

    async def handler(
        partner: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await partner.read(reader)
        await go.wait()
        writer.write(answer)
        writer.close()
        await writer.wait_closed()
        partner.gone.set()

    async with serving(handler) as partner, client() as http:
        request = replace(call(partner.url(), deadline_s=SHORT_S), late=told.append)
        assert isinstance(await http.send(request), NoAnswer)
        go.set()
        await partner.gone.wait()
        for _ in range(100):
            await asyncio.sleep(0)
    assert told == []


async def test_whoever_is_cancelled_is_told_nothing() -> None:
    told = list[Answer]()
    async with serving(sending_then_hanging(b"")) as partner, client() as http:
        sending = asyncio.ensure_future(http.send(replace(call(partner.url()), late=told.append)))
        await eventually(lambda: bool(partner.requests))
        sending.cancel()
        await asyncio.wait({sending})
        await partner.gone.wait()
    assert told == []


async def test_the_wait_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OVERTIME_S", 0.05)
    async with serving(sending_then_hanging(b"")) as partner, client() as http:
        request = replace(call(partner.url(), deadline_s=SHORT_S), late=lambda _: None)
        assert isinstance(await http.send(request), NoAnswer)
        await partner.gone.wait()


async def test_only_so_many_connections_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MOST_OVERTIMES", 0)
    async with serving(sending_then_hanging(b"")) as partner, client() as http:
        request = replace(call(partner.url(), deadline_s=SHORT_S), late=lambda _: None)
        assert isinstance(await http.send(request), NoAnswer)
        await partner.gone.wait()


async def test_closing_the_client_ends_the_wait() -> None:
    async with serving(sending_then_hanging(b"")) as partner:
        async with client() as http:
            request = replace(call(partner.url(), deadline_s=SHORT_S), late=lambda _: None)
            assert isinstance(await http.send(request), NoAnswer)
        await partner.gone.wait()
