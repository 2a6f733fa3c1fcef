-- Since when a CPO sends sessions. The time first, for the reason of cdr_ledger_place.
create index directed_object_session_received on directed_object
    (received_at, country_code, party_id)
    where module = 'sessions';
