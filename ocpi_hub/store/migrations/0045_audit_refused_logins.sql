-- Refused logins of a minute are one entry with their number, however many somebody tries.
alter table audit_entry
    add column times integer not null default 1,
    -- The minute (UTC) that is summed up; null: the entry is one deed.
    add column minute timestamptz;
create unique index audit_entry_minute on audit_entry (what, object, error, minute)
    where minute is not null;
