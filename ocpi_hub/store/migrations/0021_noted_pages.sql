-- How many pages of a reading were read by processes that note what lists show (0017): an older
-- process does not, and what is on its pages must not count as missing.
alter table inbound_catch_up add column noted integer not null default 0;
