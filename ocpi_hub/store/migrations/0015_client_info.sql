-- Since when a platform is OFFLINE: others are told only once it has stayed so for a while.
alter table platform add column offline_since timestamptz;

create function note_offline_since() returns trigger language plpgsql as $$
begin
    new.offline_since := case when not new.online then clock_timestamp() end;
    return new;
end
$$;
create trigger platform_offline_since
    before update of online on platform
    for each row
    when (old.online is distinct from new.online)
    execute function note_offline_since();

-- What somebody has still to be told about the parties of a platform, before it begins to send.
create index client_info_untold_party on client_info (country_code, party_id) where not told;
