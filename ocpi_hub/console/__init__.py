"""The operators' console, `/console`: pages made on the server, alive with htmx, no network needed.

texts/       what people read, a file for each area
visit.py     what a page's handler gets, and what it answers
page.py      the table of pages: path, who may, handler
pipeline.py  one pipeline for every request: session, rights, CSRF, errors, headers
lists.py     pages that list; stories.py: pages that tell about one object
cells.py, charts.py, forms.py   what pages are made of
live.py      server-sent events
logins.py    login, logout, change of password
pages/       the pages, one file per kind

docs/console.md says how a page is made.
"""
