-- CDRs that are on no statement, and what keeps them off one; null: nothing.
create view cdr_unsettled as
select
    l.*,
    case
        when d.state in ('pending', 'in_flight') then 'on its way'
        when d.state <> 'delivered' then d.state
        when exists (
            select from cdr_dispute x
            where (x.country_code, x.party_id, x.cdr_id) = (l.country_code, l.party_id, l.cdr_id)
                and x.closed_at is null) then 'disputed'
    end as left_out
from cdr_ledger l
join directed_object d
    on (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', l.country_code, l.party_id, l.cdr_id)
where l.statement_id is null;

-- Takes values, so that what becomes of the table is no matter.
create function cdr_vat(verdict text, parts json, excl_vat numeric, incl_vat numeric)
returns text language sql immutable parallel safe as $$
    select case
        when incl_vat is null then 'not_stated'
        when incl_vat = excl_vat then 'none'
        when parts is null or verdict not in ('equal', 'rounding') then 'unknown'
        when json_array_length(parts) = 1
            then coalesce(trim_scale((parts -> 0 ->> 'rate')::numeric)::text, 'unknown')
        else 'mixed'
    end
$$;
drop function cdr_vat(cdr_ledger);
