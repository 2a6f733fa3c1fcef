-- Entries of a time, in the order in which they came: read from here alone, and sorted. Blocks of a summary
-- told where such a time is, but not where among them the first entry is.
create index cdr_ledger_ended_at on cdr_ledger (ended_at) include (entry);
drop index cdr_ledger_ended;
