"""Keys: what they look like, what their scopes include, how long they stay known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ocpi_hub.admin.keys import (
    KEY_CACHE_S,
    KEY_PREFIX,
    AdminKey,
    KeyRing,
    KeySecret,
    Scope,
    TooManyLookUps,
    read_bearer,
)
from ocpi_hub.errors import StoreUnavailable
from tests.support.directory import ManualClock

GOOD = KeySecret("good")


def make_key(*scopes: Scope) -> AdminKey:
    return AdminKey("k-1", "a test", frozenset(scopes), datetime(2026, 1, 1, tzinfo=UTC))


class Keys:
    """Knows one key, until it is revoked or away."""

    def __init__(self) -> None:
        self.look_ups = 0
        self.revoked = False
        self.away = False

    async def find(self, sha256: bytes) -> AdminKey | None:
        self.look_ups += 1
        if self.away:
            raise StoreUnavailable("gone")
        return make_key(Scope.READ) if sha256 == GOOD.sha256 and not self.revoked else None


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ring(keys: Keys, clock: ManualClock) -> KeyRing:
    return KeyRing(keys, clock, unknown_per_s=3)


@pytest.mark.parametrize(
    ("held", "may"),
    [
        ((Scope.READ,), (True, False, False)),
        ((Scope.OPERATE,), (True, True, False)),
        ((Scope.ADMIN,), (True, True, True)),
        ((Scope.READ, Scope.ADMIN), (True, True, True)),
        ((), (False, False, False)),
    ],
)
def test_each_scope_includes_those_before_it(
    held: tuple[Scope, ...], may: tuple[bool, ...]
) -> None:
    assert tuple(make_key(*held).may(scope) for scope in Scope) == may


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Bearer ohk_abc", "ohk_abc"),
        ("bearer  ohk_abc ", "ohk_abc"),
        ("Token ohk_abc", None),
        ("Bearer", None),
        ("Bearer a b", None),
        ("Bearer " + "x" * 201, None),
        ("", None),
        (None, None),
    ],
)
def test_the_bearer_scheme_is_read(header: str | None, key: str | None) -> None:
    assert read_bearer(header) == key


def test_a_new_key_is_long_and_does_not_show_itself() -> None:
    one, other = KeySecret.new(), KeySecret.new()
    assert one != other
    assert one.startswith(KEY_PREFIX)
    assert len(one) > 40
    assert one not in repr(one)
    assert read_bearer(f"Bearer {one}") == one


async def test_a_key_is_looked_up_once_in_a_few_seconds(
    ring: KeyRing, keys: Keys, clock: ManualClock
) -> None:
    for _ in range(10):
        assert await ring.key(GOOD) is not None
    assert keys.look_ups == 1
    clock.advance(KEY_CACHE_S)
    assert await ring.key(GOOD) is not None
    assert keys.look_ups == 2


async def test_a_revoked_key_stops_working_within_that_time(
    ring: KeyRing, keys: Keys, clock: ManualClock
) -> None:
    await ring.key(GOOD)
    keys.revoked = True
    clock.advance(KEY_CACHE_S)
    assert await ring.key(GOOD) is None


async def test_unknown_keys_do_not_keep_good_ones_out(
    ring: KeyRing, keys: Keys, clock: ManualClock
) -> None:
    await ring.key(GOOD)
    for number in range(2):
        assert await ring.key(KeySecret(f"bad {number}")) is None
    with pytest.raises(TooManyLookUps):
        await ring.key(KeySecret("bad again"))
    clock.advance(KEY_CACHE_S)
    for number in range(3):
        await ring.key(KeySecret(f"bad {number}"))
    with pytest.raises(TooManyLookUps):
        await ring.key(KeySecret("bad again"))
    assert await ring.key(GOOD) is not None


async def test_without_the_database_a_key_is_good_only_for_what_may_be_stale(
    ring: KeyRing, keys: Keys, clock: ManualClock
) -> None:
    await ring.key(GOOD)
    keys.away = True
    clock.advance(60)
    with pytest.raises(StoreUnavailable):
        await ring.key(GOOD)
    assert await ring.key(GOOD, stale_s=61) is not None
    with pytest.raises(StoreUnavailable):
        await ring.key(GOOD, stale_s=60)
