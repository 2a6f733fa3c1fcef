"""Sessions as the CPOs of the demo report them, and lists as its parties read them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from ocpi_hub.demo.crawls import MAX_PAGES, crawl, key_of
from ocpi_hub.demo.parties import FAHRTWIND
from ocpi_hub.demo.processes import Party
from ocpi_hub.demo.sessions import Charging, DemoSession
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.session_text import appended_periods
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from tests.unit.demo.roaming import DRIVER

DONE = {"ocpi": 1000, "http": 200, "ms": 5.0}
FAILED = {"error": "ConnectError", "ms": 5.0}


class Cpo:
    """A platform that notes what it is to send; each result stands for all requests of a call."""

    def __init__(self, *results: dict[str, Any]) -> None:
        self._results = list(results)
        self.sent: list[Mapping[str, Any]] = []
        self.enough = asyncio.Event()

    async def send_many(
        self, requests: Sequence[Mapping[str, object]], concurrency: int
    ) -> list[dict[str, Any]]:
        self.sent += requests
        self.enough.set()
        result = self._results.pop(0) if self._results else DONE
        return [result for _ in requests]

    @property
    def methods(self) -> list[str]:
        return [request["method"] for request in self.sent]


def body(request: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json.loads(request["raw_body"]))


def test_a_session_is_valid_at_every_moment() -> None:
    session = DemoSession("S1", DRIVER, named=False)
    text = str(session.begin()["raw_body"])
    for change in (session.start, session.charge, session.charge, session.complete):
        text = appended_periods(text, str(change()["raw_body"]))
        assert parse_object(text.encode(), Session, max_depth=20).findings == ()
        assert json.loads(text) == body(session.whole())
    assert len(json.loads(text)["charging_periods"]) == 2


def test_changes_are_dated_one_after_the_other() -> None:
    session = DemoSession("S1", DRIVER, named=True)
    changes = [session.begin(), session.start(), *(session.charge() for _ in range(20))]
    moments = [body(change)["last_updated"] for change in changes]
    assert moments == sorted(set(moments))
    assert {change.get("to") for change in changes} == {"DE*FWD"}


async def test_what_the_hub_did_not_acknowledge_comes_as_a_whole() -> None:
    cpo = Cpo(DONE, FAILED, DONE, DONE)
    charging = Charging({DRIVER.cpo: cpo})
    session = charging.add(DRIVER)
    await charging.report([session], DemoSession.begin)
    charging.all_well_until_now()
    for _ in range(3):
        await charging.report([session], DemoSession.charge)
    assert cpo.methods == ["PUT", "PATCH", "PUT", "PATCH"]
    assert len(body(cpo.sent[2])["charging_periods"]) == 2
    assert (charging.live, session.owed) == ({session.session_id: 1}, False)


async def test_sessions_go_on_until_they_are_to_end() -> None:
    cpo = Cpo()
    charging = Charging({DRIVER.cpo: cpo}, pause_s=0)
    session = charging.add(DRIVER)
    await charging.report([session], DemoSession.begin)
    cpo.enough.clear()
    async with charging.flowing([session]):
        await cpo.enough.wait()
    sent = len(cpo.sent)
    await asyncio.sleep(0)
    assert sent == len(cpo.sent) > 1


class Reader:
    """A party that is answered these pages, the last one again and again."""

    company = FAHRTWIND

    def __init__(self, *pages: dict[str, Any]) -> None:
        self._pages = pages
        self.asked: list[Mapping[str, Any]] = []

    async def send_many(
        self, requests: Sequence[Mapping[str, Any]], concurrency: int
    ) -> list[dict[str, Any]]:
        self.asked += requests
        return [self._pages[min(len(self.asked), len(self._pages)) - 1]]


def page(name: str, link: str | None) -> dict[str, Any]:
    value = {"country_code": "DE", "party_id": "STW", "id": name}
    headers = {"x-total-count": "2", "x-limit": "1"}
    if link is not None:
        headers["link"] = f'<{link}>; rel="next"'
    return {"ocpi": 1000, "headers": headers, "body": json.dumps({"data": [value]})}


async def test_a_list_is_read_by_its_links_and_its_second_page_once_more() -> None:
    reader = Reader(page("A", "http://hub/2"), page("B", None), page("B", None))
    expected = {"DE*STW A", "DE*STW B"}
    found = await crawl(cast(Party, reader), "tariffs", 1, expected, date_from="2020-01-01")
    assert list(found.faults()) == []
    assert {key_of(each) for each in found.objects} == expected
    assert [request.get("url") for request in reader.asked] == [
        None,
        "http://hub/2",
        "http://hub/2",
    ]
    assert reader.asked[0]["query"] == {"limit": "1", "date_from": "2020-01-01"}


@pytest.mark.parametrize("last", [page("A", "http://hub/2"), {"ocpi": 3000, "headers": {}}])
async def test_a_list_without_end_or_with_a_failure_ends_the_demo(last: dict[str, Any]) -> None:
    reader = Reader(page("A", "http://hub/2"), last)
    with pytest.raises(OperatorError, match="Fahrtwind"):
        await crawl(cast(Party, reader), "tariffs", 1, ())
    assert len(reader.asked) <= MAX_PAGES
