-- Disputes about CDRs.

-- name: open
-- Only what was delivered can be disputed, and that once at a time.
insert into cdr_dispute (country_code, party_id, cdr_id, raised_by, reason, amount, opened_by)
select country_code, party_id, object_id, $4, $5, $6, $7
from directed_object
where (module, country_code, party_id, object_id) = ('cdrs', $1, $2, $3) and state = 'delivered'
on conflict (country_code, party_id, cdr_id) where closed_at is null do nothing
returning dispute_id;

-- name: answer
update cdr_dispute
set answer = $4, answered_at = now(), answered_by = $5
where (country_code, party_id, cdr_id) = ($1, $2, $3) and closed_at is null and answer is null
returning dispute_id;

-- name: close
update cdr_dispute
set outcome = $4, note = $5, closed_at = now(), closed_by = $6
where (country_code, party_id, cdr_id) = ($1, $2, $3) and closed_at is null
returning dispute_id;

-- name: list
-- Newest first, from a place on; null filters select everything. A credit that came since a dispute
-- was opened is taken for what an accepted one asks for; nothing is left to ask for of a CDR that is
-- credited in full.
select c.*, l.spelled_id, l.currency, l.receiver_country_code, l.receiver_party_id,
    c.outcome = 'accepted' and not exists (
        select from cdr_ledger k
        where (k.country_code, k.party_id) = (c.country_code, c.party_id)
            and k.credited_id is not null
            and left(k.credited_id, 100) = left(c.cdr_id, 100)
            and k.credited_id = c.cdr_id
        having max(k.received_at) >= c.opened_at
            or case when l.cost_excl_vat = 0 then sum(k.cost_excl_vat) = 0
                else sign(l.cost_excl_vat + sum(k.cost_excl_vat)
                    filter (where upper(k.currency) = upper(l.currency))) <> sign(l.cost_excl_vat)
                end) as awaits_credit,
    (select array_remove(
            array[d.body #>> '{cdr_token,uid}', d.body #>> '{cdr_token,contract_id}'], null)
        from directed_object d
        where (d.module, d.country_code, d.party_id, d.object_id)
            = ('cdrs', c.country_code, c.party_id, c.cdr_id)) as card
from cdr_dispute c
left join cdr_ledger l using (country_code, party_id, cdr_id)
where ($3::text is null or (c.country_code, c.party_id) = ($3, $4))
    and ($5::text is null or c.cdr_id = $5)
    and ($6::text is null or (l.receiver_country_code, l.receiver_party_id) = ($6, $7))
    and ($8::boolean is null or (c.closed_at is null) = $8)
    and ($2::bigint is null or c.dispute_id < $2)
order by c.dispute_id desc
limit $1;
