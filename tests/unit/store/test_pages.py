"""What a page of a list costs in Python."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, cast

import asyncpg

from ocpi_hub.domain.party import InterfaceRole
from ocpi_hub.ocpi.paging import PageRequest
from ocpi_hub.server.replies import page_reply
from ocpi_hub.store.pages import page_of
from tests.support.factories import EMSP, make_message, make_platform

TEXT = '{"id":"LOC1"}'


def calls_for_a_page_of(number: int) -> int:
    """Calls of Python functions, steps of generators among them, from rows to the reply."""
    rows: list[dict[str, object]] = [
        {"body": TEXT, "serial": serial, "found": number + 1} for serial in range(number)
    ]
    role = InterfaceRole.SENDER
    message = make_message(make_platform(), EMSP, module="locations", interface_role=role)
    wanted = PageRequest(None, None, 0, number)
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        page = page_of(cast(list[asyncpg.Record], rows), total=5000)
        reply = page_reply(page, wanted, message, "https://hub.example")
    finally:
        sys.setprofile(before)
    assert reply.body.count(TEXT.encode()) == number
    return calls


def test_no_object_on_a_page_is_work_for_python() -> None:
    # The least of several: some of it is worked out once, or once a second.
    many, few = (min(calls_for_a_page_of(number) for _ in range(3)) for number in (1000, 10))
    assert many == few
