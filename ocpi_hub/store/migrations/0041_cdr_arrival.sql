-- CDRs by the time of their arrival.
create index directed_object_cdr_received on directed_object (received_at) where module = 'cdrs';

-- What a relation's days are summed up from, so that the rows themselves need not be read. The eMSP
-- first, for the reason of cdr_ledger_place.
create index cdr_ledger_days on cdr_ledger
    (receiver_country_code, receiver_party_id, country_code, party_id, ended_at)
    include (energy_kwh, time_h, is_credit);
