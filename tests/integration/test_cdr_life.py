"""The life of CDRs on PostgreSQL: every step is recorded, and told."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ocpi_hub.admin.acting import acting
from ocpi_hub.admin.actions import cdr_disputes, cdrs
from ocpi_hub.clearing.credits import Total, covers
from ocpi_hub.clearing.ledger import CdrFinding
from ocpi_hub.clearing.life import WAYS, Stage
from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.verdict import Delivered, Failed, Refused, Unknown
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.audit import Actor, ActorKind, AuditLog
from ocpi_hub.store.cdr_gaps import QUERIES, GapKind, cdr_gaps
from ocpi_hub.store.cdr_life import SQL as LIFE_SQL
from ocpi_hub.store.cdr_life import CdrFilters, CdrLife
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Database
from ocpi_hub.store.disputes import Outcome, Side
from ocpi_hub.store.reports import SQL as REPORT_SQL
from ocpi_hub.store.statements import SQL as STATEMENT_SQL
from tests.bench.archive import store_cdrs
from tests.support.cdr_lives import deliver, lives_are_whole, make_cdr
from tests.support.factories import CPO, EMSP
from tests.support.postgres import make_settings
from tests.support.stores import (
    NO,
    NOTHING,
    OK,
    cdr_key,
    custody_store,
    ended,
    execute,
    make_intake,
    taken,
    value,
)
from tests.support.thorough import rounds

OTHER = PartyId("FR", "OTH")
OVERDUE = (
    "update directed_object set lease_until = lease_until - interval '1 h',"
    " next_attempt_at = next_attempt_at - interval '1 h' where state in ('pending', 'in_flight')"
)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


@pytest.fixture
def admin(database: Database) -> CustodyAdmin:
    return CustodyAdmin(database, "cdrs")


async def steps(database: Database, cdr_id: str = "CDR-1") -> list[tuple[str | None, str, str]]:
    found = await CdrLife(database).steps(cdr_key(cdr_id))
    for step in found:
        assert (step.before, step.after) in WAYS, step
    return [(step.before, step.after, step.by) for step in found]


# Steps -------------------------------------------------------------------------------------------


async def test_a_delivered_cdr_was_received_and_delivered(
    store: PostgresCustodyStore, database: Database
) -> None:
    attempt = await taken(store, make_intake())
    await store.record(ended(attempt, Failed(NOTHING)))
    await execute(database, "update directed_object set next_attempt_at = now()")
    await execute(database, "delete from receiver_backoff")
    (again,) = await store.claim(EMSP, 10)
    await store.record(ended(again, Delivered(OK)))
    await store.record(ended(again, Delivered(OK)))
    assert await steps(database) == [
        (None, "received", "owner"),
        ("received", "delivered", "receiver DE*MSP"),
    ]
    (_, delivered) = await CdrLife(database).steps(cdr_key())
    assert delivered.why == "HTTP 201, OCPI 1000"


async def test_an_operator_is_named_with_reason(
    store: PostgresCustodyStore, database: Database, admin: CustodyAdmin
) -> None:
    await store.take_in(make_intake(start=Start.HOLD, reason="too much", body='{"id":"CDR-1"}'))
    actor = Actor(ActorKind.ACCOUNT, "a-1", "Kim")
    with acting(actor, AuditLog(database)):
        await cdrs.release(admin, CPO, "CDR-1", reason="a truck")
    await execute(database, "update directed_object set next_attempt_at = now()")
    (attempt,) = await store.claim(EMSP, 10)
    await store.record(ended(attempt, Refused(NO), acknowledged=True))
    assert await steps(database) == [
        (None, "held", "hub"),
        ("held", "received", "operator Kim"),
        ("received", "refused", "receiver DE*MSP"),
    ]
    held, released, refused = await CdrLife(database).steps(cdr_key())
    assert (held.why, released.why) == ("too much", "a truck")
    assert refused.why == "HTTP 200, OCPI 2001, not mine"


async def test_what_nothing_holds_any_more_goes_on_by_the_hub(
    store: PostgresCustodyStore, database: Database
) -> None:
    await store.take_in(make_intake(start=Start.HOLD, reason="too much"))
    await execute(database, "update directed_object set state = 'pending', reason = null")
    assert await steps(database) == [(None, "held", "hub"), ("held", "received", "hub")]


async def test_a_new_content_after_a_refusal_is_a_step_of_its_owner(
    store: PostgresCustodyStore, database: Database
) -> None:
    await store.record(ended(await taken(store, make_intake()), Refused(NO)))
    await store.record(ended(await taken(store, make_intake(body='{"total":2}')), Delivered(OK)))
    told = [(s.version, s.after, s.why) for s in await CdrLife(database).steps(cdr_key())]
    assert told[2:] == [
        (2, "received", "its owner sent a new content"),
        (2, "delivered", "HTTP 201, OCPI 1000"),
    ]
    await steps(database)


async def test_a_late_verdict_is_a_step(store: PostgresCustodyStore, database: Database) -> None:
    first = await taken(store, make_intake())
    await execute(database, "update directed_object set lease_until = now() - interval '1 s'")
    (second,) = await store.claim(EMSP, 10)
    await store.record(ended(second, Refused(NO), acknowledged=True))
    await store.record(ended(first, Delivered(OK)))
    assert [after for _, after, _ in await steps(database)] == [
        "received",
        "uncertain",
        "delivered",
    ]


async def test_a_step_is_recorded_with_its_change_or_not_at_all(
    store: PostgresCustodyStore, database: Database
) -> None:
    await taken(store, make_intake())
    async with database.connection() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute("update directed_object set state = 'dead', lease_until = null")
        assert await connection.fetchval("select count(*) from cdr_transition") == 2
        await undone.rollback()
    assert await steps(database) == [(None, "received", "owner")]


async def test_sessions_have_no_such_record(
    store: PostgresCustodyStore, database: Database
) -> None:
    intake = make_intake("SES-1")
    await store.take_in(replace(intake, key=replace(intake.key, module="sessions")))
    assert await value(database, "select count(*) from cdr_transition") == 0


async def test_a_refusal_is_no_loop(store: PostgresCustodyStore, database: Database) -> None:
    """A 2xxx answer ends the attempts, and is shown to the CPO's operator."""
    attempt = await taken(store, make_intake())
    await store.record(ended(attempt, Refused(NO), acknowledged=True))
    await execute(database, "update directed_object set changed_at = now() - interval '80 days'")
    assert await store.due_receivers([EMSP]) == []
    assert await store.claim(EMSP, 10) == []
    gaps = await cdr_gaps(
        database, since=datetime(2026, 1, 1, tzinfo=UTC), expected_after_h=0, limit=10
    )
    assert [(gap.kind, gap.id) for gap in gaps] == [(GapKind.REFUSED_AFTER_ACK, "CDR-1")]
    assert "not mine" in gaps[0].text


