-- From one story to another: what charged by a session or under an authorization.

-- name: cdrs_of_session
select v.country_code, v.party_id, v.spelled_id, v.receiver_country_code, v.receiver_party_id,
    v.energy_kwh, v.cost_excl_vat, v.currency, v.session_id,
    cdr_stage(d.state, coalesce(v.is_settled, false), coalesce(v.is_corrected, false)) as stage
from cdr_standing v
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', v.country_code, v.party_id, v.cdr_id)
where (v.country_code, v.party_id) = ($1, $2)
    and left(upper(v.session_id), 100) = left($3, 100)
    and upper(v.session_id) = $3
order by v.entry
limit 100;

-- name: cdrs_of_reference
-- Between the two parties, of sessions that ended after the decision; an index has them in order of
-- that end.
select v.country_code, v.party_id, v.spelled_id, v.receiver_country_code, v.receiver_party_id,
    v.energy_kwh, v.cost_excl_vat, v.currency, v.session_id,
    cdr_stage(d.state, coalesce(v.is_settled, false), coalesce(v.is_corrected, false)) as stage
from cdr_ledger l
join cdr_standing v
    on (v.country_code, v.party_id, v.cdr_id) = (l.country_code, l.party_id, l.cdr_id)
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', l.country_code, l.party_id, l.cdr_id)
where (l.country_code, l.party_id) = ($1, $2)
    and (l.receiver_country_code, l.receiver_party_id) = ($3, $4)
    and l.ended_at between $6::timestamptz - interval '1 hour' and $6::timestamptz + $7::interval
    and l.authorization_reference = $5
order by l.entry
limit 100;

-- name: sessions_of_reference
-- Among the newest between the two parties: references of sessions are in no index.
select country_code, party_id, body ->> 'id' as spelled_id
from (
    select country_code, party_id, body
    from directed_object
    where module = 'sessions'
        and (receiver_country_code, receiver_party_id) = ($3, $4)
    order by serial desc
    limit $6) newest
where (country_code, party_id) = ($1, $2)
    and body ->> 'authorization_reference' = $5
limit 20;
