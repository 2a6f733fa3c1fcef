-- Sessions in custody change. `applied` are the marks of the changes that gave a session its
-- last_updated, one behind the other: a change that is brought again is told by them.
alter table directed_object add column applied bytea not null default '';

-- Sessions by their id alone: who sends charging preferences names no owner.
create index directed_object_session on directed_object (object_id) where module = 'sessions';
