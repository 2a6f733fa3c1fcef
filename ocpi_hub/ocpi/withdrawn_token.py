"""A token that its owner's list does not show any more, as others are told about it.

It is the only content that the hub writes itself: `valid` becomes false, everything else stays as
the owner wrote it.
"""

from __future__ import annotations

from ocpi_hub.ocpi.merge import merge_patch

_NOT_VALID = '{"valid":false}'


def withdrawn_token(text: str) -> str:
    """The text of a withdrawn token.

    Args:
        text: the JSON text of a Token, as its owner wrote it last.
    """
    return merge_patch(text, _NOT_VALID)
