"""The admin side: what operators see and do, over HTTP, and the metrics.

views/       how things look, one file per kind; shared with the commands
actions/     what operators do, one file per kind; shared with the commands
routes/      the table of routes, one file per kind
api.py       one pipeline for every request
openapi.py   the description, from the same table
keys.py      who may call
metrics/     what is counted and measured
"""
