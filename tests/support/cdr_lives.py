"""Whether the recorded lives of all CDRs agree with where the CDRs are."""

from __future__ import annotations

from ocpi_hub.clearing.life import WAYS, Stage
from ocpi_hub.store.database import Database

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
