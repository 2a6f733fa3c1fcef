"""CDRs with places in the ledger, and whether their recorded lives lead to where they are."""

from __future__ import annotations

import json
from dataclasses import replace

from ocpi_hub.clearing.ledger import CdrFinding, Examination, ledger_facts
from ocpi_hub.clearing.life import WAYS, Stage
from ocpi_hub.delivery.custody import Intake, Start
from ocpi_hub.delivery.verdict import Delivered
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from tests.support.factories import CPO, EMSP, cdr
from tests.support.stores import OK, ended, make_intake, taken

BROKEN = """
with steps as (
    select country_code, party_id, cdr_id, number, from_stage, to_stage,
        lag(to_stage) over life as before,
        lead(number) over life is null as is_last
    from cdr_transition
    window life as (partition by country_code, party_id, cdr_id order by number))
select d.object_id || ': ' || coalesce(s.from_stage, '-') || ' to ' || coalesce(s.to_stage, '-')
    || ', after ' || coalesce(s.before, '-') || ', is ' || d.state
from directed_object d
left join steps s
    on (s.country_code, s.party_id, s.cdr_id) = (d.country_code, d.party_id, d.object_id)
where d.module = 'cdrs'
    and (s.number is null
        or s.from_stage is distinct from s.before
        or s.is_last and s.to_stage <> cdr_stage(d.state, false, false))
limit 20
"""


async def lives_are_whole(database: Database) -> None:
    """Each CDR's steps begin with its arrival, follow each other, and lead to where it is.

    Raises:
        AssertionError: naming those of which this is not so.
    """
    async with database.connection() as connection:
        broken = [row[0] for row in await connection.fetch(BROKEN)]
        taken = await connection.fetch("select distinct from_stage, to_stage from cdr_transition")
    assert not broken, broken
    ways = {(Stage(row[0]) if row[0] else None, Stage(row[1])) for row in taken}
    assert ways <= WAYS.keys(), ways - WAYS.keys()


def make_cdr(
    cdr_id: str = "Cdr-1",
    *,
    start: Start = Start.SEND,
    owner: PartyId = CPO,
    payer: PartyId = EMSP,
    findings: tuple[CdrFinding, ...] = (),
    **fields: object,
) -> Intake:
    """A CDR with its place in the ledger."""
    body = json.dumps(cdr(cdr_id, owner=owner, payer=payer, **fields))
    facts = ledger_facts(CDR.model_validate_json(body))
    intake = make_intake(cdr_id, body=body, start=start, owner=owner, receiver=payer)
    return replace(intake, examined=Examination(facts, findings, complete=True))


async def deliver(store: PostgresCustodyStore, *intakes: Intake) -> None:
    for intake in intakes:
        await store.record(ended(await taken(store, intake), Delivered(OK)))
