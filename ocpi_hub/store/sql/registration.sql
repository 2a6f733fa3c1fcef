-- Changes of platforms. Order of locks, the same everywhere: the platform's row, parties, then the
-- rest; the first statement that changes the directory locks its version until the commit, and no
-- row of another platform may be waited for after that.

-- name: insert_platform
insert into platform (platform_id, name, state, versions_url)
values ($1, $2, $3, $4)
on conflict do nothing
returning platform_id;

-- name: lock_platform
select platform_id, state, name from platform where platform_id = $1 for no key update;

-- name: lock_platform_by_url
-- The one furthest on, if there are several.
select platform_id, state
from platform
where versions_url = $1
order by array_position(array['connected', 'suspended', 'disconnected', 'connecting'], state),
    platform_id
limit 1
for no key update;

-- name: token_is_good
select exists (
    select from credentials_token
    where token_sha256 = $1 and platform_id = $2 and kind = $3
        and (expires_at is null or expires_at > now()));

-- name: insert_token
-- Not now(), which is the start of the transaction: tokens must be in the order of their commits.
insert into credentials_token (token_sha256, platform_id, kind, issued_at, expires_at)
values ($1, $2, $3, clock_timestamp(), now() + $4::interval)
returning expires_at;

-- name: make_token_lasting
-- It is issued now: what came in the meantime is older.
update credentials_token
set expires_at = null, issued_at = clock_timestamp()
where token_sha256 = $1 and platform_id = $2 and expires_at > now()
returning platform_id;

-- name: delete_token
delete from credentials_token where token_sha256 = $1;

-- name: delete_tokens
delete from credentials_token where platform_id = $1;

-- name: delete_invitations
-- Those that expired not long ago are of no use, and kept: whoever tries one is told so.
delete from credentials_token
where platform_id = $1 and kind = 'registration'
    and not (expires_at > now() - $2::interval and expires_at <= now());

-- name: delete_expired_tokens
delete from credentials_token
where platform_id = $1
    and expires_at <= now() - case when kind = 'registration' then $2::interval else '0' end;

-- name: delete_surplus_tokens
-- A new token lets older ones expire once it is used: whoever uses none could get any number.
delete from credentials_token
where token_sha256 in (
    select token_sha256
    from credentials_token
    where platform_id = $1 and kind = 'access' and token_sha256 <> $2
    order by issued_at desc
    offset $3);

-- name: permit_parties
insert into party_permission (platform_id, country_code, party_id)
select $1, country_code, party_id
from unnest($2::text[], $3::text[]) as permitted (country_code, party_id)
on conflict do nothing;

-- name: note_parties
-- They belong to nobody yet; see claim_parties.
insert into party (country_code, party_id)
select country_code, party_id
from unnest($1::text[], $2::text[]) as expected (country_code, party_id)
order by country_code, party_id
on conflict do nothing;

-- name: claim_parties
-- Those that nobody has, or had before.
insert into party (country_code, party_id, platform_id)
select country_code, party_id, $1
from unnest($2::text[], $3::text[]) as claimed (country_code, party_id)
order by country_code, party_id
on conflict do nothing
returning country_code, party_id;

-- name: first_reserved_party
-- One that somebody had before, or one of those that are new to the hub ($4, $5) that an operator
-- named in a relation or that objects belong to or wait for, unless it is permitted.
select c.country_code, c.party_id
from unnest($2::text[], $3::text[]) as c (country_code, party_id)
where (c.country_code, c.party_id) not in (
        select country_code, party_id from party_permission where platform_id = $1)
    and (
        exists (
            select from party p
            where (p.country_code, p.party_id) = (c.country_code, c.party_id)
                and p.platform_id is null)
        or (c.country_code, c.party_id) in (select * from unnest($4::text[], $5::text[]))
            and (
                -- Whoever comes by an invitation may be the one the operator had in mind.
                exists (
                    select from relation r
                    join platform p on p.platform_id = $1 and p.state = 'connected'
                    where (c.country_code, c.party_id) in (
                        (r.cpo_country_code, r.cpo_party_id),
                        (r.emsp_country_code, r.emsp_party_id)))
                or exists (
                    select from shared_object s
                    where s.module = any ($6::text[])
                        and (s.country_code, s.party_id) = (c.country_code, c.party_id))
                or exists (
                    select from directed_object d
                    where d.module = any ($6::text[])
                        and (d.country_code, d.party_id) = (c.country_code, c.party_id))
                or exists (
                    select from directed_object d
                    where d.module = any ($6::text[])
                        and (d.receiver_country_code, d.receiver_party_id)
                            = (c.country_code, c.party_id))))
order by c.country_code, c.party_id
limit 1;

-- name: take_over_parties
update party p
set platform_id = $1
from unnest($2::text[], $3::text[]) as claimed (country_code, party_id)
where (p.country_code, p.party_id) = (claimed.country_code, claimed.party_id)
    and p.platform_id is null;

