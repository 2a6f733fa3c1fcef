-- Message records: one row for each request between a platform and the hub.

create sequence message_serial;

-- A table for each day (UTC): what is too old is dropped with its table, never deleted row by row.
-- Nothing refers to platforms: the records of one that was removed stay. Paths hold no token uid.
create table message (
    at             timestamptz not null,
    serial         bigint not null default nextval('message_serial'),
    kind           text not null,
    direction      text not null check (direction in ('in', 'out')),
    platform_id    text,
    sender         text,
    receiver       text,
    module         text not null,
    interface_role text,
    method         text not null,
    path           text not null,
    http           integer,
    ocpi           integer,
    ms             double precision not null,
    correlation_id text not null,
    request_id     text not null,
    request_bytes  integer not null,
    response_bytes integer,
    outcome        text not null check (outcome in ('answered', 'unreachable', 'no_answer', 'busy')),
    error          text,
    request_body   bytea,
    response_body  bytea,
    cut            boolean not null
) partition by range (at);
create index message_at on message (at, serial);
create index message_platform on message (platform_id, at, serial);
create index message_correlation on message (correlation_id);

-- The days that have a table, in order.
create function message_days() returns setof date language sql stable as $$
    -- The planner may look at every relation before it knows which are ours.
    select to_date(substring(c.relname from '^message_([0-9]{8})$'), 'YYYYMMDD')
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'message'::regclass
    order by 1
$$;

-- Makes the tables of today and the next days. Attaching one does not disturb who reads or writes;
-- the lock lets processes that do this at once go one after the other.
create function make_message_days(ahead integer) returns integer language plpgsql
set lock_timeout = '2s' as $$
declare
    today date := (clock_timestamp() at time zone 'UTC')::date;
    day   date;
    name  text;
    made  integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('message days'));
    for day in select today + n from generate_series(0, ahead) n loop
        name := 'message_' || to_char(day, 'YYYYMMDD');
        if to_regclass(name) is null then
            execute format('create table %I (like message including defaults including constraints)', name);
            execute format('alter table message attach partition %I for values from (%L) to (%L)',
                name, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
            made := made + 1;
        end if;
    end loop;
    return made;
end
$$;

-- Drops the tables of days that ended longer ago than that. Does nothing while another process does
-- it; one table for each call, so that the list is locked for a moment only.
create function drop_oldest_message_day(keep_days integer) returns date language plpgsql
set lock_timeout = '2s' as $$
declare
    today  date := (clock_timestamp() at time zone 'UTC')::date;
    oldest date;
begin
    if not pg_try_advisory_xact_lock(hashtext('message days')) then
        return null;
    end if;
    select min(day) into oldest from message_days() day where day < today - keep_days;
    if oldest is not null then
        execute format('drop table %I', 'message_' || to_char(oldest, 'YYYYMMDD'));
    end if;
    return oldest;
end
$$;

select make_message_days(3);
