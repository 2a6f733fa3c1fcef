"""Where the next part of a list begins: opaque to clients, checked when it comes back."""

from __future__ import annotations

import base64
import binascii
import json

Place = tuple[str | int, ...]


def cursor_text(kind: str, *place: str | int) -> str:
    """A cursor of the list `kind`, fit for a URL."""
    text = json.dumps([kind, *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cursor_place(kind: str, text: str, *types: type[str] | type[int]) -> Place:
    """The place in a cursor.

    Raises:
        ValueError: it is no cursor of this list.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise _no_cursor() from None
    if not isinstance(value, list) or [type(each) for each in value] != [str, *types]:
        raise _no_cursor()
    if value[0] != kind or not all(map(_is_storable, value)):
        raise _no_cursor()
    return tuple(value[1:])


def _is_storable(value: str | int) -> bool:
    """Whether the database can compare it with what it holds."""
    if isinstance(value, int):
        return 0 <= value < 2**63
    return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)


def _no_cursor() -> ValueError:
    return ValueError("is no `next` of this list: begin without one")
