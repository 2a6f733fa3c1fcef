"""Where two objects differ."""

from __future__ import annotations

from ocpi_hub.ocpi.json_text import fingerprint, members


def differing_fields(ours: str, theirs: str) -> tuple[str, ...]:
    """Names of the fields in which two JSON objects differ, in the order of the first.

    Layout, the order of members and the writing of numbers are no difference.

    Raises:
        ValueError: a text is no JSON object.
    """
    mine, its = dict(members(ours)), dict(members(theirs))
    return tuple(
        name
        for name in dict.fromkeys((*mine, *its))
        if name not in mine or name not in its or fingerprint(mine[name]) != fingerprint(its[name])
    )
