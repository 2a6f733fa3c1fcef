"""The self-test of a partner: does its platform speak OCPI as the specification says.

`registry.py` is the table of all checks. Each one looks at what the partner answers, which
`conversation.py` asks for and remembers, so that many checks share one request; `runner.py` runs
them one after the other and makes one report of it, which `text.py` and `page.py` render.

The partner may be in production: everything is read, and nothing but GET is sent, unless checks
that write are asked for. It may be hostile as well: URLs are checked like all that the hub calls,
answers and the whole run are limited, and what it says is data in every rendering.
"""