async def test_two_workers_and_an_operator_make_one_life(
    store: PostgresCustodyStore, database: Database, admin: CustodyAdmin, address: DatabaseAddress
) -> None:
    """Attempts whose lease ran out, their late verdicts and an operator's word, all at once."""
    chance = random.Random(20_26)  # noqa: S311 - repeatable, not secret
    pool = await Database.open(address, make_settings(), application_name="second")
    async with custody_store(pool) as second:
        names = [f"CDR-{number}" for number in range(12)]
        attempts = [await taken(store, make_intake(name)) for name in names]
        for _ in range(rounds(6, 60)):
            await execute(database, OVERDUE)
            await execute(database, "delete from receiver_backoff")
            claimed = await asyncio.gather(store.claim(EMSP, 6), second.claim(EMSP, 6))
            attempts += [attempt for each in claimed for attempt in each]
            late = chance.sample(attempts, 12)
            verdicts = (Delivered(OK), Refused(NO), Failed(NOTHING), Unknown(NOTHING))
            weights = (1, 3, 3, 3)
            await asyncio.gather(
                *(
                    chance.choice((store, second)).record(
                        ended(attempt, chance.choices(verdicts, weights)[0], acknowledged=True)
                    )
                    for attempt in late
                ),
                admin.send_again([DirectedState.REFUSED], by="a test"),
                admin.decide(
                    cdr_key(chance.choice(names)),
                    [DirectedState.UNCERTAIN],
                    DirectedState.REFUSED,
                    "looked at",
                    by="a test",
                ),
            )
            await lives_are_whole(database)
    await pool.close()


