-- Identifiers of modules outside the specification's that an operator agreed on with a platform.

alter table platform add column custom_modules text[] not null default '{}';
