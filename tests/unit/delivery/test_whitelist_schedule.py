"""When token lists are read, and how much of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ocpi_hub.delivery.cron import delay, next_run, require_cron
from ocpi_hub.delivery.whitelist_runs import LastRuns
from ocpi_hub.delivery.whitelist_schedule import date_from
from ocpi_hub.domain.party import PartyId, PlatformId
from ocpi_hub.errors import OperatorError
from tests.support.factories import CPO, EMSP

NOW = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
"""A Friday."""
NONE, HOUR, DAY, WEEK = timedelta(), timedelta(hours=1), timedelta(days=1), timedelta(days=7)
P1 = PlatformId("p-1")


@pytest.mark.parametrize(
    ("pull", "expected"),
    [
        ("* * * * *", "2026-11-20 10:31"),
        ("30 10 * * *", "2026-11-21 10:30"),
        ("*/20 * * * *", "2026-11-20 10:40"),
        ("15 2 * * mon-fri", "2026-11-23 02:15"),
        ("0 3 * * SUN", "2026-11-22 03:00"),
        ("0 3 1 * *", "2026-12-01 03:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 4 L * *", "2026-11-30 04:00"),
    ],
)
def test_a_schedule_means_the_next_time_after_now(pull: str, expected: str) -> None:
    require_cron(pull, NOW)
    assert f"{next_run(pull, P1, NOW, NONE):%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    "pull",
    [
        "",
        "daily",
        "@daily",
        "0 3 * *",
        "0 0 3 * * *",
        "61 * * * *",
        "* 24 * * *",
        "0 0 30 2 *",
        "0 0 31 4 *",
        "*/0 * * * *",
        "1,,2 * * * *",
        "٣ * * * *",
        "0 0 * * 1; drop table x",
        "* " * 500,
    ],
)
def test_what_is_no_cron_expression_is_refused(pull: str) -> None:
    with pytest.raises(OperatorError, match="is no cron expression"):
        require_cron(pull, NOW)


@pytest.mark.parametrize("splay", [NONE, timedelta(minutes=10), timedelta(hours=5)])
def test_each_fire_time_comes_once_with_the_platforms_own_delay(splay: timedelta) -> None:
    at, found = NOW, []
    for _ in range(48):
        at = next_run("0 * * * *", P1, at, splay)
        found.append(at)
    own = delay(P1, min(splay, HOUR))
    assert found == [found[0] + HOUR * number for number in range(48)]
    assert (found[0] - own).minute == 0
    assert NOW < found[0] <= NOW + HOUR


def test_delays_are_spread_and_stay() -> None:
    splay = timedelta(minutes=10)
    delays = [delay(PlatformId(f"p-{number}"), splay) for number in range(200)]
    assert delays == [delay(PlatformId(f"p-{number}"), splay) for number in range(200)]
    assert all(NONE <= each < splay for each in delays)
    assert len({int(each.total_seconds()) // 60 for each in delays}) == 10


@pytest.mark.parametrize(
    ("full_ago", "any_ago", "next_in", "owners", "expected"),
    [
        pytest.param(None, None, DAY, {EMSP}, None, id="nothing was read yet"),
        pytest.param(None, DAY, DAY, {EMSP}, None, id="nothing was read in full yet"),
        pytest.param(DAY, DAY, DAY, {EMSP}, DAY + HOUR, id="yesterday, in full"),
        pytest.param(3 * DAY, DAY, DAY, {EMSP}, DAY + HOUR, id="from the last run, partial or not"),
        pytest.param(6 * DAY, DAY, DAY, {EMSP}, DAY + HOUR, id="the next run is in time"),
        pytest.param(6 * DAY + HOUR, DAY, DAY, {EMSP}, None, id="the next run would be too late"),
        pytest.param(8 * DAY, DAY, HOUR, {EMSP}, None, id="too long ago"),
        pytest.param(DAY, DAY, 30 * DAY, {EMSP}, None, id="monthly: always in full"),
        pytest.param(DAY, DAY, DAY, {EMSP, CPO}, None, id="a party is new"),
        pytest.param(DAY, DAY, DAY, set(), DAY + HOUR, id="a party has gone"),
    ],
)
def test_a_run_asks_for_what_changed_or_for_everything(
    full_ago: timedelta | None,
    any_ago: timedelta | None,
    next_in: timedelta,
    owners: set[PartyId],
    expected: timedelta | None,
) -> None:
    last = LastRuns(
        full_at=None if full_ago is None else NOW - full_ago,
        any_at=None if any_ago is None else NOW - any_ago,
        owners=frozenset({EMSP}),
    )
    begins = date_from(last, owners, NOW + next_in, full_every=WEEK, overlap=HOUR)
    assert begins == (None if expected is None else NOW - expected)
