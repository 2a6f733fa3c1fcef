"""What stands in a table or a list of facts, as HTML and as text for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from urllib.parse import quote

from markupsafe import Markup

from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import BASE, Tone
from ocpi_hub.ocpi.envelope import timestamp

_TONES = {
    Tone.GOOD: "connected on done delivered answered accepted ok valid active",
    Tone.NOTE: "invited connecting planned pending in_flight begun realtime whitelist running",
    Tone.WARN: "suspended offline held uncertain refused disconnected hub_fallback busy disabled",
    Tone.BAD: "dead failed unreachable no_answer nobody error",
}
_LONG = 30
"""Characters of an id that has no room on one line of a table."""
_TONE_OF: Mapping[str, Tone] = {
    word: tone for tone, words in _TONES.items() for word in words.split()
}


@dataclass(frozen=True, slots=True)
class At:
    """A time, shown in the viewer's zone: aware, or as views show it."""

    at: datetime | str | None

    @property
    def utc(self) -> str:
        if self.at is None:
            return ""
        return timestamp(self.at) if isinstance(self.at, datetime) else self.at


@dataclass(frozen=True, slots=True)
class Chip:
    """A word with a colour; without a tone, what the word usually means."""

    word: str | None
    tone: Tone | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """An id, or something else that is typed."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Link:
    """Something to look at: a text, or when it was."""

    text: str | At
    href: str


@dataclass(frozen=True, slots=True)
class Number:
    """With digits after the point, and what it counts."""

    value: float | None
    digits: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of some time, as a bar with its length beside.

    Attributes:
        start, end: as shares of the whole: 0 to 1.
    """

    start: float
    end: float
    length: Number


Plain = str | int | float | bool | None
Cell = Plain | At | Chip | Code | Link | Number | Span | Sequence["Cell"]


def url(*parts: str, **query: str) -> str:
    """A path of the console; each part is escaped."""
    path = "/".join((BASE, *(quote(part, safe="") for part in parts)))
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)
    return f"{path}?{pairs}" if pairs else path


def html(cell: Cell) -> Markup:
    """As it is shown. Whatever is text is escaped."""
    match cell:
        case At():
            if not cell.utc:
                return _NOTHING
            short = cell.utc[:19].replace("T", " ")
            return Markup('<time datetime="{0}" title="{1} UTC">{1}</time>').format(cell.utc, short)
        case Chip():
            return _chip(cell)
        case Code():
            return _code(cell.text) if cell.text else _NOTHING
        case Link():
            return Markup('<a href="{}">{}</a>').format(cell.href, html(cell.text))
        case Number():
            return _number(cell)
        case Span():
            return _span(cell)
        case None | str() | int() | float():
            return _plainly(cell)
        case _:
            return _several(cell) if cell else _NOTHING


def is_nothing(cell: Markup) -> bool:
    """Whether what is shown says that there is nothing."""
    return cell == _NOTHING


def _plainly(value: Plain) -> Markup:
    if value is None or value == "":
        return _NOTHING
    if isinstance(value, bool):
        return Markup.escape(t("base.yes") if value else t("base.no"))
    return Markup.escape(str(value.value) if isinstance(value, Enum) else str(value))


def plain(cell: Cell) -> str | int | float:
    """As it stands in a file."""
    match cell:
        case At():
            return cell.utc
        case Chip():
            return cell.word or ""
        case Code():
            return cell.text or ""
        case Number():
            return "" if cell.value is None else cell.value
        case Link(text=inner) | Span(length=inner):
            return plain(inner)
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case Enum():
            return str(cell.value)
        case str() | int() | float():
            return cell
        case _:
            return " ".join(str(plain(each)) for each in cell)


def is_number(cell: Cell) -> bool:
    """Whether it stands on the right."""
    return isinstance(cell, Number | int | float) and not isinstance(cell, bool)


_NOTHING = Markup('<span class="none">–</span>')  # noqa: RUF001  # a dash is what is meant


def _several(cells: Sequence[Cell]) -> Markup:
    """Links are told from each other by more than a blank."""
    links = all(isinstance(each, Link) for each in cells)
    between = Markup(" · ") if links else Markup(" ")
    return between.join(map(html, cells))


def _code(text: str) -> Markup:
    """Lists shorten what is long."""
    long = Markup(' class="long" title="{}"').format(text) if len(text) > _LONG else ""
    return Markup("<code{}>{}</code>").format(long, text)


def _chip(chip: Chip) -> Markup:
    if not chip.word:
        return _NOTHING
    tone = chip.tone or _TONE_OF.get(chip.word.lower()) or ""
    word = t.word(chip.word) if chip.word.islower() else chip.word
    return Markup('<span class="chip {}">{}</span>').format(tone, word)


def _number(number: Number) -> Markup:
    if number.value is None:
        return _NOTHING
    text = f"{number.value:,.{number.digits}f}".replace(",", "\u202f")
    unit = Markup(' <span class="unit">{}</span>').format(number.unit) if number.unit else ""
    return Markup("{}{}").format(text, unit)


def _span(span: Span) -> Markup:
    # What is very short is seen, too.
    start = min(span.start, 0.98) * 100
    width = max((span.end - span.start) * 100, 2)
    return Markup(
        '<span class="span"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="whole" width="100" height="8"/>'
        '<rect class="part" x="{:.1f}" width="{:.1f}" height="8"/></svg>{}</span>'
    ).format(start, min(width, 100 - start), _number(span.length))
