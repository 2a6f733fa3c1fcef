-- What a statement was when it closed, in the parts that it shows: by day, VAT and flags. What checks
-- find afterwards is in the ledger. Null: it was closed before this was kept.
alter table statement add column groups json;
