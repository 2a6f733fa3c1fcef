"""The terminal: how wide it is; text of partners is shown on it, and moves nothing."""

from __future__ import annotations

import shutil
import sys

ENDLESS = sys.maxsize
"""The width of what is no terminal."""


def columns() -> int:
    """Characters in a line of stdout."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else ENDLESS


def sentence(text: str) -> str:
    """What a list of commands says about one of them, as the first line of that one's own help."""
    return f"{text[0].upper()}{text[1:]}."


def clean(text: str) -> str:
    """Lines of text; what is not printable becomes a space."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else " " for each in text)


def escaped(json_text: str) -> str:
    """The same JSON; what is not printable, which stands in strings only, is written as escapes."""
    if json_text.isprintable():
        return json_text
    return "".join(each if each.isprintable() else _escape(each) for each in json_text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
