-- What owners' full lists show: whatever two of them in a row do not show is not valid any more.

-- When a full list showed the object as it stood, and when one did not show it.
alter table shared_object
    add column listed_at timestamptz,
    add column missed_at timestamptz;
