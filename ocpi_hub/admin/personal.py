"""What names a driver, and how it looks to those who only look.

Who has scope `operate` answers drivers' questions, and reads it. To all others a value is the keyed
hash that message records have in its place: what is about the same card can be told from the rest,
and nobody can turn it back. Views say which of their fields these are; nothing else has to.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Final, TypeVar, assert_never

from pydantic import Field

from ocpi_hub.admin.views.base import View

V = TypeVar("V", bound=View)


class Personal(Enum):
    """What stands in a field."""

    NAME = "names a driver"
    TEXT = "JSON in which some fields do"
    WORDS = "may name one anywhere"
    KNOWN = "the names that other texts of the same object may quote"
    QUOTES = "may quote what is known"


PersonalName = Annotated[str, Personal.NAME]
PersonalText = Annotated[str, Personal.TEXT]
OptionalName = Annotated[str | None, Personal.NAME]
PersonalWords = Annotated[str | None, Personal.WORDS]
KnownNames = Annotated[tuple[str, ...], Personal.KNOWN, Field(exclude=True, repr=False)]
"""Never shown itself. It counts for texts below it, too."""
Quoting = Annotated[str, Personal.QUOTES]
OptionalQuoting = Annotated[str | None, Personal.QUOTES]

UNREADABLE: Final = "~"
_MOST_DIGITS: Final = 300

_NAMES: Final = frozenset(
    {
        "uid",
        "contract_id",
        "visual_number",
        "group_id",
        "driver_id",
        # A signed record names the card that was read.
        "signed_data",
        "plain_data",
    }
)
_OF_AN_EVSE: Final = frozenset({"evse_id", "connectors", "status"})
"""Beside these `uid` is an EVSE's,"""
_OF_A_TOKEN: Final = frozenset({"contract_id", "type"})
"""unless one of these stands there, too: partners add fields of their own."""
_PLAIN: Final = 6
"""Characters from which on a name is one wherever it stands; a shorter one only as a word."""
_HIDDEN: Final = re.compile(r"~(?:erased|[0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Privacy:
    """Hides it.

    Attributes:
        mac: the keyed hash of a value.
        more: names of fields that are personal besides.
    """

    mac: Callable[[str], str]
    more: frozenset[str] = frozenset()

    def name(self, value: str) -> str:
        """What stands for a value; for what is hidden already, the same."""
        return value if _HIDDEN.fullmatch(value) else f"~{self.mac(value.upper())}"

    def text(self, body: str) -> str:
        """A JSON text with what names a driver hidden; of what cannot be read, nothing is told."""
        try:
            known = json.loads(body, parse_int=_number)
            hidden = self._hidden(known)
            # What names nobody stays as it was sent.
            return body if hidden == known else json.dumps(hidden, ensure_ascii=False)
        except (ValueError, RecursionError):
            return UNREADABLE

    def quoting(self, text: str, names: tuple[str, ...]) -> str:
        """A text of somebody else, who may have quoted names that are known, in any case."""
        spelled = [
            re.escape(name) if len(name) >= _PLAIN else rf"(?<!\w){re.escape(name)}(?!\w)"
            for name in sorted(filter(None, names), key=len, reverse=True)
        ]
        if not spelled:
            return text
        found = re.compile("|".join(spelled), re.IGNORECASE)
        return found.sub(lambda each: self.name(each[0]), text)

    def view(self, shown: V) -> V:
        """A view for those who only look."""
        return self._view(shown, frozenset(Personal), ())

    def quotes(self, shown: V) -> V:
        """The same but for what a page has to read, and hides itself."""
        return self._view(shown, frozenset({Personal.QUOTES}), ())

    def _view(self, shown: V, marks: frozenset[Personal], names: tuple[str, ...]) -> V:
        fields = marked_fields(type(shown))
        for name, mark in fields:
            if mark is Personal.KNOWN:
                names = (*names, *getattr(shown, name))
        changed = {
            name: hidden
            for name, mark in fields
            if (hidden := self._field(known := getattr(shown, name), mark, marks, names))
            is not known
        }
        return shown.model_copy(update=changed) if changed else shown

    def _field(
        self,
        value: object,
        mark: Personal | None,
        marks: frozenset[Personal],
        names: tuple[str, ...],
    ) -> object:
        match value:
            case View():
                return self._view(value, marks, names)
            case tuple() if value and isinstance(value[0], View):
                return tuple(self._field(each, mark, marks, names) for each in value)
            case str() if mark in marks:
                return self._marked(value, mark, names)
            case _:
                return value

    def _marked(self, value: str, mark: Personal | None, names: tuple[str, ...]) -> str:
        match mark:
            case Personal.NAME:
                return self.name(value)
            case Personal.TEXT:
                return self.text(value)
            case Personal.WORDS:
                return UNREADABLE
            case Personal.QUOTES:
                return self.quoting(value, names)
            case Personal.KNOWN | None:
                return value
            case _:
                assert_never(mark)

    def _hidden(self, value: object) -> object:
        match value:
            case Mapping():
                names = {str(name).lower() for name in value}
                return {
                    name: self._member(str(name).lower(), names, inner)
                    for name, inner in value.items()
                }
            case list():
                return [self._hidden(each) for each in value]
            case _:
                return value

    def _member(self, name: str, beside: set[str], value: object) -> object:
        personal = name in _NAMES or name in self.more
        of_an_evse = beside & _OF_AN_EVSE and not beside & _OF_A_TOKEN
        if not personal or (name == "uid" and of_an_evse):
            return self._hidden(value)
        match value:
            case str():
                return self.name(value)
            case bool() | None:
                return value
            case int() | float():
                return self.name(str(value))
            case list():
                return [self._member(name, set(), each) for each in value]
            case _ if name in self.more:
                return UNREADABLE
            case _:
                return self._hidden(value)


def _number(digits: str) -> int | str:
    """Numbers that Python does not care to read are shown as they are."""
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


@functools.cache
def marked_fields(kind: type[View]) -> tuple[tuple[str, Personal | None], ...]:
    """Fields of a view in which something may have to be hidden."""
    return tuple(
        (name, next((each for each in field.metadata if isinstance(each, Personal)), None))
        for name, field in kind.model_fields.items()
    )