# Credits -----------------------------------------------------------------------------------------


def costs(excl_vat: str) -> dict[str, Any]:
    return {"total_cost": {"excl_vat": float(excl_vat)}}


async def stage_of(database: Database, cdr_id: str) -> Stage:
    found = await CdrLife(database).find(cdr_key(cdr_id))
    assert found is not None
    return found.stage


async def test_a_cdr_is_corrected_once_credits_took_all_of_it_back(
    store: PostgresCustodyStore, database: Database, admin: CustodyAdmin
) -> None:
    await deliver(store, make_cdr("A", session_id="Ses", **costs("10.00")))
    await deliver(store, make_cdr("A-C", credit=True, credit_reference_id="a", **costs("-4.00")))
    assert await stage_of(database, "A") is Stage.DELIVERED
    last = make_cdr("A-D", credit=True, credit_reference_id="A", **costs("-6.00"))
    attempt = await taken(store, last)
    assert await stage_of(database, "A") is Stage.DELIVERED
    await store.record(ended(attempt, Delivered(OK)))
    assert await stage_of(database, "A") is Stage.CORRECTED
    await deliver(store, make_cdr("B", session_id="SES", **costs("7.00")))

    story = await cdrs.show(admin, cdr_key("a"))
    assert story.credits is not None
    assert [each.id for each in story.credits.taken_back_by] == ["A-C", "A-D"]
    assert (story.credits.left_excl_vat, story.credits.corrected_by) == ("0", ("B",))
    assert [step.after for step in story.steps] == ["received", "delivered", "corrected"]
    assert "A-D" in str(story.steps[-1].why)
    credit = (await cdrs.show(admin, cdr_key("A-C"))).credits
    assert credit is not None
    assert credit.takes_back is not None
    assert credit.takes_back.id == "A"
    anew = (await cdrs.show(admin, cdr_key("B"))).credits
    assert anew is not None
    assert anew.corrects == "A"


async def test_a_credit_for_others_takes_nothing_back(
    store: PostgresCustodyStore, database: Database
) -> None:
    await deliver(store, make_cdr("A", **costs("10.00")))
    away: dict[str, Any] = {"credit": True, "credit_reference_id": "A", **costs("-10.00")}
    await deliver(store, make_cdr("A-X", payer=OTHER, **away))
    await deliver(store, make_cdr("A-N", currency="NOK", **away))
    assert await stage_of(database, "A") is Stage.DELIVERED


@pytest.mark.parametrize(
    ("cost", "credited"),
    [(cost, back) for cost in (-5, 0, 5) for back in (None, -7, -5, -1, 0, 1, 5, 7)],
)
async def test_the_database_and_the_checks_agree_on_what_is_taken_back(
    database: Database, cost: int, credited: int | None
) -> None:
    total = Total(Decimal(cost), None)
    expected = credited is not None and covers(total, Total(Decimal(credited), None))
    query = "select cdr_is_taken_back($1::numeric, $2::numeric)"
    assert await value(database, query, Decimal(cost), credited) is expected


# The story ---------------------------------------------------------------------------------------


async def test_a_cdr_is_found_by_its_id_alone_where_one_owner_has_it(
    store: PostgresCustodyStore, admin: CustodyAdmin
) -> None:
    await deliver(store, make_cdr("Cdr-1"))
    assert await cdrs.key_of(admin, "cdr-1") == cdr_key()
    await deliver(store, make_cdr("Cdr-1", owner=OTHER))
    with pytest.raises(OperatorError, match=r"FR\*OTH, NL\*CPO"):
        await cdrs.key_of(admin, "cdr-1")
    with pytest.raises(NoSuchObject):
        await cdrs.key_of(admin, "cdr-2")


