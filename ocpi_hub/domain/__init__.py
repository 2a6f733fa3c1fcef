"""Values and protocols: no I/O, no frameworks."""
