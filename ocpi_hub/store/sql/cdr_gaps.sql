-- What is missing, or needs somebody, among the CDRs since a time. Parameters of all: $1 since; $2, $3
-- the owner and $4, $5 the receiver, or nulls; $6 rows at most; $7 hours after which a CDR is expected.
-- What has to be held against something else is looked at newest first, and so many of them: $8.

-- name: session_without_cdr
with looked_at as materialized (
    select d.country_code, d.party_id, d.receiver_country_code, d.receiver_party_id, d.object_id,
        d.last_updated
    from directed_object d
    where d.module = 'sessions'
        and d.body ->> 'status' = 'COMPLETED'
        and d.last_updated >= $1
        and d.last_updated < now() - make_interval(hours => $7::int)
        and ($2::text is null or (d.country_code, d.party_id) = ($2, $3))
        and ($4::text is null or (d.receiver_country_code, d.receiver_party_id) = ($4, $5))
    order by d.last_updated desc
    limit $8)
select s.country_code, s.party_id, s.receiver_country_code, s.receiver_party_id, s.object_id as id,
    s.last_updated as at, 'completed, and no CDR names it' as text
from looked_at s
where not exists (
        select from cdr_ledger l
        where (l.country_code, l.party_id) = (s.country_code, s.party_id)
            and l.session_id is not null
            and left(upper(l.session_id), 100) = left(s.object_id, 100)
            and upper(l.session_id) = s.object_id
        offset 0)
order by s.last_updated
limit $6;

-- name: cdr_without_session
-- Of CPOs that sent sessions before this one began; a Credit CDR repeats what its original says.
with looked_at as materialized (
    select l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id, l.entry,
        l.spelled_id, l.received_at, l.started_at, l.session_id
    from cdr_ledger l
    where l.received_at >= $1
        and l.received_at < now() - make_interval(hours => least($7::int, 1))
        and not l.is_credit
        and l.session_id is not null
        and ($2::text is null or (l.country_code, l.party_id) = ($2, $3))
        and ($4::text is null or (l.receiver_country_code, l.receiver_party_id) = ($4, $5))
    order by l.received_at desc
    limit $8),
unseen as materialized (
    select *
    from looked_at l
    where not exists (
        select from directed_object d
        where (d.module, d.country_code, d.party_id, d.object_id)
            = ('sessions', l.country_code, l.party_id, upper(l.session_id))
        offset 0)),
begun as materialized (
    select country_code, party_id, first.received_at as at
    from (select distinct country_code, party_id from unseen) as owner
    cross join lateral (
        select d.received_at
        from directed_object d
        where d.module = 'sessions'
            and (d.country_code, d.party_id) = (owner.country_code, owner.party_id)
        order by d.received_at
        limit 1) as first)
select l.country_code, l.party_id, l.receiver_country_code, l.receiver_party_id,
    l.spelled_id as id, l.received_at as at,
    'the hub never saw its session ' || l.session_id as text
from unseen l
join begun b using (country_code, party_id)
where l.started_at >= b.at
order by l.entry
limit $6;

-- name: number_missing
-- Of ids that end in numbers: only where these follow each other so closely, at least 20 of them and
-- nine in ten of what they span, that a CPO must be counting. A number that another receiver's CDR
-- has is not missing, so receivers are no filter here, and what is older than $1 counts as well.
-- What came since a CDR is expected, or is not looked at, fills gaps, too.
with looked_at as materialized (
    select l.country_code, l.party_id, l.cdr_id, l.received_at
    from cdr_ledger l
    where coalesce($4::text, $5::text) is null
        and ($2::text is null or (l.country_code, l.party_id) = ($2, $3))
        and l.received_at >= $1::timestamptz - interval '31 days'
        and l.received_at < now() - make_interval(hours => $7::int)
    order by l.received_at desc
    limit $8),
numbered as materialized (
    select country_code, party_id, left(cdr_id, length(cdr_id) - digits) as prefix,
        right(cdr_id, digits)::bigint as number, digits, received_at
    from (
        select *, least(length(cdr_id) - length(rtrim(cdr_id, '0123456789')), 18) as digits
        from looked_at) as ids
    where digits > 0),
runs as (
    select country_code, party_id, prefix
    from numbered
    group by 1, 2, 3
    having count(*) >= 20
        and count(distinct number) >= 20
        and count(distinct number) >= 0.9 * (max(number) - min(number) + 1)),
