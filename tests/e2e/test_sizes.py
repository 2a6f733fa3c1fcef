"""How much one object and one page may weigh, and how many requests are served at a time."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest

from tests.support.hub import Roaming
from tests.support.party import make_cdr, make_token
from tests.support.unfinished import Unfinished, unfinished
from tests.support.waiting import eventually
from tests.support.wire import Answer, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE_BYTES = 10_000
OBJECT_BYTES = 4000
OWN = "/2.2.1/receiver/tokens/DE/MSP"
LISTS = {"tokens": "/2.2.1/sender/tokens", "cdrs": "/2.2.1/sender/cdrs"}

SHARE = 4
"""Requests at a time of one platform."""

HUB_SETTINGS = {
    "page_bytes": str(PAGE_BYTES),
    "max_object_bytes": str(OBJECT_BYTES),
    "max_requests_in_flight": str(2 * SHARE),
    "relay_timeout_s": "60",
}


async def crawl(wire: Wire, module: str) -> list[Answer]:
    """The pages of a list of the hub, from first to last."""
    pages = [await wire.send("GET", LISTS[module], to="EU*HUB", query={"limit": "50"})]
    while (link := pages[-1].link) is not None:
        pages.append(await wire.send("GET", link, to="EU*HUB"))
    return pages


@pytest.mark.req("TF-14", "TF-15", "TF-16")
async def test_heavy_pages_are_shorter_and_the_crawl_sees_everything(emsp: Wire, cpo: Wire) -> None:
    names = [f"HEAVY-{number:02}" for number in range(12)]
    for name in names:
        heavy = make_token(name, pad="a" * 3000)
        assert (await emsp.send("PUT", f"{OWN}/{name}", heavy)).codes == (201, 1000)
    # A CDR has no size but that of a body: a page shows one of them all the same.
    cdrs = [make_cdr(name, remark="a" * 2 * PAGE_BYTES) for name in names[:3]]
    for cdr in cdrs:
        answer = await cpo.send("POST", "/2.2.1/receiver/cdrs", cdr, to="DE*MSP")
        assert answer.codes == (201, 1000)
    tokens, copies = await crawl(cpo, "tokens"), await crawl(emsp, "cdrs")
    assert [token["uid"] for page in tokens for token in page.data] == names
    assert [len(page.data) for page in tokens] == [3, 3, 3, 3]
    assert all(len(page.body) < PAGE_BYTES + 200 for page in tokens)
    assert [page.data for page in copies] == [[cdr] for cdr in cdrs]
    for page in tokens:
        assert (page.headers["x-total-count"], page.headers["x-limit"]) == ("12", "50")


@pytest.mark.req("TF-22")
@pytest.mark.parametrize("to", [None, "NL*CPO"])
async def test_a_token_cannot_grow_without_end(emsp: Wire, to: str | None) -> None:
    url = f"{OWN}/GROWS-{to}"
    token = make_token(f"GROWS-{to}")
    at_once = await emsp.send("PUT", url, token | {"pad": "a" * OBJECT_BYTES}, to=to)
    assert at_once.codes == (200, 2001)
    assert f"{OBJECT_BYTES} at most" in at_once.message
    assert (await emsp.send("PUT", url, token, to=to)).envelope["status_code"] == 1000
    codes = [
        (
            await emsp.send(
                "PATCH",
                url,
                {"last_updated": f"2026-02-01T00:00:0{step}Z", f"pad{step}": "a" * 1000},
                to=to,
            )
        ).codes
        for step in range(6)
    ]
    assert codes == [(200, 1000)] * 3 + [(200, 2001)] * 3
    # What stays as small as it was is taken as before.
    last = {"last_updated": "2026-03-01T00:00:00Z", "pad0": "b" * 1000}
    assert (await emsp.send("PATCH", url, last, to=to)).codes == (200, 1000)


def slow(roam: Roaming, wire: Wire, uid: str) -> AbstractAsyncContextManager[Unfinished]:
    return unfinished(f"{roam.hub.url}/ocpi{OWN}/{uid}", wire.authorization)


async def has_its_share(roam: Roaming, wire: Wire) -> bool:
    """Whether the hub serves as many requests of a platform at once as it may have."""
    names = [f"SHARE-{number}" for number in range(SHARE)]
    async with AsyncExitStack() as stack:
        puts = [await stack.enter_async_context(slow(roam, wire, name)) for name in names]
        tokens = [json.dumps(make_token(name)).encode() for name in names]
        answers = [await put.end(token) for put, token in zip(puts, tokens, strict=True)]
    assert set(answers) <= {200, 201, 429}
    return 429 not in answers


@pytest.mark.req("ER-13")
async def test_who_sends_slowly_keeps_nobody_else_out(roam: Roaming, emsp: Wire, cpo: Wire) -> None:
    async with AsyncExitStack() as stack:
        names = [f"SLOW-{number}" for number in range(3 * SHARE)]
        puts = [await stack.enter_async_context(slow(roam, emsp, name)) for name in names]
        assert [await put.status() for put in puts[SHARE:]] == [429] * 2 * SHARE
        refused = await emsp.send("GET", "/versions")
        assert refused.codes == (429, 3000)
        assert int(refused.headers["retry-after"]) >= 1
        assert (await cpo.send("GET", "/versions")).codes == (200, 1000)
        assert await puts[0].end(json.dumps(make_token(names[0])).encode()) in (200, 201)
        assert (await emsp.send("GET", "/versions")).codes == (200, 1000)
    await eventually(lambda: has_its_share(roam, emsp), "those that were left are over")


@pytest.mark.req("ER-13")
async def test_who_does_not_wait_for_a_receiver_has_its_share_back(
    roam: Roaming, emsp: Wire, cpo: Wire
) -> None:
    await roam.cpo.fault(match={"module": "tokens"}, hang=True)
    names = [f"LEFT-{number}" for number in range(SHARE)]
    puts = [
        asyncio.create_task(emsp.send("PUT", f"{OWN}/{name}", make_token(name), to="NL*CPO"))
        for name in names
    ]

    async def all_wait() -> bool:
        # Refused at once, it takes no slot from those that it asks about.
        return (await emsp.send("GET", "/nothing")).http == 429

    await eventually(all_wait, "all wait for the receiver")
    assert (await cpo.send("GET", "/versions")).codes == (200, 1000)
    for put in puts:
        put.cancel()
    await asyncio.wait(puts)
    await roam.cpo.clear_faults()
    await eventually(lambda: has_its_share(roam, emsp), "those that were left are over")