async def test_lists_are_filtered_by_what_the_checks_found(
    store: PostgresCustodyStore, database: Database
) -> None:
    flag, hold = CdrFinding("price_differs", "more"), CdrFinding("odd", "odd", hold=True)
    await deliver(store, make_cdr("A", findings=(flag,)), make_cdr("B", payer=OTHER))
    await store.take_in(make_cdr("C", start=Start.HOLD, findings=(hold, flag)))
    await execute(database, "update cdr_ledger set price_verdict = 'equal' where spelled_id = 'B'")
    for table, name in (("directed_object", "object_id"), ("cdr_ledger", "cdr_id")):
        before = f"update {table} set received_at = now() - '2 d'::interval where {name} = 'A'"  # noqa: S608
        await execute(database, before)
    yesterday = datetime.now(UTC) - timedelta(days=1)

    async def ids(**filters: Any) -> str:
        found = await CdrLife(database).list(CdrFilters(**filters), limit=10)
        return "".join(each.row.key.object_id for each in found)

    assert await ids() == "CBA"
    assert await ids(flag="price_differs") == "CA"
    assert await ids(hold="odd") == "C"
    assert await ids(verdict="equal") == "B"
    assert await ids(stage=Stage.DELIVERED) == "BA"
    assert await ids(state=DirectedState.HELD) == "C"
    assert await ids(receiver=OTHER) == "B"
    assert await ids(since=yesterday) == "CB"
    assert await ids(until=yesterday) == "A"
    assert await ids(object_id="a") == "A"
    assert await ids(disputed=True) == ""


async def test_many_are_driven_again_by_relation_time_and_state(
    store: PostgresCustodyStore, database: Database, admin: CustodyAdmin
) -> None:
    for name in ("A", "B", "C"):
        await store.record(ended(await taken(store, make_intake(name)), Refused(NO)))
    late = await taken(store, make_intake("D", receiver=OTHER))
    await store.record(ended(late, Refused(NO)))
    await execute(
        database,
        "update directed_object set received_at = '2026-10-02' where object_id = 'A'",
    )
    since, until = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)
    refused = DirectedState.REFUSED
    one = await cdrs.redrive_all(admin, owner=CPO, since=since, until=until, state=refused)
    assert one.redriven == 1
    assert (await cdrs.redrive_all(admin, owner=CPO)).redriven == 1
    two = await cdrs.redrive_all(admin, owner=CPO, receiver=EMSP, state=refused)
    assert two.redriven == 2
    with pytest.raises(OperatorError, match="say which"):
        await cdrs.redrive_all(admin, state=refused)
    with pytest.raises(OperatorError, match="release"):
        await cdrs.redrive_all(admin, owner=CPO, state=DirectedState.HELD)


async def test_a_conflict_names_the_fields_that_differ(
    store: PostgresCustodyStore, database: Database, admin: CustodyAdmin
) -> None:
    await deliver(store, make_cdr("A"))
    await store.take_in(make_cdr("A", total_energy=99, remark="oh"))
    (conflict,) = await CdrLife(database).conflicts(owner=CPO, receiver=EMSP, limit=10)
    assert conflict.key == cdr_key("A")
    assert await CdrLife(database).conflicts(owner=OTHER, receiver=None, limit=10) == []
    story = await cdrs.show(admin, cdr_key("A"))
    assert set(story.conflicting_fields) == {"total_energy", "remark"}


# Disputes ----------------------------------------------------------------------------------------


