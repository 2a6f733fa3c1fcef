-- Authorization: stored tokens as a decision needs them, and the evidence of decisions.

-- name: find_tokens
-- For each question one row for each owner: what was addressed to the CPO stands in front of a
-- broadcast. The age of what is known comes along, so that a decision asks the database once. It
-- counts from the arrival of the token and from the last list that was read to its end; of an owner
-- that pushes, from the last contact too, but while a list is still to be read after an absence, from
-- the contact before it. A token that its owner's list lost is known as not valid, unless a live one
-- of another owner has its uid. The inner selects hide how long the arrays are: else every call is planned
-- anew, at twice its cost.
select distinct on (q.number, o.country_code, o.party_id)
    q.number, o.country_code, o.party_id, o.body,
    not o.deleted and o.body ->> 'valid' = 'true' as valid, o.deleted,
    o.body ->> 'whitelist' as whitelist,
    extract(epoch from clock_timestamp() - greatest(o.changed_at, k.pulled_at, p.tokens_known_at,
        case when o.origin <> 'pull' or k.pushes then
            case when j.module is null then c.last_contact_at else j.known_at end
        end))::float8 as knowledge_age_s
from unnest((select $1::text[]), (select $2::text[]), (select $3::text[]))
    with ordinality as q (object_id, object_type, cpo, number)
join shared_object o
    on o.module = 'tokens'
    and o.object_id = q.object_id
    and o.object_type = q.object_type
    and o.audience in ('*', q.cpo)
left join party p on (p.country_code, p.party_id) = (o.country_code, o.party_id)
left join platform_contact c on c.platform_id = p.platform_id
left join owner_knowledge k on (k.platform_id, k.module) = (p.platform_id, 'tokens')
left join inbound_catch_up j on (j.platform_id, j.module) = (p.platform_id, 'tokens')
order by q.number, o.country_code, o.party_id, o.deleted, o.audience = '*';

-- name: list_decisions
-- Newest first, from a place on; null filters select everything.
select *
from authorization_decision
where ($2::text is null or upper(uid) = upper($2))
    and ($3::text is null or (cpo_country_code, cpo_party_id) = ($3, $4))
    and ($5::text is null or (emsp_country_code, emsp_party_id) = ($5, $6))
    and ($7::timestamptz is null or at >= $7)
    and ($8::timestamptz is null or at < $8)
    and ($9::text is null or decided_by = $9)
    and ($12::text is null or reference = $12)
    and ($10::timestamptz is null or (at, id) < ($10, $11::bigint))
order by at desc, id desc
limit $1;
