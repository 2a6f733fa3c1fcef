-- Deleted objects whose time is over.

-- name: remove
-- One that is written right now is on its way back to life.
delete from shared_object o
using (
    select module, position
    from shared_object
    where deleted and changed_at < now() - $1::interval
    order by changed_at
    limit $2
    for update skip locked) as old
where (o.module, o.position) = (old.module, old.position)
returning o.module, o.country_code, o.party_id, o.object_id, o.object_type, o.audience, o.position;

-- name: remove_gaps
-- Nobody can be told of them any more. In the order in which gaps are written, so that nobody waits
-- for each other.
with over as (
    select g.*
    from lane_gap g
    join unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
        as k (module, country_code, party_id, object_id, object_type, audience)
        using (module, country_code, party_id, object_id, object_type, audience)
    order by g.receiver_country_code collate "C", g.receiver_party_id collate "C",
        g.module collate "C", g.country_code collate "C", g.party_id collate "C",
        g.object_id collate "C", g.object_type collate "C", g.audience collate "C"
    for update of g)
delete from lane_gap g
using over w
where (g.receiver_country_code, g.receiver_party_id, g.module, g.country_code, g.party_id,
    g.object_id, g.object_type, g.audience)
    = (w.receiver_country_code, w.receiver_party_id, w.module, w.country_code, w.party_id,
    w.object_id, w.object_type, w.audience);

-- name: laggards
-- A lane that is still at 0 gets everything anyway.
select l.country_code, l.party_id, l.module
from lane l
join unnest($1::text[], $2::bigint[]) as gone (module, position) using (module)
where l.cursor > 0 and l.cursor < gone.position;