async def test_a_dispute_is_opened_answered_and_closed(
    store: PostgresCustodyStore, database: Database, admin: CustodyAdmin
) -> None:
    await deliver(store, make_cdr("A"))
    key = cdr_key("A")
    before = await value(database, "select d::text from directed_object d")
    opened = await cdr_disputes.open_dispute(
        admin, key, Side.EMSP, "he left at two", Decimal("4.20")
    )
    assert (opened.amount, opened.currency, opened.outcome) == ("4.2", "EUR", None)
    with pytest.raises(OperatorError, match="open already"):
        await cdr_disputes.open_dispute(admin, key, Side.CPO, "no", None)
    (line,) = await CdrLife(database).list(CdrFilters(disputed=True), limit=10)
    assert (line.stage, line.disputed) == (Stage.DELIVERED, True)
    await cdr_disputes.answer_dispute(admin, key, "no, at three")
    with pytest.raises(OperatorError, match="without an answer"):
        await cdr_disputes.answer_dispute(admin, key, "once more")
    closed = await cdr_disputes.close_dispute(admin, key, Outcome.ACCEPTED, "a credit follows")
    assert closed.awaits_credit
    with pytest.raises(OperatorError, match="no open dispute"):
        await cdr_disputes.close_dispute(admin, key, Outcome.REJECTED, "no")
    assert await value(database, "select d::text from directed_object d") == before
    gaps = await cdr_gaps(
        database, since=datetime(2026, 1, 1, tzinfo=UTC), expected_after_h=0, limit=10
    )
    assert [gap.kind for gap in gaps] == [GapKind.CREDIT_MISSING]
    await deliver(store, make_cdr("A-C", credit=True, credit_reference_id="A", **costs("-4.20")))
    (told,) = (await cdrs.show(admin, key)).disputes
    assert not told.awaits_credit


@pytest.mark.parametrize(("credited", "awaits"), [("whole", False), ("part", True)])
async def test_nothing_is_awaited_of_a_cdr_that_was_credited_in_full_before(
    store: PostgresCustodyStore,
    database: Database,
    admin: CustodyAdmin,
    credited: str,
    awaits: bool,
) -> None:
    await deliver(store, make_cdr("A", **costs("10.00")))
    await deliver(
        store,
        make_cdr(
            "A-C",
            credit=True,
            credit_reference_id="A",
            **costs("-10.00" if credited == "whole" else "-4.00"),
        ),
    )
    key = cdr_key("A")
    await cdr_disputes.open_dispute(admin, key, Side.EMSP, "twice", None)
    closed = await cdr_disputes.close_dispute(admin, key, Outcome.ACCEPTED, "so it was")
    assert closed.awaits_credit is awaits
    gaps = await cdr_gaps(
        database, since=datetime(2026, 1, 1, tzinfo=UTC), expected_after_h=0, limit=10
    )
    assert [gap.kind for gap in gaps] == ([GapKind.CREDIT_MISSING] if awaits else [])


async def test_only_what_was_delivered_can_be_disputed(
    store: PostgresCustodyStore, admin: CustodyAdmin
) -> None:
    await store.take_in(make_cdr("A", start=Start.HOLD))
    with pytest.raises(OperatorError, match="not delivered"):
        await cdr_disputes.open_dispute(admin, cdr_key("A"), Side.EMSP, "no", None)
    with pytest.raises(NoSuchObject):
        await cdr_disputes.open_dispute(admin, cdr_key("B"), Side.EMSP, "no", None)
    await deliver(store, make_cdr("C"))
    for wrong in ("0", "-1", "NaN", "1e30", "0.0000001"):
        with pytest.raises(OperatorError, match="above 0"):
            await cdr_disputes.open_dispute(admin, cdr_key("C"), Side.EMSP, "no", Decimal(wrong))


# Gaps --------------------------------------------------------------------------------------------

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def take_session(store: PostgresCustodyStore, session_id: str, status: str) -> None:
    body = json.dumps({"id": session_id, "status": status})
    intake = make_intake(session_id, body=body)
    await store.take_in(replace(intake, key=replace(intake.key, module="sessions")))


async def gaps_of(database: Database, kind: GapKind, **filters: Any) -> list[str]:
    found = await cdr_gaps(database, since=LONG_AGO, expected_after_h=0, limit=100, **filters)
    return [gap.id for gap in found if gap.kind is kind]


