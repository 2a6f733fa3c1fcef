-- Objects that come by file, and CDRs that wait for the end of a period.

-- One reading of a file. Its objects are staged while it is read and checked ('reading'), and taken
-- over in small transactions once all of it is found good ('applying'): whoever dies on the way is
-- followed by the next import of the same owner.
create table file_import (
    import_id    bigint generated always as identity primary key,
    module       text not null check (module in ('tokens', 'cdrs')),
    country_code text not null,
    party_id     text not null,
    state        text not null default 'reading'
                     check (state in ('reading', 'applying', 'done', 'failed')),
    -- What the file lacks is not valid any more.
    is_full      boolean not null,
    -- When the list was true.
    as_of        timestamptz not null,
    started_at   timestamptz not null default clock_timestamp(),
    finished_at  timestamptz,
    seen         integer not null default 0,
    added        integer not null default 0,
    changed      integer not null default 0,
    known        integer not null default 0,
    older        integer not null default 0,
    errors       integer not null default 0,
    note         text,
    constraint over_is_finished check ((state in ('done', 'failed')) = (finished_at is not null))
);
create unique index file_import_active on file_import (module, country_code, party_id)
    where state in ('reading', 'applying');

create table file_import_row (
    import_id    bigint not null references file_import on delete cascade,
    line         integer not null,
    object_id    text not null,
    object_type  text not null,
    last_updated timestamptz not null,
    body         text not null,
    primary key (import_id, line),
    unique (import_id, object_id, object_type)
);

-- When a list that came by file was true: as good as one that was read from the party.
alter table party add column tokens_known_at timestamptz;

-- That is no change of the directory.
drop trigger party_changes_directory on party;
create trigger party_changes_directory
    after insert or delete or update of country_code, party_id, platform_id on party
    for each statement execute function bump_directory_version();

-- How CDRs of a relation go to the eMSP: each at once, or all of a period at its end.
alter table relation
    add column cdrs text not null default 'immediate' check (cdrs in ('immediate', 'batch')),
    add column cdr_schedule text,
    add constraint batch_has_a_schedule check (cdrs = 'immediate' or cdr_schedule is not null);

-- The end of the period with which a CDR is delivered; stays, so that the CDRs of a run are known.
alter table directed_object add column batch_due_at timestamptz;
create index directed_object_batch on directed_object
    (module, country_code, party_id, receiver_country_code, receiver_party_id, batch_due_at)
    where batch_due_at is not null;

-- A token list that came by file is a run like any other, but says nothing about when its platform's
-- list was read.
alter table whitelist_run
    add column source text not null default 'list' check (source in ('list', 'file')),
    drop constraint partial_has_a_beginning,
    add constraint partial_has_a_beginning
        check ((extent = 'partial') = (date_from is not null) or source = 'file');
