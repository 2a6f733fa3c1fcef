"""Tokens in memory: never older than the feed says."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Sequence

import pytest

from ocpi_hub.authorization.protocols import KnownToken
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import StoreError
from ocpi_hub.store.authorization import PostgresTokenLookup
from ocpi_hub.store.database import Database
from ocpi_hub.store.token_cache import CONFIRMED_S, KEPT_S, PAGE, TokenCache
from tests.integration.test_authorization_store import CPO, EMSP, lookup, put_token
from tests.support.directory import ManualClock

__all__ = ["lookup"]


async def found(cache: TokenCache, uid: str, cpo: PartyId) -> Sequence[KnownToken]:
    """What a CPO is told, as an authorization asks."""
    known = cache.known(uid, "RFID", cpo)
    return await cache.find(uid, "RFID", cpo) if known is None else known


class Scene:
    """A cache over the real look-up, whose questions are counted."""

    def __init__(
        self,
        database: Database,
        lookup: PostgresTokenLookup,
        most: int = 100,
        most_bytes: int = 1_000_000,
    ) -> None:
        self.clock = ManualClock()
        self.cache = TokenCache(lookup, database, self.clock, most=most, most_bytes=most_bytes)
        self._lookup = lookup
        self.asked = 0
        original = lookup.questions.enqueue

        def counted(row: object, **options: bool) -> object:
            self.asked += 1
            return original(row, **options)  # type: ignore[arg-type] # passed on as it came

        lookup.questions.enqueue = counted  # type: ignore[method-assign,assignment] # counts

    async def texts(self, uid: str = "04a1", cpo: PartyId = CPO) -> list[str]:
        return [token.body for token in await self.tokens(uid, cpo)]

    async def tokens(self, uid: str = "04a1", cpo: PartyId = CPO) -> list[KnownToken]:
        return list(await found(self.cache, uid, cpo))


@pytest.fixture
async def scene(database: Database, lookup: PostgresTokenLookup) -> Scene:
    made = Scene(database, lookup)
    await made.cache.follow()
    return made


async def test_the_same_token_is_read_once_whatever_the_case_of_its_uid(
    database: Database, scene: Scene
) -> None:
    text = await put_token(database)
    await scene.cache.follow()
    assert [await scene.texts("04a1"), await scene.texts("04A1")] == [[text]] * 2
    assert scene.asked == 1
    assert await scene.texts("04a1", PartyId("BE", "CPO")) == [text]
    assert scene.asked == 2


async def test_a_change_is_seen_after_the_next_look_at_the_feed(
    database: Database, scene: Scene
) -> None:
    await put_token(database)
    await scene.cache.follow()
    await scene.texts()
    async with database.connection() as connection:
        await connection.execute(
            """update shared_object set position = nextval('shared_object_position'),
                   body = '{"uid":"04A1","valid":false}'"""
        )
    await scene.cache.follow()
    assert [token.valid for token in await scene.tokens()] == [False]


async def test_an_unknown_token_that_arrives_is_found(database: Database, scene: Scene) -> None:
    assert await scene.texts() == []
    text = await put_token(database)
    await scene.cache.follow()
    assert await scene.texts() == [text]


async def test_what_was_read_while_a_change_arrived_is_not_kept(
    database: Database, scene: Scene
) -> None:
    await put_token(database)
    await scene.cache.follow()
    asked = scene.cache.find("04a1", "RFID", CPO)
    scene.cache.forget(ObjectKey("tokens", EMSP, "04A1", "RFID"))
    await asked
    await scene.texts()
    assert scene.asked == 2


async def test_nothing_is_answered_from_memory_while_the_feed_is_silent(
    database: Database, scene: Scene
) -> None:
    await put_token(database)
    await scene.cache.follow()
    await scene.texts()
    scene.clock.advance(CONFIRMED_S + 0.1)
    await scene.texts()
    assert scene.asked == 2
    await scene.cache.follow()
    await scene.texts()
    assert scene.asked == 2


async def test_age_grows_in_memory_and_is_read_anew_in_time(
    database: Database, scene: Scene
) -> None:
    await put_token(database)
    await scene.cache.follow()
    (first,) = await scene.tokens()
    scene.clock.advance(1)
    (second,) = await scene.tokens()
    assert first.knowledge_age_s is not None
    assert second.knowledge_age_s == pytest.approx(first.knowledge_age_s + 1)
    scene.clock.advance(KEPT_S)
    await scene.cache.follow()
    await scene.texts()
    assert scene.asked == 2


async def test_no_more_is_remembered_than_allowed(
    database: Database, lookup: PostgresTokenLookup
) -> None:
    scene = Scene(database, lookup, most=3)
    await scene.cache.follow()
    for number in range(10):
        await scene.texts(f"T{number}")
    assert len(scene.cache) == 3
    none = TokenCache(lookup, database, scene.clock, most=0, most_bytes=1_000_000)
    await none.follow()
    await none.find("T1", "RFID", CPO)
    assert len(none) == 0


async def test_an_import_of_many_tokens_empties_the_memory(
    database: Database, scene: Scene
) -> None:
    await scene.texts()
    assert len(scene.cache) == 1
    async with database.connection() as connection:
        await connection.execute(
            """insert into shared_object (module, country_code, party_id, object_id, object_type,
                   position, body, last_updated, origin, correlation_id)
               select 'tokens', 'DE', 'MSP', 'N' || n, 'RFID', nextval('shared_object_position'),
                   '{}', now(), 'broadcast', 'c'
               from generate_series(1, $1) n""",
            PAGE + 5,
        )
    await scene.cache.follow()
    assert len(scene.cache) == 0
    await scene.cache.follow()
    await scene.texts("N3")
    await scene.texts("N3")
    assert scene.asked == 2


async def test_without_the_database_following_fails_and_memory_ends(
    database: Database, scene: Scene
) -> None:
    await scene.texts()
    await database.close()
    with pytest.raises(StoreError):
        await scene.cache.follow()


class Everybody:
    """Knows every token, each with a text of this size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked = 0

    def find(self, uid: str, token_type: str, cpo: PartyId) -> asyncio.Future[Sequence[KnownToken]]:
        self.asked += 1
        found: asyncio.Future[Sequence[KnownToken]] = asyncio.get_running_loop().create_future()
        body = json.dumps({"uid": uid, "issuer": "x" * self.size})
        found.set_result([KnownToken(EMSP, True, "ALLOWED", body, 0.0)])
        return found


