-- A Location that comes whole withdraws the gaps of its EVSEs, at all receivers.
create index lane_gap_evse on lane_gap (country_code, party_id, object_id, audience)
    where module = 'locations' and object_type <> '';
