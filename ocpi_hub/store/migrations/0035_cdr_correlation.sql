-- From a message to the CDR that it was about.

create index directed_object_correlation on directed_object using hash (correlation_id)
where module = 'cdrs';
