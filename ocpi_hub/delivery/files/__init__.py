"""Objects in files: JSON Lines and CSV, for partners with no OCPI (docs/files.md). Pure, one object
at a time: no function here holds a list of a file's objects."""
