from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ocpi_hub.party.record import (
    MAX_BODY_CHARS,
    Record,
    RecordItem,
    body_text,
    headers_of_interest,
)


def make_item(**overrides: Any) -> RecordItem:
    values: dict[str, Any] = {
        "at": "2026-01-01T00:00:00.000Z",
        "direction": "in",
        "method": "GET",
        "path": "/",
        "query": "",
        "module": "tokens",
        "role": "SENDER",
        "headers": {},
        "body": "",
        "http": 200,
        "ocpi": 1000,
        "ms": 1.0,
        "acked": True,
        **overrides,
    }
    return RecordItem(**values)


def test_positions_go_on_when_the_list_is_full_or_cleared() -> None:
    record = Record(limit=3)
    for number in range(5):
        record.add(make_item(path=str(number)))
    assert [item.path for item in record.items()] == ["2", "3", "4"]
    assert [item.path for item in record.items(since=4)] == ["4"]
    assert record.next == 5
    record.clear()
    record.add(make_item(path="5"))
    assert [item.path for item in record.items(since=5)] == ["5"]


def test_items_are_filtered() -> None:
    record = Record(limit=10)
    record.add(make_item())
    record.add(make_item(module="cdrs", direction="out"))
    assert [item.module for item in record.items(direction="out")] == ["cdrs"]
    assert [item.module for item in record.items(module="tokens")] == ["tokens"]


async def test_waiting_ends_with_the_exchange_it_waits_for() -> None:
    record = Record(limit=10)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(record.wait(lambda item: item.module == "cdrs", 10))
        more = group.create_task(record.wait_for_more(1, 10))
        record.add(make_item())
        record.add(make_item(module="cdrs"))
    assert waiting.result().module == "cdrs"
    assert more.done()


async def test_waiting_in_vain_times_out() -> None:
    with pytest.raises(TimeoutError):
        await Record(limit=1).wait(lambda _: True, 0.01)
    await Record(limit=1).wait_for_more(0, 0.01)


def test_authorization_is_never_among_the_headers() -> None:
    headers = {"authorization": "Token x", "x-request-id": "1", "Accept": "*/*"}
    assert headers_of_interest(headers) == {"X-Request-ID": "1"}


def test_bodies_are_cut_except_cdrs_and_tokens_are_masked() -> None:
    long = b"x" * (MAX_BODY_CHARS + 1)
    assert len(body_text("tokens", long)) == MAX_BODY_CHARS
    assert len(body_text("cdrs", long)) == MAX_BODY_CHARS + 1
    assert body_text("credentials", b'{"token":"secret","url":"u"}') == (
        '{"token": "***", "url": "u"}'
    )
    assert body_text("credentials", b"secret") == ""