async def test_a_completed_session_misses_its_cdr(
    store: PostgresCustodyStore, database: Database
) -> None:
    for name, status in (("S-1", "COMPLETED"), ("S-2", "COMPLETED"), ("S-3", "ACTIVE")):
        await take_session(store, name, status)
    await deliver(store, make_cdr("X", session_id="s-1"))
    missing = GapKind.SESSION_WITHOUT_CDR
    assert await gaps_of(database, missing) == ["S-2"]
    assert await gaps_of(database, missing, receiver=OTHER) == []
    late = await cdr_gaps(database, since=LONG_AGO, expected_after_h=100_000, limit=10)
    assert [gap for gap in late if gap.kind is missing] == []


async def test_a_session_is_missed_only_where_its_cpo_sends_sessions(
    store: PostgresCustodyStore, database: Database
) -> None:
    await deliver(
        store,
        make_cdr("X", session_id="S-9"),
        make_cdr("Y", owner=OTHER, session_id="S-9"),
        make_cdr("Z"),
    )
    await take_session(store, "S-1", "ACTIVE")
    await execute(
        database, "update directed_object set received_at = '2026-01-01' where module = 'sessions'"
    )
    assert await gaps_of(database, GapKind.CDR_WITHOUT_SESSION) == ["X"]


async def test_a_number_is_missed_only_where_a_cpo_counts(
    store: PostgresCustodyStore, database: Database
) -> None:
    counted = [f"N-{number:04}" for number in range(995, 1025) if number not in (1000, 1010, 1011)]
    scattered = [f"R{number * number}" for number in range(30)]
    few = [f"F-{number}" for number in range(10) if number != 4]
    for name in (*counted, *scattered, *few):
        await store.take_in(make_cdr(name, start=Start.WAIT))
    assert await gaps_of(database, GapKind.NUMBER_MISSING) == ["N-1000", "N-1010"]
    assert await gaps_of(database, GapKind.NUMBER_MISSING, owner=OTHER) == []
    assert await gaps_of(database, GapKind.NUMBER_MISSING, receiver=EMSP) == []
    # What came in between is not missing, and what is not looked at is not told.
    (oldest,) = await cdr_gaps(
        database, since=LONG_AGO, expected_after_h=0, limit=1, kinds=[GapKind.NUMBER_MISSING]
    )
    assert oldest.text == "no CDR has this number"
    await store.take_in(make_cdr("N-1010", start=Start.WAIT))
    assert await gaps_of(database, GapKind.NUMBER_MISSING) == ["N-1000", "N-1011"]
    newest = await cdr_gaps(
        database,
        since=LONG_AGO,
        expected_after_h=0,
        limit=9,
        looked_at=19,
        kinds=[GapKind.NUMBER_MISSING],
    )
    assert newest == []


async def test_what_arrived_before_a_time_is_found_among_newer_ones(
    store: PostgresCustodyStore, database: Database
) -> None:
    """Also where a CDR came again later, or is in the ledger since later than it came."""
    now = datetime(2026, 10, 1, tzinfo=UTC)
    async with database.transaction() as connection:
        await store_cdrs(connection, CPO, EMSP, 20_000, now)
        again = (
            "with late as (update directed_object set received_at = $1 where object_id = $2)"
            " update cdr_ledger set received_at = $1 where cdr_id = $2"
        )
        await connection.execute(again, now - timedelta(hours=2), "C77")
        await connection.execute(again, now, "C78")
    life = CdrLife(database)

    async def newest(until: datetime) -> list[str]:
        found = await life.list(CdrFilters(until=until), limit=3)
        return [each.row.key.object_id for each in found]

    assert await newest(now + timedelta(days=1)) == ["C20000", "C19999", "C19998"]
    assert await newest(now) == ["C19999", "C19998", "C19997"]
    # An hour after it stands C77, which entered custody hours before.
    assert await newest(now - timedelta(hours=3)) == ["C9199", "C9198", "C9197"]
    assert await newest(now - timedelta(seconds=19_995)) == ["C4", "C3", "C2"]
    assert await newest(now - timedelta(days=1)) == []
    async with database.transaction() as connection:
        await connection.execute("analyze directed_object, cdr_ledger, cdr_transition")
        await connection.execute("set local plan_cache_mode = force_custom_plan")
        filters: list[object] = [3, *[None] * 14]
        filters[12] = now - timedelta(hours=4)
        rows = await connection.fetch(f"explain (analyze) {LIFE_SQL.list}", *filters)
    plan = "\n".join(row[0] for row in rows)
    # The hour after it is passed over, not the hours that followed.
    assert "Rows Removed by Filter: 3600" in plan, plan


