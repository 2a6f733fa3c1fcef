-- Who acts.

-- name: act
-- For the rest of the transaction; what records a CDR's life reads it.
select set_config('ocpi_hub.actor', $1, true);
