-- What belongs to an authorization afterwards: sessions and CDRs, and its own end.

-- name: directed
select receiver_country_code, receiver_party_id, body
from directed_object
where (module, country_code, party_id, object_id) = ($1, $2, $3, $4);

-- name: by_reference
-- The same reference of another eMSP is another one.
select d.*
from authorization_decision d
where d.reference = $1
    and (d.cpo_country_code, d.cpo_party_id) = ($2, $3)
    and (d.emsp_country_code, d.emsp_party_id) = ($4, $5)
order by d.at desc
limit 10;

-- name: inferred
-- The latest ALLOWED for this token at this place before the session began; clocks differ by $10.
select d.*
from authorization_decision d
where upper(d.uid) = upper($1)
    and d.token_type = $2
    and (d.cpo_country_code, d.cpo_party_id) = ($3, $4)
    and (d.emsp_country_code, d.emsp_party_id) = ($5, $6)
    and d.allowed = 'ALLOWED'
    and (d.location is null or upper(d.location ->> 'location_id') = upper($7))
    and d.at between $8::timestamptz - $9::interval and $8::timestamptz + $10::interval
order by d.at desc
limit 1;

-- name: insert_late
insert into authorization_late_answer
select * from unnest(
    $1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[]);

-- name: late
select l.*
from authorization_late_answer l
join unnest($1::timestamptz[], $2::text[]) as d (decided_at, correlation_id)
    using (decided_at, correlation_id)
order by l.decided_at, l.ms;

-- name: remove_old
-- In batches: what another process removes at the same time is left to it.
with old as (
    select id from authorization_decision
    where at < now() - $1::interval
    order by at
    limit $2
    for update skip locked)
delete from authorization_decision d using old where d.id = old.id;

-- name: remove_old_late
with old as (
    select ctid from authorization_late_answer
    where decided_at < now() - $1::interval
    limit $2
    for update skip locked)
delete from authorization_late_answer l using old where l.ctid = old.ctid;
