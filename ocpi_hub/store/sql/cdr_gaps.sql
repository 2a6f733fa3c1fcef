-- What is missing, or needs somebody, among the CDRs since a time. Parameters of all: $1 since; $2, $3
-- the owner and $4, $5 the receiver, or nulls; $6 rows at most; $7 hours after which a CDR is expected.

-- name: session_without_cdr
select d.country_code, d.party_id, d.receiver_country_code, d.receiver_party_id, d.object_id as id,
    d.last_updated as at, 'completed, and no CDR names it' as text
from directed_object d
where d.module = 'sessions'
    and d.last_updated >= $1
    and d.last_updated < now() - make_interval(hours => $7::int)
    and ($2::text is null or (d.country_code, d.party_id) = ($2, $3))
    and ($4::text is null or (d.receiver_country_code, d.receiver_party_id) = ($4, $5))
    and d.body ->> 'status' = 'COMPLETED'
    and not exists (
        select from cdr_ledger l
        where (l.country_code, l.party_id) = (d.country_code, d.party_id)
            and l.session_id is not null
            and left(upper(l.session_id), 100) = left(d.object_id, 100)
            and upper(l.session_id) = d.object_id)
order by d.last_updated
limit $6;

-- name: cdr_without_session
-- Of CPOs that sent sessions before this one began; a Credit CDR repeats what its original says.
with begun as (
    select country_code, party_id, min(received_at) as at
    from directed_object
    where module = 'sessions'
    group by 1, 2)
select l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id,
    l.spelled_id as id, l.received_at as at,
    'the hub never saw its session ' || l.session_id as text
from cdr_ledger l
join begun b using (country_code, party_id)
where l.received_at >= $1
    and l.received_at < now() - make_interval(hours => least($7::int, 1))
    and l.started_at >= b.at
    and not l.is_credit
    and l.session_id is not null
    and ($2::text is null or (l.country_code, l.party_id) = ($2, $3))
    and ($4::text is null or (l.receiver_country_code, l.receiver_party_id) = ($4, $5))
    and not exists (
        select from directed_object d
        where (d.module, d.country_code, d.party_id, d.object_id)
            = ('sessions', l.country_code, l.party_id, upper(l.session_id)))
order by l.entry
limit $6;

-- name: number_missing
-- Of ids that end in numbers: only where these follow each other so closely, at least 20 of them and
-- nine in ten of what they span, that a CPO must be counting. A number that another receiver's CDR
-- has is not missing, so receivers are no filter here, and what is older than $1 counts as well.
with numbered as (
    select country_code, party_id, left(object_id, -length(digits)) as prefix,
        digits::numeric as number, length(digits) as digits, received_at
    from (
        select country_code, party_id, object_id, received_at,
            substring(object_id from '[0-9]{1,18}$') as digits
        from directed_object
        where module = 'cdrs'
            and coalesce($4::text, $5::text) is null
            and ($2::text is null or (country_code, party_id) = ($2, $3))
            and received_at >= $1::timestamptz - interval '31 days') as ids
    where digits is not null),
runs as (
    select country_code, party_id, prefix
    from numbered
    group by 1, 2, 3
    having count(distinct number) >= 20
        and count(distinct number) >= 0.9 * (max(number) - min(number) + 1)),
steps as (
    select country_code, party_id, prefix, digits, number, received_at,
        lag(number) over (partition by country_code, party_id, prefix order by number) as before
    from numbered
    join runs using (country_code, party_id, prefix))
select country_code, party_id, null as receiver_country_code, null as receiver_party_id,
    prefix || lpad((before + 1)::text, greatest(digits, length((before + 1)::text)), '0') as id,
    received_at as at,
    case when number - before = 2 then 'no CDR has this number'
        else 'no CDR has this number, nor the ' || (number - before - 2) || ' after it' end as text
from steps
where number - before > 1
    and received_at >= $1::timestamptz
    and received_at < now() - make_interval(hours => $7::int)
order by received_at
limit $6;

-- name: refused_after_ack
select country_code, party_id, receiver_country_code, receiver_party_id, object_id as id,
    changed_at as at,
    concat_ws(', ', 'its sender was told 1000; then', 'HTTP ' || last_http, 'OCPI ' || last_ocpi,
        last_message, reason) as text
from directed_object
where module = 'cdrs'
    and state in ('refused', 'uncertain')
    and refused_after_ack
    and changed_at >= $1
    and $7::int is not null
    and ($2::text is null or (country_code, party_id) = ($2, $3))
    and ($4::text is null or (receiver_country_code, receiver_party_id) = ($4, $5))
order by serial
limit $6;

-- name: dead
select country_code, party_id, receiver_country_code, receiver_party_id, object_id as id,
    changed_at as at, coalesce(reason, 'not delivered') as text
from directed_object
where module = 'cdrs'
    and state = 'dead'
    and changed_at >= $1
    and $7::int is not null
    and ($2::text is null or (country_code, party_id) = ($2, $3))
    and ($4::text is null or (receiver_country_code, receiver_party_id) = ($4, $5))
order by serial
limit $6;

-- name: credit_missing
-- An accepted dispute asks for a Credit CDR.
select c.country_code, c.party_id, d.receiver_country_code, d.receiver_party_id, c.cdr_id as id,
    c.closed_at as at, 'a dispute was accepted, and no Credit CDR came' as text
from cdr_dispute c
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', c.country_code, c.party_id, c.cdr_id)
where c.outcome = 'accepted'
    and c.closed_at >= $1
    and c.closed_at < now() - make_interval(hours => $7::int)
    and ($2::text is null or (c.country_code, c.party_id) = ($2, $3))
    and ($4::text is null or (d.receiver_country_code, d.receiver_party_id) = ($4, $5))
    and not exists (
        select from cdr_ledger k
        where (k.country_code, k.party_id) = (c.country_code, c.party_id)
            and k.credited_id is not null
            and left(k.credited_id, 100) = left(c.cdr_id, 100)
            and k.credited_id = c.cdr_id
            and k.received_at >= c.opened_at)
order by c.dispute_id
limit $6;
