"""Lists: the hub's own pages, relayed pages, and who sees what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_token
from tests.support.postgres import PostgresServer
from tests.support.wire import Answer, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = "/2.2.1/sender/tokens"
OWN = "/2.2.1/receiver/tokens/DE/MSP"
COUNT = 250
PAGE_LIMIT = 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def roam(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roaming]:
    """A hub with pages of 100, whose CPO and eMSP are related, and no others."""
    address = await postgres_server.create_database()
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    settings = {"page_limit": str(PAGE_LIMIT), "default_relation": "none"}
    async with roaming(
        HubProcess(address, log, settings=settings), "--page-limit", "60"
    ) as running:
        await running.hub.run("relation", "set", "NL*CPO", "DE*MSP", "--mode", "realtime")
        requests = [
            {
                "method": "PUT",
                "module": "tokens",
                "role": "RECEIVER",
                "path": f"DE/MSP/T{number:03}",
                "body": token(number),
            }
            for number in range(COUNT)
        ]
        results = await running.emsp.send_many(requests, concurrency=1)
        assert {result["http"] for result in results} == {201}
        yield running
    await postgres_server.drop_database(address)


def token(number: int, **fields: Any) -> dict[str, Any]:
    """Token T000 to T249, changed one minute after the other."""
    changed = f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z"
    return make_token(f"T{number:03}", last_updated=changed) | fields


async def listed(cpo: Wire, to: str | None = "EU*HUB", **query: object) -> Answer:
    answer = await cpo.send(
        "GET", LIST, to=to, query={name: str(value) for name, value in query.items()}
    )
    assert answer.codes == (200, 1000)
    return answer


def uids(answer: Answer) -> list[str]:
    return [each["uid"] for each in answer.data]


ALL = [f"T{number:03}" for number in range(COUNT)]


@pytest.mark.req("TF-12", "TF-14", "TF-15", "TF-16", "TF-17", "RT-38", "RT-40", "TK-04", "TY-07")
@pytest.mark.parametrize("to", ["EU*HUB", None])
async def test_a_crawl_sees_every_object_once_in_the_order_of_creation(
    cpo: Wire, to: str | None
) -> None:
    page = await listed(cpo, limit=60)
    found, pages = uids(page), 1
    assert page.routing() == ("NL*CPO", "EU*HUB")
    while (link := page.link) is not None:
        assert len(link) <= 255
        assert link.startswith("http://")
        assert len(page.data) == 60
        page = await cpo.send("GET", link, to=to or "EU*HUB")
        found += uids(page)
        pages += 1
        assert (page.headers["x-total-count"], page.headers["x-limit"]) == (str(COUNT), "60")
    assert found == ALL
    assert pages == 5


@pytest.mark.req("TF-14", "TF-15")
async def test_the_limit_is_a_cap_that_the_hub_lowers(cpo: Wire) -> None:
    for answer in [await listed(cpo)] + [
        await listed(cpo, limit=limit) for limit in (PAGE_LIMIT, PAGE_LIMIT + 1, 10**12)
    ]:
        assert len(answer.data) == PAGE_LIMIT
        assert answer.headers["x-limit"] == str(PAGE_LIMIT)
    last = await listed(cpo, offset=245, limit=50)
    assert uids(last) == ALL[245:]
    assert (last.headers["x-limit"], last.headers["x-total-count"]) == ("50", str(COUNT))
    assert last.link is None


@pytest.mark.req("TF-14", "TF-16")
async def test_offsets_without_a_cursor_and_beyond_the_end(cpo: Wire) -> None:
    assert uids(await listed(cpo, offset=100, limit=7)) == ALL[100:107]
    beyond = await listed(cpo, offset=COUNT, limit=7)
    assert (beyond.data, beyond.link) == ([], None)
    assert beyond.headers["x-total-count"] == str(COUNT)
    assert (await listed(cpo, offset=10**14)).data == []


@pytest.mark.req("TF-17")
async def test_the_same_page_again_is_the_same_and_a_client_may_change_the_offset(
    cpo: Wire,
) -> None:
    first = await listed(cpo, limit=20)
    assert first.link is not None
    once, again = [await cpo.send("GET", first.link, to="EU*HUB") for _ in range(2)]
    assert uids(once) == uids(again) == ALL[20:40]
    query = dict(parse_qsl(urlsplit(first.link).query)) | {"offset": "200"}
    moved = await cpo.send("GET", LIST, to="EU*HUB", query=query)
    assert uids(moved) == ALL[200:220]


@pytest.mark.req("TF-13", "TF-12", "TF-15")
async def test_date_from_is_inclusive_and_date_to_exclusive(cpo: Wire) -> None:
    hour = {"date_from": "2026-01-01T01:00:00Z", "date_to": "2026-01-01T02:00:00Z"}
    answer = await listed(cpo, **hour)
    assert uids(answer) == ALL[60:120]
    assert answer.headers["x-total-count"] == "60"
    for bounds, expected in (
        ({"date_from": "2026-01-01T04:09:00"}, ALL[249:]),
        ({"date_from": "2026-01-01T04:09:00.001Z"}, []),
        ({"date_to": "2026-01-01T00:00:00Z"}, []),
        ({"date_to": "2026-01-01T00:00:00.001Z"}, ALL[:1]),
        ({"date_from": hour["date_to"], "date_to": hour["date_from"]}, []),
    ):
        assert uids(await listed(cpo, **bounds)) == expected


@pytest.mark.req("TF-13")
async def test_consecutive_windows_neither_overlap_nor_leave_gaps(cpo: Wire) -> None:
    found: list[str] = []
    for hour in range(5):
        window = {
            "date_from": f"2026-01-01T{hour:02}:00:00Z",
            "date_to": f"2026-01-01T{hour + 1:02}:00:00Z",
        }
        found += uids(await listed(cpo, **window))
    assert found == ALL


@pytest.mark.req("TF-16")
async def test_the_link_repeats_the_filters(cpo: Wire) -> None:
    query = {
        "date_from": "2026-01-01T01:00:00.5Z",
        "date_to": "2026-01-01T03:00:00Z",
        "limit": "50",
        "vendor": "a b&c",
    }
    page = await listed(cpo, **query)
    assert page.link is not None
    repeated = parse_qs(urlsplit(page.link).query)
    assert repeated["date_to"] == [query["date_to"]]
    assert repeated["limit"] == ["50"]
    assert repeated["vendor"] == ["a b&c"]
    rest = await cpo.send("GET", page.link, to="EU*HUB")
    assert uids(page) + uids(rest) == ALL[61:161]
    third = await cpo.send("GET", rest.link or "", to="EU*HUB")
    assert (uids(third), third.link) == (ALL[161:180], None)


@pytest.mark.req("TF-17", "RT-40", "RT-41", "TF-18")
async def test_objects_keep_their_place_while_they_change(
    roam: Roaming, emsp: Wire, cpo: Wire
) -> None:
    page = await listed(cpo, limit=50)
    found = uids(page)
    changing = iter(range(0, COUNT, 7))
    while page.link is not None:
        for number in (next(changing), next(changing)):
            # The owner's time stays: a puller of windows misses nothing and gets nothing twice.
            body = token(number, visual_number=f"changed {number}")
            await emsp.send("PUT", f"{OWN}/T{number:03}", body)
        page = await cpo.send("GET", page.link, to="EU*HUB")
        found += uids(page)
        assert page.headers["x-total-count"] == str(COUNT)
    assert found == ALL


async def test_a_crawl_keeps_its_total_when_objects_are_added(
    roam: Roaming, emsp: Wire, cpo: Wire
) -> None:
    filters = {"date_from": "2026-03-01T00:00:00Z"}
    new = [make_token(f"NEW-{number}", last_updated="2026-03-01T00:00:00Z") for number in range(4)]
    for one in new[:3]:
        await emsp.send("PUT", f"{OWN}/{one['uid']}", one)
    first = await listed(cpo, **filters, limit=2)
    await emsp.send("PUT", f"{OWN}/NEW-3", new[3])
    assert first.headers["x-total-count"] == "3"
    rest = await cpo.send("GET", first.link or "", to="EU*HUB")
    assert uids(first) + uids(rest) == [f"NEW-{number}" for number in range(4)]
    assert (await listed(cpo, **filters)).headers["x-total-count"] == "4"
    async with roam.database.transaction() as connection:
        await connection.execute("delete from shared_object where object_id like 'NEW-%'")


@pytest.mark.req("ER-11")
async def test_a_cursor_that_was_changed_is_2001(cpo: Wire) -> None:
    link = (await listed(cpo, limit=20)).link
    assert link is not None
    query = dict(parse_qsl(urlsplit(link).query))
    for cursor in (query["cursor"][::-1], query["cursor"][:-3], "~", query["cursor"] + "A"):
        answer = await cpo.send("GET", LIST, to="EU*HUB", query=query | {"cursor": cursor})
        assert answer.codes == (200, 2001)
        assert answer.message.startswith("cursor")


# Who sees what -----------------------------------------------------------------------------------


@pytest.mark.req("RT-20", "RT-39")
async def test_without_a_relation_a_cpo_sees_and_reaches_nothing(roam: Roaming, emsp: Wire) -> None:
    async with PartyProcess.of([("CPO", "BE*NEW")]) as newcomer:
        await roam.hub.onboard(newcomer, "Newcomer")
        async with await Wire.of(roam.hub, newcomer) as wire:
            everything = await wire.send("GET", LIST, to="EU*HUB")
            assert (everything.codes, everything.data) == ((200, 1000), [])
            assert everything.headers["x-total-count"] == "0"
            assert (await wire.send("GET", LIST, to="DE*MSP")).codes == (200, 4003)
            await newcomer.clear_record()
            pushed = await emsp.send("PUT", f"{OWN}/T000", token(0), to="BE*NEW")
            assert pushed.codes == (200, 4003)
            assert "relation" in pushed.message
            assert await newcomer.record(direction="in") == []
            await roam.hub.run("relation", "set", "BE*NEW", "DE*MSP", "--mode", "realtime")
            assert (await wire.send("GET", LIST, to="EU*HUB")).headers["x-total-count"] == "250"
            await roam.hub.run("relation", "set", "BE*NEW", "DE*MSP", "--mode", "none")
            assert (await wire.send("GET", LIST, to="EU*HUB")).data == []


# Relayed lists -----------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issued(roam: Roaming) -> list[str]:
    """The eMSP's own list, which it serves in pages of 60."""
    await roam.emsp.load_tokens(*(make_token(f"OWN-{number:03}") for number in range(130)))
    return [f"OWN-{number:03}" for number in range(130)]


