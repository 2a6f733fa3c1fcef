"""The limit on look-ups of unknown credentials."""

from __future__ import annotations

import pytest

from ocpi_hub.directory.token_bucket import TokenBucket
from tests.support.directory import ManualClock


def test_a_burst_is_one_seconds_worth_and_refills_with_time() -> None:
    clock = ManualClock()
    bucket = TokenBucket(4.0, clock)
    assert [bucket.take() for _ in range(6)] == [True] * 4 + [False] * 2
    clock.advance(0.5)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.advance(3600.0)
    assert sum(bucket.take() for _ in range(100)) == 4


@pytest.mark.parametrize("per_s", [0.125, 0.5])
def test_a_slow_bucket_still_gives_one_at_a_time(per_s: float) -> None:
    clock = ManualClock()
    bucket = TokenBucket(per_s, clock)
    assert bucket.take()
    assert not bucket.take()
    clock.advance(1 / per_s)
    assert bucket.take()
