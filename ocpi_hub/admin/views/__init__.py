"""How things look in results: one file per kind, the same for commands and for the API.

The models are the description as well: the OpenAPI document is made from them.
"""
