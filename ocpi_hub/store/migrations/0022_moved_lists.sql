-- A list that changes while it is read may show too little.

-- How many tokens the lists were to have, as their partner said at the beginning of each; null: it
-- did not. Whether they showed fewer, and whether the run is the second one because of that.
alter table whitelist_run
    add column total   bigint,
    add column doubted boolean not null default false,
    add column again   boolean not null default false;
