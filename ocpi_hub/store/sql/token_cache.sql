-- Which tokens have changed.

-- name: tail
select coalesce(max(position), 0) from shared_object where module = 'tokens';

-- name: changed_after
-- Broadcast and addressed ones, deleted ones too.
select position, object_id, object_type
from shared_object
where module = 'tokens' and position > $1
order by position
limit $2;
