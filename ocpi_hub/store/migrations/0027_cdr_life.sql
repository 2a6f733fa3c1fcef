-- The life of CDRs, as it is told, and disputes about them.

-- Where a CDR stands. Whether it is being sent just now is no matter of its life; what is on a closed
-- statement is settled, and what Credit CDRs took back is corrected.
create function cdr_stage(state text, is_settled boolean, is_corrected boolean) returns text
language sql immutable parallel safe as $$
    select case
        when state in ('pending', 'in_flight') then 'received'
        when state <> 'delivered' then state
        when is_corrected then 'corrected'
        when is_settled then 'settled'
        else 'delivered'
    end
$$;

-- A row for each step of a CDR in custody, written by whatever changes directed_object. Settling and
-- correcting are told by the statement and by the Credit CDR.
create table cdr_transition (
    country_code text not null,
    party_id     text not null,
    cdr_id       text not null,
    number       bigint generated always as identity,
    at           timestamptz not null default clock_timestamp(),
    version      integer not null,
    -- Null: it entered custody.
    from_stage   text,
    to_stage     text not null,
    -- 'owner', 'hub', 'receiver CC*PID', 'operator NAME' or 'command'.
    actor        text not null,
    reason       text,
    primary key (country_code, party_id, cdr_id, number)
);

-- Who acts for an operator says so in ocpi_hub.actor for the time of its transaction.
create function note_cdr_transition() returns trigger language plpgsql as $$
declare
    came  text := case when tg_op = 'UPDATE' then cdr_stage(old.state, false, false) end;
    stage text := cdr_stage(new.state, false, false);
    who   text := coalesce(
        nullif(current_setting('ocpi_hub.actor', true), ''),
        case when stage in ('delivered', 'refused', 'uncertain')
            then 'receiver ' || new.receiver_country_code || '*' || new.receiver_party_id
            when stage = 'received' then 'owner'
            else 'hub' end);
    why   text := new.reason;
begin
    if why is null and stage in ('delivered', 'refused') then
        why := nullif(concat_ws(', ', 'HTTP ' || new.last_http, 'OCPI ' || new.last_ocpi,
            new.last_message), '');
    elsif why is null and stage = 'received' and who = 'owner' and came is not null then
        why := case when new.version > old.version then 'its owner sent a new content'
            else 'its owner sent it again' end;
    end if;
    insert into cdr_transition
        (country_code, party_id, cdr_id, version, from_stage, to_stage, actor, reason)
    values
        (new.country_code, new.party_id, new.object_id, new.version, came, stage, who, why);
    return null;
end
$$;
create trigger cdr_enters
    after insert on directed_object
    for each row
    when (new.module = 'cdrs')
    execute function note_cdr_transition();
create trigger cdr_moves
    after update of state on directed_object
    for each row
    when (new.module = 'cdrs'
        and cdr_stage(old.state, false, false) <> cdr_stage(new.state, false, false))
    execute function note_cdr_transition();

-- CDRs by their id alone, for who does not know the owner; and what somebody should look at.
create index directed_object_cdr on directed_object (object_id) where module = 'cdrs';
create index directed_object_stuck on directed_object (module, serial)
    where state in ('held', 'refused', 'uncertain', 'dead');

-- A party's word against a CDR that was delivered. It never changes the CDR: what is accepted is put
-- right by a Credit CDR.
create table cdr_dispute (
    dispute_id   bigint generated always as identity primary key,
    country_code text not null,
    party_id     text not null,
    cdr_id       text not null,
    -- Whose word it is.
    raised_by    text not null check (raised_by in ('CPO', 'EMSP')),
    reason       text not null check (reason <> ''),
    -- What is in dispute, in the CDR's currency and without VAT; null: all of it, or no sum.
    amount       numeric check (amount > 0),
    opened_at    timestamptz not null default now(),
    opened_by    text not null,
    answer       text check (answer <> ''),
    answered_at  timestamptz,
    answered_by  text,
    outcome      text check (outcome in ('accepted', 'rejected', 'withdrawn')),
    note         text check (note <> ''),
    closed_at    timestamptz,
    closed_by    text,
    constraint answer_is_whole check
        (num_nulls(answer, answered_at, answered_by) in (0, 3)),
    constraint end_is_whole check (num_nulls(outcome, note, closed_at, closed_by) in (0, 4))
);
create index cdr_dispute_of on cdr_dispute (country_code, party_id, cdr_id);
create unique index cdr_dispute_open on cdr_dispute (country_code, party_id, cdr_id)
    where closed_at is null;