@pytest.mark.req("RT-42", "TF-16", "RT-08", "RT-30")
@pytest.mark.parametrize("with_to", [True, False])
async def test_a_relayed_list_is_followed_to_its_end_through_the_hub(
    roam: Roaming, cpo: Wire, issued: list[str], *, with_to: bool
) -> None:
    filters = {"date_from": "2025-12-31T00:00:00Z", "limit": "50"}
    page = await listed(cpo, to="DE*MSP", **filters)
    found = uids(page)
    while page.link is not None:
        assert page.link.startswith(f"{roam.hub.url}/ocpi{LIST}?")
        assert parse_qs(urlsplit(page.link).query)["date_from"] == [filters["date_from"]]
        assert page.headers["x-total-count"] == str(len(issued))
        assert page.headers["x-limit"] == "50"
        assert page.routing() == ("NL*CPO", "DE*MSP")
        page = await cpo.send("GET", page.link, to="DE*MSP" if with_to else None)
        found += uids(page)
    assert sorted(found) == issued
    asked = await roam.emsp.record(direction="in", module="tokens")
    assert not any("_to" in item["query"] or "_at" in item["query"] for item in asked)


@pytest.mark.req("RT-42")
async def test_a_page_elsewhere_is_sealed_and_cannot_be_changed(
    roam: Roaming, cpo: Wire, issued: list[str]
) -> None:
    tokens_url = next(
        each["url"]
        for each in (await cpo.send("GET", "/2.2.1")).data["endpoints"]
        if each["identifier"] == "tokens"
    )
    assert tokens_url.startswith(roam.hub.url)
    elsewhere = f"{roam.emsp.versions_url.rsplit('/', 1)[0]}/elsewhere/page2?offset=7&x=%2F"
    link = {"Link": f'<{elsewhere}>; rel="next"'}
    await roam.emsp.fault(match={"module": "tokens"}, times=1, headers=link)
    try:
        first = await listed(cpo, to="DE*MSP", limit=5)
    finally:
        await roam.emsp.clear_faults()
    assert first.link is not None
    await roam.emsp.clear_record()
    await cpo.send("GET", first.link)
    [asked] = await roam.emsp.record(direction="in")
    assert asked["path"].endswith("/elsewhere/page2")
    assert parse_qs(asked["query"]) == {"offset": ["7"], "x": ["/"]}
    await roam.emsp.clear_record()
    query = dict(parse_qsl(urlsplit(first.link).query))
    place, *_, mac = query["_at"].split(".")
    for forged in (
        {"_at": query["_at"].removesuffix(mac) + mac[::-1]},
        {"_at": query["_at"].replace(place, f"{place[:-4]}AAAA")},
        {"_at": query["_at"].replace(".", ".9", 1)},
        {"_at": place},
        {"_to": "NL*CPO"},
        {"_to": "DE*XXX"},
        {"_to": "EU*HUB"},
    ):
        answer = await cpo.send("GET", f"{LIST}?{urlencode(query | forged)}")
        assert answer.http == 200
        assert answer.envelope["status_code"] in (2001, 4001, 4003), forged
    crossed = await cpo.send("GET", first.link, to="EU*HUB")
    assert crossed.codes == (200, 2001)
    assert await roam.emsp.record(direction="in") == []


