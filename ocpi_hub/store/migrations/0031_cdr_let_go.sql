-- A held CDR does not go on by itself: an operator releases it, and says so, or the checks do not
-- hold it any more. It is never its owner's step.
create or replace function note_cdr_transition() returns trigger language plpgsql as $$
declare
    came  text := case when tg_op = 'UPDATE' then cdr_stage(old.state, false, false) end;
    stage text := cdr_stage(new.state, false, false);
    who   text := coalesce(
        nullif(current_setting('ocpi_hub.actor', true), ''),
        case when stage in ('delivered', 'refused', 'uncertain')
            then 'receiver ' || new.receiver_country_code || '*' || new.receiver_party_id
            when stage = 'received' and came is distinct from 'held' then 'owner'
            else 'hub' end);
    why   text := new.reason;
begin
    if why is null and stage in ('delivered', 'refused') then
        why := nullif(concat_ws(', ', 'HTTP ' || new.last_http, 'OCPI ' || new.last_ocpi,
            new.last_message), '');
    elsif why is null and stage = 'received' and who = 'owner' and came is not null then
        why := case when new.version > old.version then 'its owner sent a new content'
            else 'its owner sent it again' end;
    elsif why is null and stage = 'received' and came = 'held' then
        why := 'nothing holds it any more';
    end if;
    insert into cdr_transition
        (country_code, party_id, cdr_id, version, from_stage, to_stage, actor, reason)
    values
        (new.country_code, new.party_id, new.object_id, new.version, came, stage, who, why);
    return null;
end
$$;
