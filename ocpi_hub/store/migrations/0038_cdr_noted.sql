-- CDRs of which a check noted something, and those whose price is another one: few, and looked for.
create index cdr_ledger_noted on cdr_ledger (entry) where flags <> '{}' or holds <> '{}';
create index cdr_ledger_deviates on cdr_ledger (price_verdict)
    where price_verdict in ('differs', 'ambiguous');
