"""The mild faults of an accepted object: what a partner should mend, and the hub only reports.

What of a model can have faults at all is found out once: most fields of a long CDR cannot.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ocpi_hub.ocpi.base import Finding, OcpiModel, WireType

_Look = Callable[[Any, str, "_Found"], None]
"""Looks at a value that is not None, for what is found below a path."""


class _Found(list[Finding]):
    """Findings, up to a limit."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self._limit = limit

    @property
    def full(self) -> bool:
        return self._limit is not None and len(self) >= self._limit


def findings(value: OcpiModel, *, limit: int | None = None) -> tuple[Finding, ...]:
    """The mild faults of an object, in the order of its fields; the first `limit` of them."""
    found = _Found(limit)
    _look_at_model(value, "", found)
    return tuple(found[:limit])


def _look_at_model(value: OcpiModel, prefix: str, found: _Found) -> None:
    given = value.model_fields_set
    for name, look in _fields(type(value)):
        if name in given and (inner := getattr(value, name)) is not None:
            if found.full:
                return
            look(inner, f"{prefix}{name}", found)
    for finding in value.own_findings():
        found.append(Finding(finding.rule, f"{prefix}{finding.path}", finding.message))


def _look_at_part(value: OcpiModel, path: str, found: _Found) -> None:
    _look_at_model(value, f"{path}.", found)


@functools.cache
def _fields(model: type[OcpiModel]) -> Sequence[tuple[str, _Look]]:
    """The fields of a model that can have faults."""
    hints = get_type_hints(model, include_extras=True)
    looks = ((name, _look(hints[name])) for name in model.model_fields)
    return [(name, look) for name, look in looks if look is not None]


def _look(hint: Any) -> _Look | None:
    """How to look at a value of an annotation; None: there is nothing to find."""
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and issubclass(hint, OcpiModel):
        return _look_at_part
    if origin is Annotated:
        wires = [_look_at_wire(item) for item in arguments[1:] if isinstance(item, WireType)]
        return _all([*wires, _look(arguments[0])])
    if origin in (Union, types.UnionType):
        return _any(arguments)
    if origin is tuple:
        return _look_at_each(_look(arguments[0]))
    return None


def _any(choices: Sequence[Any]) -> _Look | None:
    """A value of one of several types: a model is looked at once, whichever it is."""
    looks = [look for choice in choices if (look := _look(choice)) is not None]
    parts = [look for look in looks if look is _look_at_part]
    return _all([*parts[:1], *(look for look in looks if look is not _look_at_part)])


def _all(looks: Sequence[_Look | None]) -> _Look | None:
    there = [look for look in looks if look is not None]
    if len(there) <= 1:
        return there[0] if there else None

    def look(value: Any, path: str, found: _Found) -> None:
        for each in there:
            each(value, path, found)

    return look


def _look_at_wire(wire: WireType) -> _Look:
    def look(value: Any, path: str, found: _Found) -> None:
        for rule, text in wire.faults(value):
            found.append(Finding(rule, path, text))

    return look


def _look_at_each(inner: _Look | None) -> _Look | None:
    if inner is None:
        return None

    def look(value: Any, path: str, found: _Found) -> None:
        if not isinstance(value, tuple):
            return
        for index, item in enumerate(value):
            if found.full:
                return
            if item is not None:
                inner(item, f"{path}[{index}]", found)

    return look
