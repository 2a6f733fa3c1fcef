-- What operators ask and do about tokens.

-- name: search
-- In the order of arrival, from a place on; null filters select everything. It is planned with its
-- values, so that each finds its index; these hold the first 100 characters.
select serial, country_code, party_id, audience, origin, body
from shared_object
where module = 'tokens'
    and not deleted
    and ($1::text is null or object_id = $1)
    and ($2::text is null or (
        body ->> 'visual_number' is not null
        and left(upper(body ->> 'visual_number'), 100) = left(upper($2), 100)
        and upper(body ->> 'visual_number') = upper($2)))
    and ($3::text is null or (
        left(upper(body ->> 'contract_id'), 100) = left(upper($3), 100)
        and upper(body ->> 'contract_id') = upper($3)))
    and ($4::text is null or (
        body ->> 'group_id' is not null
        and left(upper(body ->> 'group_id'), 100) = left(upper($4), 100)
        and upper(body ->> 'group_id') = upper($4)))
    and ($5::text is null or (
        left(upper(body ->> 'issuer'), 100) = left(upper($5), 100)
        and upper(body ->> 'issuer') = upper($5)))
    and ($6::text is null or (country_code, party_id) = ($6, $7))
    and ($8::bigint is null or serial > $8)
order by serial
limit $9;

-- name: find
select serial, country_code, party_id, audience, origin, body
from shared_object
where module = 'tokens' and serial = $1 and not deleted;

-- name: count_stored
select count(*)
from shared_object
where module = 'tokens' and object_id = $1 and ($2::text is null or object_type = $2);

-- name: erase_decisions
-- Who decided, why and the reference stay: a CDR rests on them.
with found as (
    select id from authorization_decision
    where upper(uid) = upper($1) and uid <> $3 and ($2::text is null or token_type = $2)
    limit $4
    for update)
update authorization_decision d set uid = $3 from found where d.id = found.id;

-- name: limit_time
-- Message records have no index that would help.
select set_config('statement_timeout', $1, true);

-- name: days
select day from message_days() day;

-- name: erase_messages
-- A body in which the hash stands goes as a whole: it tells more about the same driver.
update message
set path = replace(path, $1, $2),
    error = replace(error, $1, $2),
    request_body = case when position(convert_to($1, 'UTF8') in request_body) = 0 then request_body end,
    response_body = case when position(convert_to($1, 'UTF8') in response_body) = 0 then response_body end
where at >= $3 and at < $4
    and (position($1 in path) > 0
        or position($1 in error) > 0
        or position(convert_to($1, 'UTF8') in request_body) > 0
        or position(convert_to($1, 'UTF8') in response_body) > 0);

-- name: erase_contents
-- Their messages tell it in their paths, or not at all.
update message_content
set request_body = case when position(convert_to($1, 'UTF8') in request_body) = 0 then request_body end,
    response_body = case when position(convert_to($1, 'UTF8') in response_body) = 0 then response_body end
where at >= $2 and at < $3
    and (position(convert_to($1, 'UTF8') in request_body) > 0
        or position(convert_to($1, 'UTF8') in response_body) > 0);

-- name: erase_examples
update quality set object_id = $2 where object_id = $1;
