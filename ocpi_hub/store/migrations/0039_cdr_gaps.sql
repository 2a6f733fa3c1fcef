-- What is missing among CDRs, looked for where it may be: without reading the texts of sessions, and
-- from the newest on. The time first, for the reason of cdr_ledger_place.
create index directed_object_completed on directed_object (last_updated, country_code, party_id)
    where module = 'sessions' and body ->> 'status' = 'COMPLETED';
create index cdr_ledger_received on cdr_ledger (received_at, country_code, party_id);
