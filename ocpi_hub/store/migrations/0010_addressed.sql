-- What was addressed to one party is little beside what everybody gets: lists look for it alone.
create index shared_object_addressed on shared_object (module, audience) where audience <> '*';
