-- Entries of a time, in the order in which they came: read from here alone, and sorted. Its condition, which
-- every row meets, keeps it from questions that have a better index: who asks for entries behind one says so.
create index cdr_ledger_entries_ended on cdr_ledger (ended_at) include (entry) where entry > 0;
