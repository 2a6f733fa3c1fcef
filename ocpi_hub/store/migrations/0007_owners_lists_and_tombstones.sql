-- What is known of owners' lists, what is over, and which configuration was in force.

-- How the hub comes to know the objects of a platform's owners: `pushes` once an object of the module
-- was pushed; pulled_at is when the last reading of their list began that came to its end. A module
-- without a row was neither pushed nor pulled yet.
create table owner_knowledge (
    platform_id text not null references platform on delete cascade,
    module      text not null,
    pushes      boolean not null default false,
    pulled_at   timestamptz,
    primary key (platform_id, module)
);

insert into owner_knowledge (platform_id, module, pushes)
select distinct p.platform_id, o.module, true
from (select distinct module, country_code, party_id from shared_object where origin <> 'pull') o
join party p using (country_code, party_id)
where p.platform_id is not null;

-- The last contact before the absence: what is known of a platform's tokens is as old as that until
-- the list is read. Null where nothing was known.
alter table inbound_catch_up add column known_at timestamptz;

-- Tombstones by their age, for the one who removes them.
create index shared_object_deleted on shared_object (changed_at) where deleted;

-- Values of settings that have to be compared from one start to the next.
create table remembered_setting (
    name  text primary key,
    value text not null
);
