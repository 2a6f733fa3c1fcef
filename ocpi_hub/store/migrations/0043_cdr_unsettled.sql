-- What keeps a CDR off a statement is looked up for each CDR that is asked for. Joined, it was read for
-- all CDRs there are, for each part of a statement.
drop view cdr_unsettled;
create view cdr_unsettled as
select l.*, custody.left_out
from cdr_ledger l
cross join lateral (
    select
        case
            when d.state in ('pending', 'in_flight') then 'on its way'
            when d.state <> 'delivered' then d.state
            when exists (
                select from cdr_dispute x
                where (x.country_code, x.party_id, x.cdr_id)
                        = (l.country_code, l.party_id, l.cdr_id)
                    and x.closed_at is null) then 'disputed'
        end as left_out
    from directed_object d
    where (d.module, d.country_code, d.party_id, d.object_id)
        = ('cdrs', l.country_code, l.party_id, l.cdr_id)
    offset 0) as custody
where l.statement_id is null;
