-- What an EVSE's own row in the feed has in front of its uid in a URL: country code, party id and id
-- of its Location as the owner spells them. Null where the body says it.
alter table shared_object add column path json;

-- A Location that comes whole withdraws the gaps of its EVSEs, at all receivers.
create index lane_gap_evse on lane_gap (country_code, party_id, object_id, audience)
    where module = 'locations' and object_type <> '';
