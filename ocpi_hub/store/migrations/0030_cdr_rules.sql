-- What operators say about the checks of CDRs, and when a CDR is to be looked at again.

-- {"weights": {code: "hold" | "flag" | "off"}, "limits": {name: number as text}}, as far as they
-- differ from what the hub does otherwise.
alter table relation add column cdr_rules json;

-- When the checks look at a CDR again; null: never. While somebody looks, it is when others may take
-- over. What is here already is looked at once.
alter table cdr_ledger add column check_at timestamptz default now();
create index cdr_ledger_due on cdr_ledger (check_at) where check_at is not null;
