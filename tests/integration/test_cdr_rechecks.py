"""What belongs to a CDR, and CDRs that are examined again, on a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.clearing.checks import HoldRules
from ocpi_hub.clearing.ledger import Examination
from ocpi_hub.delivery.cdr_examiner import CdrExaminer
from ocpi_hub.delivery.cdr_rechecks import BATCH_BYTES, LEASE, CdrRechecks, Rechecked
from ocpi_hub.delivery.custody import Start, TakenIn
from ocpi_hub.delivery.verdict import Delivered, Refused
from ocpi_hub.domain.cdr_rules import NO_RULES, CdrLimits, CdrRules, Weight
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import Relation, RelationMode
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.store.cdr_rechecks import PostgresRecheckStore, RecheckScope
from ocpi_hub.store.check_context import CheckContexts
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Database
from tests.support.examining import CameAt, good_cdr
from tests.support.factories import CPO, EMSP, make_directory, text
from tests.support.stores import (
    NO,
    OK,
    custody_store,
    ended,
    execute,
    make_intake,
    state_of,
    value,
    writing,
)
from tests.unit.ocpi.factories import make_location, make_session, make_tariff

STRICT = CdrRules(weights=(("price_differs", Weight.HOLD),))
DEAR: dict[str, Any] = {"total_cost": {"excl_vat": 90, "incl_vat": 108.9}}
MANY = [
    {
        "start_date_time": "2026-10-01T08:00:00Z",
        "dimensions": [{"type": "ENERGY", "volume": 0.05}],
        "tariff_id": "T1",
    }
] * 450


@dataclass
class Hub:
    """A custody with checks."""

    database: Database
    custody: PostgresCustodyStore
    contexts: CheckContexts
    rules: CdrRules = NO_RULES
    freed: int = 0

    @property
    def examiner(self) -> CdrExaminer:
        return CdrExaminer(self.contexts, HoldRules.of(self.rules), CameAt())

    @property
    def rechecks(self) -> CdrRechecks:
        relation = Relation(CPO, EMSP, RelationMode.REALTIME)

        def free() -> None:
            self.freed += 1

        return CdrRechecks(
            PostgresRecheckStore(self.database),
            self.examiner,
            lambda: make_directory(relations=[relation]),
            CameAt(),
            let_go=free,
            max_depth=32,
            poll_s=0.01,
        )

    async def examine(self, *cdrs: dict[str, object]) -> Sequence[Examination]:
        """As if they were in one list."""
        relation = Relation(CPO, EMSP, RelationMode.REALTIME)
        read = [parse_object(text(each).encode(), CDR, max_depth=32).value for each in cdrs]
        return await self.examiner.examine_listed([(each, relation) for each in read])

    async def take(self, content: dict[str, object], **changes: Any) -> TakenIn:
        """Examine a CDR and take it in."""
        (examined,) = await self.examine(content)
        start = Start.HOLD if examined.hold_reason else Start.WAIT
        intake = make_intake(str(content["id"]), body=text(content), start=start)
        intake = replace(intake, examined=examined, reason=examined.hold_reason)
        return await self.custody.take_in(replace(intake, **changes))

    async def codes(self, cdr_id: str = "CDR-1") -> tuple[list[str], list[str]]:
        """Flags and holds in the ledger."""
        async with self.database.connection() as connection:
            row = await connection.fetchrow(
                "select flags, holds from cdr_ledger where cdr_id = $1", cdr_id
            )
        assert row is not None
        return sorted(row["flags"]), sorted(row["holds"])

    async def check_all(self) -> None:
        """`cdr check`, and what follows."""
        await PostgresRecheckStore(self.database).ask(RecheckScope())
        while await self.rechecks.work():
            pass

    async def publish(self, module: str, content: dict[str, Any], audience: str = "*") -> None:
        await execute(
            self.database,
            "insert into shared_object (module, country_code, party_id, object_id, audience,"
            " position, body, last_updated, origin, correlation_id) values ($1, 'NL', 'CPO',"
            " upper($2), $3, nextval('shared_object_position'), $4, now(), 'broadcast', 'c')",
            module, content["id"], audience, json.dumps(content),
        )  # fmt: skip


@asynccontextmanager
async def started(database: Database) -> AsyncIterator[Hub]:
    contexts = CheckContexts(database, CameAt(), batch_rows=1000, batch_queue_rows=1000)
    async with custody_store(database) as custody, writing(contexts.questions):
        yield Hub(database, custody, contexts)


@pytest_asyncio.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    async with started(database) as running:
        yield running


# What belongs to a CDR ---------------------------------------------------------------------------


async def test_a_good_cdr_is_complete_and_nothing_is_found(hub: Hub) -> None:
    await hub.take(good_cdr())
    assert await hub.codes() == ([], [])
    assert await value(hub.database, "select price_verdict from cdr_ledger") == "equal"
    vat = json.loads(await value(hub.database, "select price_vat from cdr_ledger"))
    assert vat == [{"rate": "21", "excl_vat": "9.000000", "vat": "1.890000"}]
    assert await value(hub.database, "select check_at is null from cdr_ledger")


def located(**connector: object) -> dict[str, Any]:
    location = make_location()
    location["evses"][0] |= {"uid": "EVSE1"}
    location["evses"][0]["connectors"][0] |= {"id": "1", **connector}
    return location


async def test_average_power_is_compared_with_the_connector(hub: Hub) -> None:
    await hub.publish("locations", located(max_electric_power=11_000))
    await hub.take(good_cdr())
    assert await hub.codes() == (["power_above_connector"], [])


async def test_a_location_for_the_receiver_alone_comes_before_the_public_one(hub: Hub) -> None:
    await hub.publish("locations", located(max_electric_power=11_000))
    await hub.publish("locations", located(max_electric_power=22_000), audience=str(EMSP))
    await hub.take(good_cdr())
    assert await hub.codes() == ([], [])


async def test_a_location_or_connector_that_the_cpo_did_not_publish_is_flagged(hub: Hub) -> None:
    await hub.publish("locations", located(max_electric_power=22_000))
    await hub.take(good_cdr("A", cdr_location=moved(id="LOC9")))
    await hub.take(good_cdr("B", cdr_location=moved(connector_id="7")))
    assert await hub.codes("A") == (["location_unknown"], [])
    assert await hub.codes("B") == (["connector_unknown"], [])


def moved(**fields: object) -> dict[str, Any]:
    location = good_cdr()["cdr_location"]
    assert isinstance(location, dict)
    return location | fields


async def test_a_cdr_without_tariff_is_priced_by_that_of_its_connector(hub: Hub) -> None:
    await hub.publish("locations", located(tariff_ids=["t1"]))
    await hub.take(good_cdr("NONE", tariffs=[]))
    tariff = good_cdr()["tariffs"]
    assert isinstance(tariff, list)
    await hub.publish("tariffs", tariff[0])
    await hub.take(good_cdr("ONE", tariffs=[]))
    assert await hub.codes("NONE") == (["no_tariff"], [])
    assert await hub.codes("ONE") == ([], [])


async def test_a_tariff_that_was_over_when_the_session_began_is_not_taken(hub: Hub) -> None:
    periods = [dict(MANY[0], dimensions=[{"type": "ENERGY", "volume": 22.5}])]
    await hub.publish("tariffs", make_tariff(end_date_time="2026-09-01T00:00:00Z"))
    await hub.take(good_cdr(tariffs=[], charging_periods=periods))
    assert await hub.codes() == (["no_tariff"], [])


async def test_a_session_that_says_otherwise_is_flagged(hub: Hub) -> None:
    session = make_session(status="COMPLETED", kwh=20, currency="SEK", evse_uid="E9")
    await hub.custody.take_in(
        replace(make_intake("S1", body=json.dumps(session)), key=session_key())
    )
    await hub.take(good_cdr(session_id="s1"))
    flags, _ = await hub.codes()
    assert flags == [
        "session_currency_differs",
        "session_energy_differs",
        "session_location_differs",
        "session_token_differs",
    ]


def session_key() -> Any:
    return replace(make_intake().key, module="sessions", object_id="S1")


async def test_an_authorization_that_was_refused_is_flagged(hub: Hub) -> None:
    await execute(
        hub.database,
        "insert into authorization_decision (at, uid, token_type, cpo_country_code, cpo_party_id,"
        " emsp_country_code, emsp_party_id, decided_by, reason, allowed, reference, http_status,"
        " status_code, total_ms, legs, correlation_id) values (now(), '04aabbcc', 'RFID', 'NL',"
        " 'CPO', 'DE', 'MSP', 'emsp', 'answered', 'BLOCKED', 'REF', 200, 1000, 1, '[]', 'c')",
    )
    await hub.take(good_cdr(authorization_reference="REF"))
    assert await hub.codes() == (["authorization_denied"], [])


async def test_a_second_cdr_of_a_session_is_flagged_unless_the_first_was_taken_back(
    hub: Hub,
) -> None:
    await hub.take(good_cdr("A", session_id="S"))
    await hub.take(good_cdr("B", session_id="s"))
    assert await hub.codes("B") == (["session_billed_twice"], [])
    back = {"total_cost": {"excl_vat": -9, "incl_vat": -10.89}}
    for number, name in enumerate(("A", "B")):
        fields = back | {"credit": True, "credit_reference_id": name, "session_id": "S"}
        await hub.take(good_cdr(f"C{number}", **fields))
    await hub.take(good_cdr("D", session_id="S"))
    assert await hub.codes("C0") == ([], [])
    assert await hub.codes("D") == ([], [])


async def test_a_credit_cdr_that_takes_back_more_is_held(hub: Hub) -> None:
    await hub.take(good_cdr("A"))
    more = {"total_cost": {"excl_vat": -10}, "credit": True, "credit_reference_id": "a"}
    await hub.take(good_cdr("C", **more))
    assert await hub.codes("C") == (["price_differs"], ["credit_exceeds_original"])
    assert await state_of(hub.custody, "C") is DirectedState.HELD


async def test_what_comes_in_one_list_with_what_it_takes_back_is_examined_again_at_once(
    hub: Hub,
) -> None:
    back = {"total_cost": {"excl_vat": -9}, "credit": True, "credit_reference_id": "A"}
    first, second = good_cdr("A"), good_cdr("C", **back)
    for content, examined in zip((first, second), await hub.examine(first, second), strict=True):
        start = Start.HOLD if examined.hold_reason else Start.WAIT
        intake = make_intake(str(content["id"]), body=text(content), start=start)
        await hub.custody.take_in(replace(intake, examined=examined, reason=examined.hold_reason))
    assert (await hub.codes("C"))[1] == ["not_yet_checked"]
    while await hub.rechecks.work():
        pass
    assert await hub.codes("C") == ([], [])
    assert await state_of(hub.custody, "C") is DirectedState.PENDING


# Again -------------------------------------------------------------------------------------------


async def test_a_large_cdr_is_priced_afterwards(hub: Hub) -> None:
    await hub.take(good_cdr(charging_periods=MANY))
    assert await value(hub.database, "select price_verdict from cdr_ledger") is None
    while await hub.rechecks.work():
        pass
    assert await value(hub.database, "select price_verdict from cdr_ledger") == "equal"


async def test_what_may_be_held_for_its_price_waits_until_that_is_known(hub: Hub) -> None:
    hub.rules = STRICT
    await hub.take(good_cdr("GOOD", charging_periods=MANY))
    await hub.take(good_cdr("DEAR", charging_periods=MANY, **DEAR))
    for cdr_id in ("GOOD", "DEAR"):
        assert (await hub.codes(cdr_id))[1] == ["not_yet_checked"]
        assert await state_of(hub.custody, cdr_id) is DirectedState.HELD
    while await hub.rechecks.work():
        pass
    assert await state_of(hub.custody, "GOOD") is DirectedState.PENDING
    assert await state_of(hub.custody, "DEAR") is DirectedState.HELD
    assert (await hub.codes("DEAR"))[1] == ["price_differs"]
    assert hub.freed == 1


async def test_what_is_sent_again_and_waits_for_its_price_is_looked_at(hub: Hub) -> None:
    content = good_cdr(charging_periods=MANY)
    first = await hub.take(content, start=Start.SEND)
    while await hub.rechecks.work():
        pass
    assert first.attempt is not None
    await hub.custody.record(ended(first.attempt, Refused(NO)))
    hub.rules = STRICT
    await hub.take(content)
    assert await state_of(hub.custody) is DirectedState.HELD
    while await hub.rechecks.work():
        pass
    assert await state_of(hub.custody) is DirectedState.PENDING


async def test_stricter_rules_hold_what_waits_and_only_flag_what_is_delivered(hub: Hub) -> None:
    await hub.take(good_cdr("WAITS", **DEAR))
    there = await hub.take(good_cdr("THERE", **DEAR), start=Start.SEND)
    assert there.attempt is not None
    await hub.custody.record(ended(there.attempt, Delivered(OK, None)))
    hub.rules = STRICT
    await hub.check_all()
    assert await state_of(hub.custody, "WAITS") is DirectedState.HELD
    assert await state_of(hub.custody, "THERE") is DirectedState.DELIVERED
    assert await hub.codes("THERE") == (["price_differs"], [])
    reason = await value(hub.database, "select reason from directed_object where state = 'held'")
    assert reason.startswith("total_cost is 90, recomputed 9.00: 81.00 EUR more")


async def test_milder_rules_let_go_what_they_held_once(hub: Hub) -> None:
    hub.rules = STRICT
    await hub.take(good_cdr(**DEAR))
    hub.rules = NO_RULES
    await hub.check_all()
    assert await state_of(hub.custody) is DirectedState.PENDING
    steps = await value(
        hub.database,
        "select array_agg(concat_ws(' ', from_stage, to_stage, actor) order by number)"
        " from cdr_transition",
    )
    assert steps == ["held hub", "held received hub"]


async def test_what_an_operator_released_is_not_held_again(hub: Hub) -> None:
    hub.rules = STRICT
    await hub.take(good_cdr(**DEAR))
    admin = CustodyAdmin(hub.database, "cdrs")
    await admin.send_again(
        (DirectedState.HELD,), by="operator anna", owner=CPO, object_id="CDR-1", reason="a truck"
    )
    hub.rules = CdrRules(STRICT.weights, CdrLimits(duration_h=STRICT_HOURS))
    for _ in range(2):
        await hub.check_all()
        assert await state_of(hub.custody) is DirectedState.PENDING
        assert await hub.codes() == (["price_differs", "total_time_above_limit"], [])


STRICT_HOURS = parse_object(text(good_cdr()).encode(), CDR, max_depth=32).value.total_time / 2


async def test_a_new_content_is_not_judged_by_what_was_found_in_the_old_one(hub: Hub) -> None:
    await hub.take(good_cdr())
    await PostgresRecheckStore(hub.database).ask(RecheckScope())
    store = PostgresRecheckStore(hub.database)
    (due,) = await store.claim(10, BATCH_BYTES, LEASE)
    await execute(hub.database, "update directed_object set version = 2")
    (examined,) = await hub.examine(good_cdr(**DEAR))
    assert await store.settle([Rechecked(due, examined)]) == 0
    assert await hub.codes() == ([], [])


async def test_two_processes_do_not_look_at_the_same_cdr_and_who_dies_is_followed(
    hub: Hub,
) -> None:
    for number in range(4):
        await hub.take(good_cdr(f"CDR-{number}"))
    store = PostgresRecheckStore(hub.database)
    assert await store.ask(RecheckScope(owner=CPO)) == 4
    first, second = await asyncio.gather(
        store.claim(2, BATCH_BYTES, LEASE), store.claim(4, BATCH_BYTES, timedelta())
    )
    assert len(first) + len(second) == 4
    assert not {each.key for each in first} & {each.key for each in second}
    # The second one's lease is over: somebody else looks at them.
    assert {each.key for each in await store.claim(4, BATCH_BYTES, LEASE)} == {
        each.key for each in second
    }


async def test_only_what_matches_is_examined_again(hub: Hub) -> None:
    await hub.take(good_cdr("EARLY"))
    await hub.take(good_cdr("LATE", end_date_time="2026-10-01T10:30:00Z", total_time=2.5))
    store = PostgresRecheckStore(hub.database)
    (_, late) = [
        parse_object(text(each).encode(), CDR, max_depth=32).value.end_date_time
        for each in (good_cdr(), good_cdr(end_date_time="2026-10-01T10:30:00Z"))
    ]
    assert await store.ask(RecheckScope(owner=CPO, receiver=EMSP, since=late)) == 1
    assert await store.ask(RecheckScope(until=late)) == 1
    assert await store.ask(RecheckScope(owner=EMSP)) == 0


async def test_what_is_asked_for_while_it_is_examined_is_examined_once_more(hub: Hub) -> None:
    await hub.take(good_cdr())
    store = PostgresRecheckStore(hub.database)
    await store.ask(RecheckScope())
    (due,) = await store.claim(10, BATCH_BYTES, LEASE)
    await store.ask(RecheckScope())
    (examined,) = await hub.examine(good_cdr())
    await store.settle([Rechecked(due, examined)])
    assert len(await store.claim(10, BATCH_BYTES, LEASE)) == 1


async def test_a_session_that_comes_later_is_waited_for_an_hour_and_a_day(hub: Hub) -> None:
    await hub.take(good_cdr(session_id="LATER"))
    due = "select (extract(epoch from check_at - received_at) / 3600)::int from cdr_ledger"
    assert await value(hub.database, due) == 1
    for passed, hours in ((1, 24), (23, None)):
        await execute(
            hub.database,
            "update cdr_ledger set received_at = received_at - make_interval(hours => $1),"
            " check_at = now() - interval '1 second'",
            passed,
        )
        while await hub.rechecks.work():
            pass
        assert await value(hub.database, due) == hours


async def test_cdrs_from_before_the_ledger_are_entered_and_examined(hub: Hub) -> None:
    for number in range(3):
        content = good_cdr(f"OLD-{number}", **(DEAR if number == 0 else {}))
        await hub.custody.take_in(make_intake(f"OLD-{number}", body=text(content)))
    await hub.custody.take_in(make_intake("BROKEN", body='{"id": "BROKEN"}'))
    rechecks = hub.rechecks
    while await rechecks.work():
        pass
    assert await value(hub.database, "select count(*) from cdr_ledger") == 3
    assert await hub.codes("OLD-0") == (["price_differs"], [])
    assert await hub.codes("OLD-1") == ([], [])


async def test_the_loop_goes_on_until_it_is_told_to_stop(hub: Hub) -> None:
    await hub.take(good_cdr(charging_periods=MANY))
    stop = asyncio.Event()
    loop = asyncio.create_task(hub.rechecks.run(stop))
    async with asyncio.timeout(30):
        while await value(hub.database, "select price_verdict from cdr_ledger") is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    stop.set()
    await loop


@pytest.mark.parametrize("cdrs", [1, 3])
async def test_a_database_that_is_away_leaves_what_links_say_for_later(hub: Hub, cdrs: int) -> None:
    await hub.database.close()
    back = {"total_cost": {"excl_vat": -9}, "credit": True, "credit_reference_id": "A"}
    found = await hub.examine(*(good_cdr(f"C{number}", **back) for number in range(cdrs)))
    for each in found:
        assert not each.complete
        assert [finding.code for finding in each.findings if finding.hold] == ["not_yet_checked"]


async def test_what_is_large_is_taken_one_by_one(hub: Hub) -> None:
    for number in range(3):
        await hub.take(good_cdr(f"CDR-{number}"))
    store = PostgresRecheckStore(hub.database)
    await store.ask(RecheckScope())
    claimed = [len(await store.claim(10, 10, LEASE)) for _ in range(4)]
    assert claimed == [1, 1, 1, 0]
