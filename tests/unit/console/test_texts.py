"""Texts of the console: every one is used."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import ocpi_hub
from ocpi_hub.console.texts import t

PACKAGE = Path(ocpi_hub.__file__).parent
CONSOLE = PACKAGE / "console"
BY_NAME = ("label", "word", "hint")
"""Areas whose texts are looked up by the name of a field or a value, if there is one."""

Pattern = tuple[str | None, ...]
"""A name that is put together: None stands for what is known at run time."""


def trees(folder: Path) -> Iterator[ast.AST]:
    for file in sorted(folder.rglob("*.py")):
        yield from ast.walk(ast.parse(file.read_text(encoding="utf-8")))


@functools.cache
def words() -> frozenset[str]:
    """Whatever stands in the program as a name or a text: run time makes up no others."""
    found: set[str] = {""}
    for node in trees(PACKAGE):
        match node:
            case ast.Constant(value=str(text)):
                # Some stand in paths, too.
                found |= {text, text.replace("/", "_")}
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                found.add(name)
            case ast.keyword(arg=str(name)):
                found.add(name)
    return frozenset(found)


def pattern(node: ast.JoinedStr) -> Pattern:
    return tuple(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None
        for part in node.values
    )


@functools.cache
def patterns() -> tuple[frozenset[Pattern], frozenset[Pattern]]:
    """Names of texts that are put together, and parts of them."""
    names: set[Pattern] = set()
    parts: set[Pattern] = set()
    for node in trees(CONSOLE):
        match node:
            case ast.Call(func=ast.Name(id="t"), args=[ast.JoinedStr() as name, *_]):
                names.add(pattern(name))
            case ast.JoinedStr():
                made = pattern(node)
                known = made[0] if made else None
                if known is not None and re.fullmatch(r"[a-z_]+\..*", known):
                    names.add(made)
                elif known is not None and re.fullmatch(r"[a-z]+_", known):
                    parts.add(made)
    return frozenset(names), frozenset(parts)


def is_made(text: str, by: Pattern) -> bool:
    """Whether a pattern can become a text, given the words that there are."""
    if not by:
        return not text
    known, *rest = by
    if known is not None:
        return text.startswith(known) and is_made(text[len(known) :], tuple(rest))
    return any(
        is_word(text[:end]) and is_made(text[end:], tuple(rest)) for end in range(len(text) + 1)
    )


@functools.cache
def is_word(text: str) -> bool:
    _, parts = patterns()
    return text in words() or any(is_made(text, part) for part in parts)


def is_used(name: str, quoted: set[str]) -> bool:
    area, _, key = name.partition(".")
    if name in words() or name in quoted or (area in BY_NAME and key in words()):
        return True
    names, _ = patterns()
    return any(is_made(name, each) for each in names)


def test_every_text_is_used() -> None:
    """One that is not is deleted, in every language.

    Names are looked for in full, and as what their parts can become; a name that is put together
    stands in the call of `t`, or begins with its area.
    """
    quoted: set[str] = set()
    for file in CONSOLE.joinpath("templates").iterdir():
        text = file.read_text(encoding="utf-8")
        quoted |= set(re.findall(r"""["']([a-z_]+\.\w+)["']""", text))
        # Areas that a template puts names together for count as the program's names do.
        quoted |= {
            f"{area}{word}"
            for area in re.findall(r"""["']([a-z_]+\.)["'] ~""", text)
            for word in words()
        }
    unused = sorted(name for name in t.names() if not is_used(name, quoted))
    assert unused == []
