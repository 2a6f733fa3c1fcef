-- What operators do with platforms and relations. Order of locks as in registration.sql.

-- name: lock_platform
select platform_id, state from platform where platform_id = $1 for no key update;

-- name: suspend
update platform set state = 'suspended', resume_state = state where platform_id = $1;

-- name: resume
update platform set state = resume_state, resume_state = null where platform_id = $1;

-- name: revoke_tokens
-- A platform that may register goes on being invited: that token is another secret.
delete from credentials_token where platform_id = $1 and kind = 'access';

-- name: rename
update platform set name = $2 where platform_id = $1;

-- name: set_quirks
update platform
set quirks = (
    select coalesce(array_agg(quirk order by quirk), '{}')
    from (
        select unnest(quirks) as quirk
        union
        select unnest($2::text[])
        except
        select unnest($3::text[])) as wanted)
where platform_id = $1;

-- name: set_page_limit
update platform set page_limit = $2 where platform_id = $1;

-- name: set_catch_up
update platform set catch_up = $2 where platform_id = $1;

-- name: set_custom_modules
-- What the platform was told of the hub's endpoints is void with it: it has to read them again.
update platform p
set custom_modules = wanted.modules, offer_digest = null
from (
    select coalesce(array_agg(module order by module), '{}') as modules
    from (
        select unnest(custom_modules) as module from platform where platform_id = $1
        union
        select unnest($2::text[])
        except
        select unnest($3::text[])) as agreed) as wanted
where p.platform_id = $1 and p.custom_modules <> wanted.modules;

-- name: open_objects
-- Objects in custody that a platform's parties have not received, or that came from them.
select count(*)
from directed_object d
where d.state not in ('delivered', 'refused')
    and exists (
        select from party p
        where p.platform_id = $1
            and ((p.country_code, p.party_id) = (d.country_code, d.party_id)
                or (p.country_code, p.party_id) = (d.receiver_country_code, d.receiver_party_id)));

-- name: revoke_permissions
-- For parties that a platform has: whoever was to get one has to be named again.
delete from party_permission a
using party p
where p.platform_id = $1 and (p.country_code, p.party_id) = (a.country_code, a.party_id);

-- name: remove_relations
delete from relation r
using party p
where p.platform_id = $1
    and (p.country_code, p.party_id) in (
        (r.cpo_country_code, r.cpo_party_id), (r.emsp_country_code, r.emsp_party_id));

-- name: remove_roles
delete from party_role r
using party p
where p.platform_id = $1 and (p.country_code, p.party_id) = (r.country_code, r.party_id);

-- name: remove
-- Its parties stay, and belong to nobody: see first_reserved_party in registration.sql.
delete from platform where platform_id = $1;

-- name: history
select p.created_at, p.connected_at, p.resume_state, c.last_contact_at,
    o.opened_at as circuit_opened_at, o.failed_probes, o.probe_at,
    (select max(t.expires_at) from credentials_token t
        where t.platform_id = p.platform_id and t.kind = 'registration'
            and (t.expires_at > now() or p.state <> 'connected')) as invitation_expires_at,
    array(
        select a.country_code || '*' || a.party_id
        from party_permission a
        where a.platform_id = p.platform_id
        order by 1) as permitted
from platform p
left join platform_contact c using (platform_id)
left join platform_circuit o using (platform_id)
where p.platform_id = $1;

-- name: business_details
select r.country_code, r.party_id, r.role, r.business_details
from party_role r
join party p using (country_code, party_id)
where p.platform_id = $1
    and r.active
    and r.business_details is not null
order by r.country_code, r.party_id, r.role;

-- name: relation_mode
select mode
from relation
where (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id) = ($1, $2, $3, $4)
for update;

-- name: relation_rules
select cdr_rules
from relation
where (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id) = ($1, $2, $3, $4)
for update;

-- name: set_relation_rules
update relation
set cdr_rules = $5::json, changed_at = now()
where (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id) = ($1, $2, $3, $4);

-- name: set_relation
-- What is not given stays as it is.
insert into relation as r (
    cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id, mode, fallback,
    authorize_budget_ms, whitelist_max_age_s, fallback_max_age_s, cdrs, cdr_schedule)
values ($1, $2, $3, $4, $5, coalesce($6, 'hub'), $7, $8, $9, coalesce($10, 'immediate'), $11)
on conflict (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id) do update
set mode = excluded.mode,
    fallback = coalesce($6, r.fallback),
    authorize_budget_ms = coalesce($7, r.authorize_budget_ms),
    whitelist_max_age_s = coalesce($8, r.whitelist_max_age_s),
    fallback_max_age_s = coalesce($9, r.fallback_max_age_s),
    cdrs = coalesce($10, r.cdrs),
    cdr_schedule = coalesce($11, r.cdr_schedule),
    changed_at = now();
