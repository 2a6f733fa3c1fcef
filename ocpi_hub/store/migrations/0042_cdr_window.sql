-- Who polls a list of CDRs or Sessions asks for what came lately, not for all that it has.
create index directed_object_window on directed_object
    (module, receiver_country_code, receiver_party_id, greatest(last_updated, visible_at));
