-- Where the results of commands and charging profiles go: the URL that the hub handed out stands for
-- the partner's own. `subject` finds the party that a reservation or a session is with.
create table answer_url (
    answer_id              text primary key,
    url                    text not null check (url <> ''),
    module                 text not null check (module in ('commands', 'chargingprofiles')),
    action                 text not null check (action <> ''),
    subject                text not null,
    requester_country_code text not null,
    requester_party_id     text not null,
    receiver_country_code  text not null,
    receiver_party_id      text not null,
    correlation_id         text not null,
    created_at             timestamptz not null default now(),
    expires_at             timestamptz not null check (expires_at >= created_at)
);
create index answer_url_expired on answer_url (expires_at);
create index answer_url_subject on answer_url (module, action, subject) where subject <> '';
