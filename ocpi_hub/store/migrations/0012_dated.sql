-- Who polls asks for what changed lately: a page and its count do not look at everything then.
create index shared_object_dated on shared_object (module, last_updated);
