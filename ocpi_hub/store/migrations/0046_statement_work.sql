-- Closing a month that is large goes on while people look at it.
alter table statement
    -- When somebody was last seen to work on closing it; null: nobody does.
    add column worked_at timestamptz,
    -- Why whoever did so last gave up; null: they were interrupted, or nobody did.
    add column error     text;