@pytest.mark.parametrize(
    ("size", "most", "most_bytes"), [(200, 500, 10**9), (20_000, 10**9, 500_000)]
)
async def test_more_tokens_than_there_is_room_for_are_looked_up_again(
    database: Database, size: int, most: int, most_bytes: int
) -> None:
    lookup = Everybody(size)
    cache = TokenCache(lookup, database, ManualClock(), most=most, most_bytes=most_bytes)
    await cache.follow()
    cpos = [CPO, PartyId("BE", "CPO"), PartyId("FR", "CPO")]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(1_000):
        await found(cache, f"04{number:012X}", cpos[number % 3])
        await found(cache, f"04{number:012X}", cpos[(number + 1) % 3])
        await asyncio.sleep(0)  # the cache hears of the result
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0 < len(cache) <= most
    assert cache.size <= most_bytes
    assert taken <= cache.size, "what is taken is not more than what is counted"
    # What was first is looked up again, what was last is there.
    asked = lookup.asked
    assert len(await found(cache, "04" + "0" * 12, CPO)) == 1
    assert lookup.asked == asked + 1
    await found(cache, f"04{999:012X}", cpos[999 % 3])
    assert lookup.asked == asked + 1
    await cache.follow()


async def test_a_token_larger_than_all_there_is_room_for_is_not_kept(database: Database) -> None:
    cache = TokenCache(Everybody(5_000), database, ManualClock(), most=10, most_bytes=3_000)
    await cache.follow()
    await cache.find("04A1", "RFID", CPO)
    await asyncio.sleep(0)
    assert (len(cache), cache.size) == (0, 0)


async def test_what_is_forgotten_takes_no_room(database: Database, scene: Scene) -> None:
    await put_token(database)
    await scene.cache.follow()
    await scene.texts()
    await scene.texts(cpo=PartyId("BE", "CPO"))
    assert len(scene.cache) == 2
    scene.cache.forget(ObjectKey("tokens", EMSP, "04A1", "RFID"))
    assert (len(scene.cache), scene.cache.size) == (0, 0)