@pytest.mark.req("RT-15", "RT-42")
@pytest.mark.parametrize("link", ["http://[", "http://[::1/x", "http://host:port/x"])
async def test_a_link_that_is_no_url_is_4000(
    roam: Roaming, cpo: Wire, issued: list[str], link: str
) -> None:
    headers = {"Link": f'<{link}>; rel="next"'}
    await roam.emsp.fault(match={"module": "tokens"}, headers=headers)
    try:
        answer = await cpo.send("GET", LIST, to="DE*MSP")
    finally:
        await roam.emsp.clear_faults()
    assert answer.http == 200
    if answer.link is None:
        assert answer.codes == (200, 4000)
    else:
        assert (await cpo.send("GET", answer.link)).codes == (200, 4003)


@pytest.mark.req("RT-42")
async def test_a_link_to_a_forbidden_place_is_not_followed(
    roam: Roaming, cpo: Wire, issued: list[str]
) -> None:
    headers = {"Link": '<http://169.254.169.254/latest/meta-data>; rel="next"'}
    await roam.emsp.fault(match={"module": "tokens"}, times=1, headers=headers)
    try:
        first = await listed(cpo, to="DE*MSP", limit=5)
    finally:
        await roam.emsp.clear_faults()
    answer = await cpo.send("GET", first.link or "")
    assert answer.codes == (200, 4003)


async def test_many_crawls_at_once_see_the_same(cpo: Wire) -> None:
    async def crawl() -> list[str]:
        page = await listed(cpo, limit=100)
        found = uids(page)
        while page.link is not None:
            page = await cpo.send("GET", page.link, to="EU*HUB")
            found += uids(page)
        return found

    crawls = await asyncio.gather(*(crawl() for _ in range(10)))
    assert crawls == [ALL] * 10


async def test_no_fault_of_ours_is_in_the_log(roam: Roaming, cpo: Wire) -> None:
    logs = roam.hub.logs()
    assert [line for line in map(json.loads, logs.splitlines()) if "exception" in line] == []
    assert cpo.token not in logs
    assert "OWN-" not in logs
