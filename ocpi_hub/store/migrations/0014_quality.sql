-- How often platforms send what breaks the specification mildly. Rows are platforms times modules
-- times rules: what a partner makes up makes no row.
create table quality (
    platform_id text not null references platform on delete cascade,
    module      text not null,
    rule        text not null,
    count       bigint not null check (count > 0),
    first_at    timestamptz not null,
    last_at     timestamptz not null check (last_at >= first_at),
    -- An example: of a token its masked uid; never what stands in the field.
    object_id   text not null,
    field       text not null,
    shape       text not null,
    primary key (platform_id, module, rule)
);
