-- What pages show about Locations and about traffic.

-- Requests of a minute by module, decisions by outcome, and what waited when the minute was looked at last.
alter table traffic_minute
    add column modules json not null default '{}',
    add column outcomes json not null default '{}',
    add column waiting json not null default '{}';

-- CDRs of a Location; ids have any length.
create index cdr_ledger_location on cdr_ledger (country_code, party_id, left(upper(location_id), 100));
-- CDRs come about in the order in which they ended, so that a few blocks hold a day.
create index cdr_ledger_ended on cdr_ledger using brin (ended_at);
