-- CDRs as operators look at them: with their figures, their life and what belongs to them.

-- name: list
-- Newest first, from a place on; null filters select everything. Times are those of arrival. It is
-- planned with its values; what a stage or a dispute says of other columns leads to their indexes. What
-- arrived before a time has a smaller serial than what entered custody an hour after it: so newer ones
-- are not read one by one.
select d.*, v as standing,
    cdr_stage(d.state, coalesce(v.is_settled, false), coalesce(v.is_corrected, false)) as stage,
    p.disputed
from directed_object d
left join cdr_standing v
    on (v.country_code, v.party_id, v.cdr_id) = (d.country_code, d.party_id, d.object_id)
cross join lateral (
    select exists (
        select from cdr_dispute c
        where (c.country_code, c.party_id, c.cdr_id)
                = (d.country_code, d.party_id, d.object_id)
            and c.closed_at is null) as disputed) p
where d.module = 'cdrs'
    and ($3::text is null or (d.country_code, d.party_id) = ($3, $4))
    and ($5::text is null or (d.receiver_country_code, d.receiver_party_id) = ($5, $6))
    and ($7::text is null or d.state = $7)
    and ($8::text is null or $8
        = cdr_stage(d.state, coalesce(v.is_settled, false), coalesce(v.is_corrected, false)))
    and ($8::text is null or $8 in ('received', 'delivered', 'settled', 'corrected') or d.state = $8)
    and ($8::text is null or $8 <> 'received' or d.state in ('pending', 'in_flight'))
    and ($8::text is null or $8 <> 'settled' or v.statement_id is not null)
    and ($8::text is null or $8 <> 'corrected' or d.serial = any(array(
        select o.serial
        from cdr_ledger k
        join directed_object o
            on (o.module, o.country_code, o.party_id, o.object_id)
                = ('cdrs', k.country_code, k.party_id, k.credited_id)
        where k.credited_id is not null
            and ($2::bigint is null or o.serial < $2))))
    and ($9::text is null or (v.flags @> array[$9] and (v.flags <> '{}' or v.holds <> '{}')))
    and ($10::text is null or (v.holds @> array[$10] and (v.flags <> '{}' or v.holds <> '{}')))
    and ($11::text is null or v.price_verdict = $11)
    and ($12::timestamptz is null or d.received_at >= $12)
    and ($13::timestamptz is null or d.received_at < $13)
    and ($13::timestamptz is null or d.serial < coalesce((
        select (
            select serial from directed_object
            where (module, country_code, party_id, object_id)
                = ('cdrs', k.country_code, k.party_id, k.cdr_id))
        from cdr_ledger k
        where k.received_at >= $13 + interval '1 hour'
            and (
                select min(at) from cdr_transition
                where (country_code, party_id, cdr_id) = (k.country_code, k.party_id, k.cdr_id)
                    and from_stage is null) >= $13 + interval '1 hour'
        order by k.received_at
        limit 1), 9223372036854775807))
    and ($14::boolean is null or p.disputed = $14)
    and ($14::boolean is not true or d.serial = any(array(
        select o.serial
        from cdr_dispute c
        join directed_object o
            on (o.module, o.country_code, o.party_id, o.object_id)
                = ('cdrs', c.country_code, c.party_id, c.cdr_id)
        where c.closed_at is null
            and ($2::bigint is null or o.serial < $2))))
    and ($15::text is null or d.object_id = $15)
    and ($2::bigint is null or d.serial < $2)
order by d.serial desc
limit $1;

-- name: find
select d.*, v as standing,
    cdr_stage(d.state, coalesce(v.is_settled, false), coalesce(v.is_corrected, false)) as stage,
    exists (
        select from cdr_dispute c
        where (c.country_code, c.party_id, c.cdr_id) = ($1, $2, $3) and c.closed_at is null)
        as disputed
from directed_object d
left join cdr_standing v on (v.country_code, v.party_id, v.cdr_id) = ($1, $2, $3)
where (d.module, d.country_code, d.party_id, d.object_id) = ('cdrs', $1, $2, $3);

-- name: owners
-- Who has a CDR of this id.
select country_code, party_id
from directed_object
where module = 'cdrs' and object_id = $1
order by 1, 2
limit 100;

-- name: transitions
select at, version, from_stage, to_stage, actor, reason
from cdr_transition
where (country_code, party_id, cdr_id) = ($1, $2, $3)
order by number;

-- name: related
-- Credit CDRs of it, what it credits itself, and other CDRs of its session; oldest first.
select v as standing, d.delivered_at,
    cdr_stage(d.state, coalesce(v.is_settled, false), coalesce(v.is_corrected, false)) as stage
from cdr_standing v
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', v.country_code, v.party_id, v.cdr_id)
where (v.country_code, v.party_id) = ($1, $2)
    and v.cdr_id <> $3
    and (v.credited_id is not null
            and left(v.credited_id, 100) = left($3, 100) and v.credited_id = $3
        or v.cdr_id = $4
        or v.session_id is not null
            and left(upper(v.session_id), 100) = left($5, 100) and upper(v.session_id) = $5)
order by v.entry
limit 200;

-- name: conflicts
-- Contents that came for a CDR that is in custody with another one, newest first.
select o.id, o.country_code, o.party_id, o.object_id, o.at, o.body, d.body as kept,
    d.receiver_country_code, d.receiver_party_id, d.state
from directed_other_content o
join directed_object d using (module, country_code, party_id, object_id)
where o.module = 'cdrs'
    and o.kind = 'conflict'
    and ($3::text is null or (o.country_code, o.party_id) = ($3, $4))
    and ($5::text is null or (d.receiver_country_code, d.receiver_party_id) = ($5, $6))
    and ($2::bigint is null or o.id < $2)
order by o.id desc
limit $1;