async def test_a_report_says_what_it_left_out(
    store: PostgresCustodyStore, database: Database
) -> None:
    for name in ("A", "B", "C"):
        await store.take_in(make_intake(name, start=Start.WAIT))
    await execute(database, "update directed_object set state = 'dead', next_attempt_at = null")
    found = await cdr_gaps(database, since=LONG_AGO, expected_after_h=0, limit=2)
    assert [gap.kind for gap in found] == [GapKind.DEAD, GapKind.DEAD]


# Plans -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "not-counted"])
async def test_what_is_asked_of_all_cdrs_begins_with_an_index(
    database: Database, counted: bool
) -> None:
    """Whether the database has counted what it holds or not."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(days=31), now
    relation = ("NL", "CPO", "DE", "MSP")
    filters: list[object] = [100, *[None] * 14]
    corrected, disputed = [*filters], [*filters]
    corrected[7], disputed[13] = "corrected", True
    asked: dict[str, tuple[str, Sequence[object]]] = {
        **{kind: (query, [begin, *[None] * 4, 100, 24, 5000]) for kind, query in QUERIES.items()},
        "corrected": (LIFE_SQL.list, corrected),
        "disputed": (LIFE_SQL.list, disputed),
        "relations": (REPORT_SQL.relations, [begin, end, None, None, end]),
        "unsettled": (STATEMENT_SQL.unsettled_relations, [end]),
        "days": (REPORT_SQL.days, [*relation, begin, end, "Europe/Berlin"]),
        "entries": (REPORT_SQL.entries_of_time, [0, 100, now - timedelta(minutes=9), end]),
    }
    plans: dict[str, str] = {}
    async with database.transaction() as connection:
        await store_cdrs(connection, CPO, EMSP, 10_000, now)
        await connection.execute(
            "insert into directed_object (module, country_code, party_id, object_id,"
            " receiver_country_code, receiver_party_id, body, fingerprint, last_updated,"
            " correlation_id, state, sent_version)"
            " select 'sessions', country_code, party_id, 'S' || substring(object_id from 2),"
            " receiver_country_code, receiver_party_id, '{\"status\": \"COMPLETED\"}', 'x',"
            " last_updated, 's', 'delivered', 1 from directed_object"
        )
        if counted:
            await connection.execute("analyze directed_object, cdr_ledger")
        await connection.execute("set local plan_cache_mode = force_custom_plan")
        for name, (query, arguments) in asked.items():
            rows = await connection.fetch(f"explain {query}", *arguments)
            plans[name] = "\n".join(row[0] for row in rows)
    for name, plan in plans.items():
        assert "Seq Scan on directed_object" not in plan, (name, plan)
        assert "Seq Scan on cdr_ledger" not in plan, (name, plan)
    assert "directed_object_completed" in plans[GapKind.SESSION_WITHOUT_CDR]
    for kind in (GapKind.CDR_WITHOUT_SESSION, GapKind.NUMBER_MISSING):
        assert "cdr_ledger_received" in plans[kind], plans[kind]
    if counted:
        assert "Index Only Scan using cdr_ledger_days" in plans["days"], plans["days"]
        assert "cdr_ledger_entries_ended" in plans["entries"], plans["entries"]
