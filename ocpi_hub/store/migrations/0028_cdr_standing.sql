-- The ledger as people look at it: each CDR with its statement and with what Credit CDRs took back.

-- Whether credits leave nothing of an amount, or less.
create function cdr_is_taken_back(cost numeric, credited numeric) returns boolean
language sql immutable parallel safe as $$
    select credited is not null
        and case when cost = 0 then credited = 0 else (cost + credited) * sign(cost) <= 0 end
$$;

-- Only credits that were delivered count, between the same parties and in the same currency.
create view cdr_standing as
select
    l.*,
    s.month as statement_month,
    s.closed_at as settled_at,
    s.closed_by as settled_by,
    s.closed_at is not null as is_settled,
    back.excl_vat as credited_excl_vat,
    back.incl_vat as credited_incl_vat,
    not l.is_credit and cdr_is_taken_back(l.cost_excl_vat, back.excl_vat) as is_corrected
from cdr_ledger l
left join statement s using (statement_id)
left join lateral (
    select sum(c.cost_excl_vat) as excl_vat,
        case when bool_and(c.cost_incl_vat is not null) then sum(c.cost_incl_vat) end as incl_vat
    from cdr_ledger c
    join directed_object d
        on (d.module, d.country_code, d.party_id, d.object_id)
            = ('cdrs', c.country_code, c.party_id, c.cdr_id)
    where (c.country_code, c.party_id) = (l.country_code, l.party_id)
        and c.credited_id is not null
        and left(c.credited_id, 100) = left(l.cdr_id, 100)
        and c.credited_id = l.cdr_id
        and c.cdr_id <> l.cdr_id
        and (c.receiver_country_code, c.receiver_party_id)
            = (l.receiver_country_code, l.receiver_party_id)
        and c.currency = l.currency
        and d.state = 'delivered') back on true;
