-- What the hub knows beside CDRs. Questions are arrays that unnest in parallel; ids are folded.
-- A few rows in order of time are sorted by an expression, so that nobody looks for them along the
-- index of all that ever came: that seems cheap as long as the database has counted nothing yet.

-- name: linked
-- Session and authorization of each, in the order of the questions.
select
    k.known is not null as knows_locations, s.found is not null as session_found, s.status, s.kwh,
    s.currency, s.token_uid, s.location_id, s.evse_uid, a.uid, a.allowed
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    with ordinality as q (
        country_code, party_id, receiver_country_code, receiver_party_id, session_id, reference,
        place)
left join lateral (
    select true as known
    from shared_object o
    where (o.module, o.country_code, o.party_id) = ('locations', q.country_code, q.party_id)
        and not o.deleted
    limit 1) k on true
left join lateral (
    select true as found, s.body ->> 'status' as status, s.body ->> 'kwh' as kwh,
        s.body ->> 'currency' as currency, s.body -> 'cdr_token' ->> 'uid' as token_uid,
        s.body ->> 'location_id' as location_id, s.body ->> 'evse_uid' as evse_uid
    from directed_object s
    where (s.module, s.country_code, s.party_id, s.object_id)
            = ('sessions', q.country_code, q.party_id, q.session_id)
        and (s.receiver_country_code, s.receiver_party_id)
            = (q.receiver_country_code, q.receiver_party_id)
    limit 1) s on true
left join lateral (
    select d.uid, d.allowed
    from authorization_decision d
    where d.reference = q.reference
        and (d.cpo_country_code, d.cpo_party_id) = (q.country_code, q.party_id)
        and (d.emsp_country_code, d.emsp_party_id)
            = (q.receiver_country_code, q.receiver_party_id)
    order by d.at + interval '0' desc
    limit 1) a on true
order by q.place;

-- name: objects
-- Locations or tariffs; places of the questions count from 1. What is meant for the receiver alone
-- comes last.
select q.place, o.body
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) with ordinality as q (
    country_code, party_id, receiver_country_code, receiver_party_id, object_id, place)
join shared_object o
    on (o.module, o.country_code, o.party_id, o.object_id, o.object_type)
            = ($6, q.country_code, q.party_id, q.object_id, '')
        and o.audience in ('*', q.receiver_country_code || '*' || q.receiver_party_id)
        and not o.deleted
order by q.place, o.audience <> '*';

-- name: related
-- What the ledger has beside each: what it takes back, other credits of the same, and others of its
-- session, with what credits took back of those.
select q.place, r.as_what, r.country_code, r.party_id, r.receiver_country_code,
    r.receiver_party_id, r.cdr_id, r.spelled_id, r.session_id, r.is_credit, r.credited_id,
    r.currency, r.cost_excl_vat, r.cost_incl_vat, b.credited_excl_vat, b.credited_incl_vat
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) with ordinality as q (
    country_code, party_id, cdr_id, session_id, credited_id, place)
cross join lateral (
    (select 'original' as as_what, c.*
    from cdr_ledger c
    where q.credited_id is not null
        and (c.country_code, c.party_id, c.cdr_id) = (q.country_code, q.party_id, q.credited_id))
    union all
    (select 'credit', c.*
    from cdr_ledger c
    where q.credited_id is not null
        and (c.country_code, c.party_id, left(c.credited_id, 100))
            = (q.country_code, q.party_id, left(q.credited_id, 100))
        and c.credited_id = q.credited_id
        and c.cdr_id <> q.cdr_id
    order by c.entry + 0
    limit 100)
    union all
    (select 'other', c.*
    from cdr_ledger c
    where q.session_id is not null
        and (c.country_code, c.party_id, left(upper(c.session_id), 100))
            = (q.country_code, q.party_id, left(q.session_id, 100))
        and c.session_id is not null
        and upper(c.session_id) = q.session_id
        and c.cdr_id <> q.cdr_id
        and not c.is_credit
    order by c.entry + 0
    limit 20)) as r
left join lateral (
    select sum(c.cost_excl_vat) as credited_excl_vat,
        case when count(c.cost_incl_vat) = count(*) then sum(c.cost_incl_vat) end as credited_incl_vat
    from cdr_ledger c
    where r.as_what = 'other'
        and (c.country_code, c.party_id, left(c.credited_id, 100))
            = (r.country_code, r.party_id, left(r.cdr_id, 100))
        and c.credited_id = r.cdr_id
        and c.is_credit) b on true
order by q.place;
