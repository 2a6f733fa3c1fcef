-- CDRs by the time of their arrival.
create index directed_object_cdr_received on directed_object (received_at) where module = 'cdrs';

-- What a relation's days are summed up from, so that the rows themselves need not be read.
drop index cdr_ledger_relation;
create index cdr_ledger_relation on cdr_ledger
    (country_code, party_id, receiver_country_code, receiver_party_id, ended_at)
    include (energy_kwh, time_h, is_credit);
