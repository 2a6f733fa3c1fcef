-- Statements: what a CPO and an eMSP settle by, one for each relation and month.

create table statement (
    statement_id          bigint generated always as identity primary key,
    country_code          text not null,
    party_id              text not null,
    receiver_country_code text not null,
    receiver_party_id     text not null,
    -- Its first day.
    month                 date not null check (extract(day from month) = 1),
    -- Days begin and months end as they do there.
    time_zone             text not null,
    -- 'closing': entries are being put on it, a part at a time; whoever dies on the way is followed by
    -- the next who closes it.
    state                 text not null default 'closing' check (state in ('closing', 'closed')),
    begun_at              timestamptz not null default now(),
    closed_at             timestamptz,
    closed_by             text not null,
    -- What was settled, as it was summed up when it closed.
    totals                json,
    unique (country_code, party_id, receiver_country_code, receiver_party_id, month),
    constraint closed_is_summed_up check
        ((state = 'closed') = (closed_at is not null) and (state = 'closed') = (totals is not null))
);

-- The statement that a CDR is on. It never leaves it: what changes later goes on a later one.
alter table cdr_ledger add column statement_id bigint references statement;
create index cdr_ledger_statement on cdr_ledger (statement_id, entry) where statement_id is not null;
create index cdr_ledger_unsettled on cdr_ledger
    (country_code, party_id, receiver_country_code, receiver_party_id, ended_at)
    where statement_id is null;

-- What is known of a CDR's VAT: its one rate in percent, or why there is none.
create function cdr_vat(entry cdr_ledger) returns text language sql immutable as $$
    select case
        when entry.cost_incl_vat is null then 'not_stated'
        when entry.cost_incl_vat = entry.cost_excl_vat then 'none'
        when entry.price_vat is null or entry.price_verdict not in ('equal', 'rounding') then 'unknown'
        when json_array_length(entry.price_vat) = 1
            then coalesce(trim_scale((entry.price_vat -> 0 ->> 'rate')::numeric)::text, 'unknown')
        else 'mixed'
    end
$$;
