-- What operators ask and do about directed objects.

-- name: list
-- Newest first, from a place on; null filters select everything.
select *
from directed_object
where module = $1
    and ($2::text is null or state = $2)
    and ($3::text is null or (country_code, party_id) = ($3, $4))
    and ($5::text is null or (receiver_country_code, receiver_party_id) = ($5, $6))
    and ($8::bigint is null or serial < $8)
order by serial desc
limit $7;

-- name: attempts
select attempt_id, version, ended_at, outcome, http, ocpi, message
from delivery_attempt
where (module, country_code, party_id, object_id) = ($1, $2, $3, $4)
order by ended_at;

-- name: other_contents
-- The first ones: nobody keeps an owner from sending ever new ones.
select version, kind, at, correlation_id, body
from directed_other_content
where (module, country_code, party_id, object_id) = ($1, $2, $3, $4)
order by id
limit 100;

-- name: send_again
-- Puts objects back in the queue, or lets them wait to be pulled where they cannot be pushed. $5
-- limits the states this is meant for; times are those of arrival. What is released goes with its
-- batch; who has something sent again means now. Some at a time, in the order in which custody locks;
-- what another transaction took meanwhile has no key in the result.
with meant as (
    select serial
    from directed_object
    where module = $1
        and ($2::text is null or (country_code, party_id) = ($2, $3))
        and ($4::text is null or object_id = $4)
        and ($7::text is null or (receiver_country_code, receiver_party_id) = ($7, $8))
        and ($9::timestamptz is null or received_at >= $9)
        and ($10::timestamptz is null or received_at < $10)
        and state = any ($5::text[])
        and serial > $11
    order by serial
    limit $12),
locked as (
    select d.module, d.country_code, d.party_id, d.object_id
    from directed_object d
    where d.module = $1
        and d.serial in (select serial from meant)
        and d.state = any ($5::text[])
    order by d.module, d.country_code, d.party_id, d.object_id
    for update of d),
sent as (
    update directed_object d
    set state = 'pending', reason = $6, changed_at = now(),
        next_attempt_at = case when exists (
            select from party p
            join endpoint e using (platform_id)
            where (p.country_code, p.party_id) = (d.receiver_country_code, d.receiver_party_id)
                and (e.module, e.interface_role) = (d.module, 'RECEIVER'))
            then case when state = 'held' then greatest(now(), batch_due_at) else now() end end,
        batch_due_at = case when state = 'held' or batch_due_at <= now() then batch_due_at end,
        visible_at = case when state = 'held' then visible_from() else visible_at end,
        received_at = case when state = 'dead' then now() else received_at end
    from locked l
    where (d.module, d.country_code, d.party_id, d.object_id)
        = (l.module, l.country_code, l.party_id, l.object_id)
    returning d.serial, d.country_code, d.party_id, d.object_id)
select m.serial, s.country_code, s.party_id, s.object_id
from meant m
left join sent s using (serial);

-- name: decide
-- An operator's word on one object.
update directed_object
set state = $6, next_attempt_at = null, reason = $7, changed_at = now(),
    sent_version = case when $6 = 'delivered' then version else sent_version end,
    delivered_at = case when $6 = 'delivered' then now() end,
    refused_after_ack = ($6 = 'refused')
where (module, country_code, party_id, object_id) = ($1, $2, $3, $4) and state = any ($5::text[])
returning state;

-- name: find
select * from directed_object
where (module, country_code, party_id, object_id) = ($1, $2, $3, $4);
