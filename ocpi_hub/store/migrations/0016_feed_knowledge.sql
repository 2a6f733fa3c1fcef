-- What the feed has to know about the past to leave nobody with what is over.

-- The module's highest position when the lane was leased for the first time: what was deleted up to
-- there its receiver never had. Null: never leased, or not since there is this column.
alter table lane add column first_tail bigint;

-- The feed has sent this object, and perhaps its request is still on the way: what a newer relay says
-- does not close the gap, the feed sends the newest state itself.
alter table lane_gap add column taken_up boolean not null default false;

-- What was deleted is told as well: the receiver may have had it before.
alter table lane_backfill add column deleted boolean not null default false;

-- Of a Location, the last_updated of the text that last came whole: an EVSE which is missing in it,
-- and is no newer, is gone. Null: as last_updated.
alter table shared_object add column whole_updated timestamptz;

-- How many asynchronous answers a platform waits for.
create index answer_url_requester on answer_url (requester_country_code, requester_party_id);
