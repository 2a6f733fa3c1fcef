-- What was in recorded messages, kept for a shorter time than that they were sent: headers and bodies
-- in tables of their own, one for each day (UTC), dropped with it. Records made before keep their
-- bodies in `message`, and so do those of processes that do not know this table.

create table message_content (
    at               timestamptz not null,
    serial           bigint not null,
    request_headers  json,
    response_headers json,
    request_body     bytea,
    response_body    bytea
) partition by range (at);
create index message_content_at on message_content (at, serial);

-- The days that have a table in the parent of that name, in order.
create function record_days(parent text) returns setof date language sql stable as $$
    -- The planner may look at every relation before it knows which are ours.
    select to_date(substring(c.relname from '^' || parent || '_([0-9]{8})$'), 'YYYYMMDD')
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = parent::regclass
    order by 1
$$;

-- See make_message_days.
create function make_record_days(parent text, ahead integer) returns integer language plpgsql
set lock_timeout = '2s' as $$
declare
    today date := (clock_timestamp() at time zone 'UTC')::date;
    day   date;
    name  text;
    made  integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext(parent || ' days'));
    for day in select today + n from generate_series(0, ahead) n loop
        name := parent || '_' || to_char(day, 'YYYYMMDD');
        if to_regclass(name) is null then
            execute format('create table %I (like %I including defaults including constraints)',
                name, parent);
            execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent,
                name, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
            made := made + 1;
        end if;
    end loop;
    return made;
end
$$;

-- See drop_oldest_message_day.
create function drop_oldest_record_day(parent text, keep_days integer) returns date language plpgsql
set lock_timeout = '2s' as $$
declare
    today  date := (clock_timestamp() at time zone 'UTC')::date;
    oldest date;
begin
    if not pg_try_advisory_xact_lock(hashtext(parent || ' days')) then
        return null;
    end if;
    select min(day) into oldest from record_days(parent) day where day < today - keep_days;
    if oldest is not null then
        execute format('drop table %I', parent || '_' || to_char(oldest, 'YYYYMMDD'));
    end if;
    return oldest;
end
$$;

select make_record_days('message_content', 3);

-- Requests that failed, for who looks for them only. Large tables of days gone by do without it.
create index message_failed on only message (at, serial)
where outcome <> 'answered' or coalesce(http >= 400, false) or coalesce(ocpi >= 2000, false);

do $$
declare
    name text;
begin
    for name in
        select inhrelid::regclass::text from pg_inherits
        where inhparent = 'message'::regclass and pg_relation_size(inhrelid) < 64 * 1024 * 1024
    loop
        execute 'create index on ' || name || ' (at, serial) where outcome <> ''answered'''
            ' or coalesce(http >= 400, false) or coalesce(ocpi >= 2000, false)';
    end loop;
end
$$;
