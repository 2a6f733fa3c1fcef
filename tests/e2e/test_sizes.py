"""How much one object and one page may weigh."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import make_cdr, make_token
from tests.support.postgres import PostgresServer
from tests.support.wire import Answer, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE_BYTES = 10_000
OWN = "/2.2.1/receiver/tokens/DE/MSP"
LISTS = {"tokens": "/2.2.1/sender/tokens", "cdrs": "/2.2.1/sender/cdrs"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def roam(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roaming]:
    """A hub with little room."""
    address = await postgres_server.create_database()
    settings = {"page_bytes": str(PAGE_BYTES)}
    log = tmp_path_factory.mktemp("hub") / "hub.log"
    async with roaming(HubProcess(address, log, settings=settings)) as running:
        yield running
    await postgres_server.drop_database(address)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def emsp(roam: Roaming) -> AsyncIterator[Wire]:
    async with await Wire.of(roam.hub, roam.emsp) as wire:
        yield wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cpo(roam: Roaming) -> AsyncIterator[Wire]:
    async with await Wire.of(roam.hub, roam.cpo) as wire:
        yield wire


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