-- name: first_taken_party
select p.country_code, p.party_id
from party p
join unnest($2::text[], $3::text[]) as claimed (country_code, party_id)
    using (country_code, party_id)
where p.platform_id <> $1
order by p.country_code, p.party_id
limit 1;

-- name: end_expectations
-- What an operator expected of a platform that now registers is what it claims, or nothing.
update party_role r
set active = false
from party p
join platform f using (platform_id)
where f.platform_id = $1
    and f.state in ('invited', 'connecting')
    and (p.country_code, p.party_id) = (r.country_code, r.party_id)
    and r.active;

-- name: withdraw_roles
-- Those that are not claimed any more.
update party_role r
set active = false
from party p
where p.platform_id = $1
    and (p.country_code, p.party_id) = (r.country_code, r.party_id)
    and r.active
    and (r.country_code, r.party_id, r.role) not in (
        select * from unnest($2::text[], $3::text[], $4::text[]));

-- name: backfill_returned
-- Before the roles are stored: whoever has one anew, after it was withdrawn or with another platform,
-- may see and be seen again. What lanes passed meanwhile is sent as far as it is visible, what was
-- deleted too.
insert into lane_backfill (
    receiver_country_code, receiver_party_id, module, owner_country_code, owner_party_id, deleted)
with anew as (
    select distinct c.country_code, c.party_id
    from unnest($1::text[], $2::text[], $3::text[]) as c (country_code, party_id, role)
    where not exists (
        select from party_role r
        where (r.country_code, r.party_id, r.role) = (c.country_code, c.party_id, c.role)
            and r.active))
select l.country_code, l.party_id, l.module, p.country_code, p.party_id, true
from lane l
join party p on (p.country_code, p.party_id) <> (l.country_code, l.party_id)
where ((l.country_code, l.party_id) in (select * from anew)
        or (p.country_code, p.party_id) in (select * from anew))
    and exists (
        select from shared_object o
        where (o.module, o.country_code, o.party_id) = (l.module, p.country_code, p.party_id))
order by 1, 2, 3, 4, 5
on conflict (
    receiver_country_code, receiver_party_id, module, owner_country_code, owner_party_id)
do update set after_serial = 0, requested_at = clock_timestamp(), deleted = true;

-- name: store_roles
insert into party_role (country_code, party_id, role, name, business_details, active)
select country_code, party_id, role, name, business_details::json, true
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    as claimed (country_code, party_id, role, name, business_details)
on conflict (country_code, party_id, role) do update
set name = excluded.name, business_details = excluded.business_details, active = true;

-- name: delete_endpoints
delete from endpoint where platform_id = $1;

-- name: insert_endpoints
insert into endpoint (platform_id, ocpi_version, module, interface_role, url)
select $1, $2, module, interface_role, url
from unnest($3::text[], $4::text[], $5::text[]) as announced (module, interface_role, url);

-- name: connect_platform
-- Custom modules that were agreed on meanwhile are news to the partner.
update platform
set state = 'connected', online = true, ocpi_version = $2, versions_url = $3,
    our_token_sealed = $4, connected_at = now(),
    offer_digest = case when custom_modules = $7::text[] then $6::bytea end,
    quirks = case when $5 then array_append(array_remove(quirks, 'raw_token'), 'raw_token')
        else array_remove(quirks, 'raw_token') end
where platform_id = $1;

-- name: turn_to_files
-- An invitation that is out goes on working: by file until the partner registers.
update platform set state = 'by_file', ocpi_version = null where platform_id = $1;

-- name: disconnect_platform
update platform set state = 'disconnected', our_token_sealed = null where platform_id = $1;

-- name: delete_connecting_platform
delete from platform where platform_id = $1 and state = 'connecting';

-- name: lock_waiting_objects
-- In the order in which custody locks them.
select from directed_object d
join party p on p.platform_id = $1
    and (d.receiver_country_code, d.receiver_party_id) = (p.country_code, p.party_id)
where d.state = 'pending'
order by d.module, d.country_code, d.party_id, d.object_id
for update of d;

-- name: make_waiting_objects_due
-- Where the platform takes pushes of them; what it does not take (any more) waits to be pulled.
update directed_object d
set next_attempt_at = case when e.module is not null then greatest(now(), d.batch_due_at) end
from party p
cross join (values ('cdrs'), ('sessions')) as directed (module)
left join endpoint e
    on (e.platform_id, e.module, e.interface_role) = (p.platform_id, directed.module, 'RECEIVER')
where p.platform_id = $1
    and (d.receiver_country_code, d.receiver_party_id) = (p.country_code, p.party_id)
    and d.module = directed.module
    and d.state = 'pending'
    and case when e.module is not null
        then coalesce(d.next_attempt_at, 'infinity') > now() else d.next_attempt_at is not null end;

-- name: count_parties
select count(*) from party where platform_id = $1;
