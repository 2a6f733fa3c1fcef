"""Traffic in the console: what minutes add up to, over an hour, a day and a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.clock import SystemClock
from ocpi_hub.store.database import Database
from ocpi_hub.store.traffic import PostgresTraffic
from tests.support.console import console_hub
from tests.support.directory import insert_platform
from tests.support.stores import execute

_MESSAGE = """
insert into message (at, kind, direction, platform_id, module, method, path, http, ms,
    correlation_id, request_id, request_bytes, outcome, cut)
values ($1, 'relay', $2, 'p-1', $3, 'GET', '/', $4, $5, 'c', 'r', 0, 'answered', false)
"""
_DECISION = """
insert into authorization_decision (at, uid, token_type, cpo_country_code, cpo_party_id, decided_by,
    reason, allowed, http_status, status_code, total_ms, legs, correlation_id)
values ($1, 'T', 'RFID', 'NL', 'CPO', 'emsp', 'answered', $2, 200, 1000, 5, '[]', 'c')
"""


async def seed(database: Database, now: datetime) -> None:
    for number in range(10):
        at = now - timedelta(seconds=number)
        await execute(database, _MESSAGE, at, "in", "cdrs", 200, 10.0 + number)
        await execute(database, _MESSAGE, at, "out", "tokens", 500, 5.0)
    await execute(database, _DECISION, now, "ALLOWED")
    await execute(database, _DECISION, now, None)


async def test_minutes_tell_modules_outcomes_and_what_waits(database: Database) -> None:
    now = datetime.now(UTC)
    await seed(database, now)
    traffic = PostgresTraffic(database, SystemClock())
    await traffic.add_up()
    await traffic.add_up()
    found = await traffic.within(now - timedelta(days=1), timedelta(hours=2))
    assert sum(step.received for step in found) == 10
    assert sum(step.failed for step in found) == 10
    assert sum(step.modules.get("tokens", 0) for step in found) == 10
    outcomes = [step.outcomes for step in found if step.outcomes]
    assert outcomes == [{"ALLOWED": 1, "none": 1}]
    assert found[-1].waiting == {"cdrs": 0, "sessions": 0, "pushes": 0}
    assert all(step.step.minute == 0 and step.step.hour % 2 == 0 for step in found)
    p50 = [step.p50_ms for step in found if step.p50_ms is not None]
    assert all(10 <= value <= 19 for value in p50)


async def test_page_shows_each_range_to_operators_only(database: Database) -> None:
    await seed(database, datetime.now(UTC))
    await PostgresTraffic(database, SystemClock()).add_up()
    async with (
        console_hub(database) as console,
        await console.logged_in(AccountRole.VIEWER) as viewer,
    ):
        for name in ("1h", "24h", "7d", "nonsense"):
            answer = await viewer.get(f"/traffic?range={name}")
            assert answer.status_code == 200
            for text in ("tokens", "ALLOWED", "no answer", "Energy charged"):
                assert text in answer.text


async def test_a_party_that_does_not_answer_is_told_from_the_others(database: Database) -> None:
    for platform, party in (("p-away", "AT*MSP"), ("p-there", "DE*MSP")):
        await insert_platform(database, platform, roles=(("EMSP", party),))
    await execute(database, "update platform set online = false where platform_id = 'p-away'")
    async with (
        console_hub(database) as console,
        await console.logged_in(AccountRole.VIEWER) as viewer,
    ):
        file = (await viewer.get("/platforms?format=csv")).text.splitlines()
        assert [line.split(",")[0] for line in file if "OFFLINE" in line] == ["p-away"]