steps as (
    select country_code, party_id, prefix, digits, number, received_at,
        lag(number) over (partition by country_code, party_id, prefix order by number) as before
    from numbered
    join runs using (country_code, party_id, prefix)),
missing as (
    select s.*, n, n - row_number() over (
        partition by country_code, party_id, prefix, number order by n) as island
    from steps s
    cross join generate_series(s.before + 1, s.number - 1) n
    where s.number - s.before > 1
        and s.received_at >= $1::timestamptz
        and not exists (
            select from directed_object d
            where (d.module, d.country_code, d.party_id) = ('cdrs', s.country_code, s.party_id)
                and d.object_id in (s.prefix || n,
                    s.prefix || lpad(n::text, greatest(s.digits, length(n::text)), '0'))
            offset 0))
select country_code, party_id, null as receiver_country_code, null as receiver_party_id,
    prefix || lpad(min(n)::text, greatest(digits, length(min(n)::text)), '0') as id,
    received_at as at,
    case when count(*) = 1 then 'no CDR has this number'
        else 'no CDR has this number, nor the ' || (count(*) - 1) || ' after it' end as text
from missing
group by country_code, party_id, prefix, digits, number, received_at, island
order by received_at, id
limit $6;

-- name: refused_after_ack
select country_code, party_id, receiver_country_code, receiver_party_id, object_id as id,
    changed_at as at,
    concat_ws(', ', 'its sender was told 1000; then', 'HTTP ' || last_http, 'OCPI ' || last_ocpi,
        last_message, reason) as text,
    array_remove(
        array[body #>> '{cdr_token,uid}', body #>> '{cdr_token,contract_id}'], null) as card
from directed_object
where module = 'cdrs'
    and state in ('refused', 'uncertain')
    and refused_after_ack
    and changed_at >= $1
    and num_nulls($7::int, $8::int) = 0
    and ($2::text is null or (country_code, party_id) = ($2, $3))
    and ($4::text is null or (receiver_country_code, receiver_party_id) = ($4, $5))
order by serial
limit $6;

-- name: dead
select country_code, party_id, receiver_country_code, receiver_party_id, object_id as id,
    changed_at as at, coalesce(reason, 'not delivered') as text,
    array_remove(
        array[body #>> '{cdr_token,uid}', body #>> '{cdr_token,contract_id}'], null) as card
from directed_object
where module = 'cdrs'
    and state = 'dead'
    and changed_at >= $1
    and num_nulls($7::int, $8::int) = 0
    and ($2::text is null or (country_code, party_id) = ($2, $3))
    and ($4::text is null or (receiver_country_code, receiver_party_id) = ($4, $5))
order by serial
limit $6;

-- name: credit_missing
-- An accepted dispute asks for a Credit CDR, as in disputes.sql.
select c.country_code, c.party_id, d.receiver_country_code, d.receiver_party_id, c.cdr_id as id,
    c.closed_at as at, 'a dispute was accepted, and no Credit CDR came' as text
from cdr_dispute c
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', c.country_code, c.party_id, c.cdr_id)
left join cdr_ledger l
    on (l.country_code, l.party_id, l.cdr_id) = (c.country_code, c.party_id, c.cdr_id)
where c.outcome = 'accepted'
    and c.closed_at >= $1
    and c.closed_at < now() - make_interval(hours => $7::int)
    and $8::int is not null
    and ($2::text is null or (c.country_code, c.party_id) = ($2, $3))
    and ($4::text is null or (d.receiver_country_code, d.receiver_party_id) = ($4, $5))
    and not exists (
        select from cdr_ledger k
        where (k.country_code, k.party_id) = (c.country_code, c.party_id)
            and k.credited_id is not null
            and left(k.credited_id, 100) = left(c.cdr_id, 100)
            and k.credited_id = c.cdr_id
        having max(k.received_at) >= c.opened_at
            or case when l.cost_excl_vat = 0 then sum(k.cost_excl_vat) = 0
                else sign(l.cost_excl_vat + sum(k.cost_excl_vat)
                    filter (where upper(k.currency) = upper(l.currency))) <> sign(l.cost_excl_vat)
                end)
order by c.dispute_id
limit $6;
