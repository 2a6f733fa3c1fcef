"""A month of CDRs: faults are found and classed, good CDRs are not touched, and the statements are
what the texts add up to."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Final

import pytest

from ocpi_hub.clearing.checks import HoldRules
from ocpi_hub.clearing.ledger import Examination
from ocpi_hub.clearing.statement import Month
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.cdr_examiner import CdrExaminer
from ocpi_hub.delivery.custody import Intake, Start, TakenIn
from ocpi_hub.domain.cdr_rules import NO_RULES
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import PartyId, Relation, RelationMode
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.store.check_context import CheckContexts
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.statements import StatementStore
from tests.support.generated_month import Fault, GeneratedCdr, GeneratedMonth
from tests.support.stores import custody_store, writing
from tests.support.thorough import rounds

AFTER: Final = datetime(2026, 11, 10, 6, tzinfo=UTC)
CHUNK: Final = 500

CLASSED: Final[Mapping[Fault, frozenset[str]]] = {
    Fault.TOTAL_COST_WRONG: frozenset({"price_differs"}),
    Fault.ENERGY_SUM_WRONG: frozenset({"energy_unbacked"}),
    Fault.CURRENCY_DIFFERS: frozenset({"currency_differs"}),
    Fault.PERIODS_UNSORTED: frozenset({"periods_unsorted"}),
    Fault.PERIODS_OVERLAP: frozenset({"periods_overlap"}),
    Fault.PERIOD_OUTSIDE: frozenset({"period_outside"}),
    Fault.ENERGY_ABSURD: frozenset({"power_above_connector"}),
    Fault.POWER_ABOVE_CONNECTOR: frozenset({"power_above_connector"}),
    Fault.NEGATIVE_TOTAL: frozenset({"negative_total"}),
    Fault.CREDIT_EXCEEDS: frozenset({"credit_exceeds_original"}),
    Fault.CREDIT_REFERENCE: frozenset({"credit_cyclic", "credit_original_unknown"}),
    Fault.TARIFF_MISSING: frozenset({"tariff_missing", "no_tariff"}),
    Fault.TIME_ZONE_UNKNOWN: frozenset({"time_zone_unknown"}),
    Fault.SIGNATURE_WRONG: frozenset({"signature_invalid"}),
}
"""One of these codes tells each fault."""
HELD: Final = frozenset({Fault.CREDIT_EXCEEDS, Fault.SIGNATURE_WRONG})
"""What is surely wrong waits."""


class AfterTheMonth(SystemClock):
    def now(self) -> datetime:
        return AFTER


@asynccontextmanager
async def examiner(database: Database) -> AsyncIterator[CdrExaminer]:
    clock = AfterTheMonth()
    contexts = CheckContexts(database, clock, batch_rows=1000, batch_queue_rows=20_000)
    async with writing(contexts.questions):
        yield CdrExaminer(contexts, HoldRules.of(NO_RULES), clock)


async def publish(database: Database, module: str, objects: Sequence[tuple[str, str, str]]) -> None:
    async with database.connection() as connection:
        await connection.executemany(
            "insert into shared_object (module, country_code, party_id, object_id, position, body,"
            " last_updated, origin, correlation_id) values ($1, $2, $3,"
            " upper($4::json ->> 'id'), nextval('shared_object_position'), $4::json, now(),"
            " 'broadcast', 'c')",
            [(module, *each) for each in objects],
        )


def chunks(month: GeneratedMonth) -> Iterator[list[GeneratedCdr]]:
    """In parts; a CPO does not send a Credit CDR together with what it takes back."""
    each = iter(month)
    while part := list(islice(each, CHUNK)):
        yield [one for one in part if one.credits is None]
        yield [one for one in part if one.credits is not None]


async def take(
    store: PostgresCustodyStore, part: Sequence[GeneratedCdr], found: Sequence[Examination]
) -> None:
    async def nothing_more(_connection: Connection, _taken: Sequence[TakenIn]) -> None:
        pass

    intakes = [
        Intake(
            key=ObjectKey("cdrs", PartyId(*each.cpo), each.id),
            receiver=PartyId(*each.emsp),
            body=each.body.decode(),
            fingerprint=fingerprint(each.body.decode()),
            last_updated=AFTER,
            correlation_id="c",
            start=Start.HOLD if examined.hold_reason else Start.PULL,
            attempt_id=uuid.uuid4(),
            reason=examined.hold_reason,
            examined=examined,
        )
        for each, examined in zip(part, found, strict=True)
    ]
    await store.take_in_all(intakes, nothing_more)


@pytest.mark.timeout(rounds(120, 7200))
async def test_every_fault_of_a_month_is_found_and_no_good_cdr_is_touched(
    database: Database,
) -> None:
    month = GeneratedMonth(rounds(2000, 200_000))
    await publish(database, "locations", [(*party, body) for party, body in month.locations])
    missed: Counter[str] = Counter()
    touched: list[tuple[str, str, list[str]]] = []
    faults: Counter[Fault] = Counter()
    async with examiner(database) as checks, custody_store(database) as store:
        for part in filter(None, chunks(month)):
            cdrs = [parse_object(each.body, CDR, max_depth=32).value for each in part]
            found = await checks.examine_listed(
                [
                    (cdr, Relation(cdr.owner, cdr.cdr_token.owner, RelationMode.REALTIME))
                    for cdr in cdrs
                ]
            )
            await take(store, part, found)
            for each, examined in zip(part, found, strict=True):
                codes = {finding.code for finding in examined.findings}
                if each.fault is None:
                    if codes:
                        touched.append((each.id, each.kind, sorted(codes)))
                    continue
                faults[each.fault] += 1
                if codes.isdisjoint(CLASSED[each.fault]):
                    missed[f"{each.fault}: {sorted(codes)}"] += 1
                if each.fault in HELD and examined.hold_reason is None:
                    missed[f"{each.fault} is not held"] += 1
        assert touched[:5] == []
        assert dict(missed) == {}
        assert set(faults) == set(Fault)
        await deliver(database, store)
    await statements_are_what_the_texts_add_up_to(database)


async def deliver(database: Database, store: PostgresCustodyStore) -> None:
    """The eMSPs fetch everything that no hold keeps back."""
    async with database.connection() as connection:
        waiting = await connection.fetch(
            "select receiver_country_code, receiver_party_id, array_agg(serial) as serials"
            " from directed_object where state = 'pending' group by 1, 2"
        )
    for country, party, serials in waiting:
        for first in range(0, len(serials), 5000):
            part = serials[first : first + 5000]
            await store.pulled("cdrs", PartyId(country, party), part)


async def statements_are_what_the_texts_add_up_to(database: Database) -> None:
    statements = StatementStore(database)
    closed: dict[tuple[str, ...], tuple[Decimal, ...]] = {}
    for relation in await statements.unsettled(AFTER):
        for month in (Month(2026, 10), Month(2026, 11)):
            statement = await statements.begin(relation, month, "UTC", "somebody")
            async for _ in statements.settle(statement):
                pass
            await statements.close(statement, "somebody")
            found = await statements.find(relation, month)
            assert found is not None
            assert (await statements.recheck(found)).reproduced
            for currency, sums in (await statements.totals(found)).currencies.items():
                place = (*relation.cpo, *relation.emsp, currency)
                figures = (Decimal(sums.all.cdrs), sums.all.energy_kwh, sums.all.excl_vat)
                before = closed.get(place, (Decimal(0),) * 3)
                closed[place] = tuple(a + b for a, b in zip(before, figures, strict=True))
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select country_code, party_id, receiver_country_code, receiver_party_id,"
            " body ->> 'currency', count(*)::numeric, sum((body ->> 'total_energy')::numeric),"
            " sum((body -> 'total_cost' ->> 'excl_vat')::numeric)"
            " from directed_object where state = 'delivered' group by 1, 2, 3, 4, 5"
        )
    assert closed == {tuple(row)[:5]: tuple(row)[5:] for row in rows}
    assert len(closed) >= 4
