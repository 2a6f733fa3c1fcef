-- Until when a receiver may still act on a request about a session that it did not answer: what it
-- takes before that is sent once more afterwards.
alter table directed_object add column doubted_until timestamptz;
