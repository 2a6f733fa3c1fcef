-- The place first: an index that begins with the CPO seems good for every question about one of its
-- CDRs, as long as the database has counted nothing, and each would go through all of them.
create index cdr_ledger_place on cdr_ledger (left(upper(location_id), 100), country_code, party_id);
drop index cdr_ledger_location;
