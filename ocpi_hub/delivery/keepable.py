"""Ids that the hub can keep objects under."""

from __future__ import annotations

from typing import Final

from ocpi_hub.errors import InvalidRequest

MAX_KEY: Final = 255
"""Characters of an id that the hub keeps an object under; the specification allows 39."""


def require_keepable(name: str, value: str) -> None:
    """Over-long ids pass like other over-long texts (TY-02), as far as they fit an index.

    Raises:
        InvalidRequest: it does not fit, or no URL can name it.
    """
    if value in {".", ".."}:
        raise InvalidRequest(f"{name}: {value} means something else in a URL")
    if len(value) > MAX_KEY:
        raise InvalidRequest(f"{name}: {len(value)} characters, this hub keeps {MAX_KEY} at most")
