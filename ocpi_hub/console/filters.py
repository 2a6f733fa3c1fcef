"""Filters of lists: inputs that are made from the model which the list takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ocpi_hub.admin.routes.base import Listing
from ocpi_hub.console.forms import Input, choices
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Visit

_OWN = frozenset({"limit", "next", "sort"})


def filter_inputs(listing: type[Listing], visit: Visit, search: str) -> list[Input]:
    """One for each field that is neither paging, nor order, nor in the path.

    Args:
        search: the name of the one that is shown as a search.
    """
    found = []
    for name, field in listing.model_fields.items():
        if name in _OWN or name in visit.place:
            continue
        kind, options = _kind(name, field.annotation)
        found.append(
            Input(
                name,
                t.label(name),
                "search" if name == search else kind,
                visit.query.get(name, ""),
                choices(options, empty=t("base.any")) if options else (),
                help=t.hint(name, (field.description or "").replace("`", "")),
            )
        )
    return found


def _kind(name: str, annotation: Any) -> tuple[str, Sequence[str]]:
    """How a field is asked for: the kind of input, and the options of a select."""
    options = options_of(annotation)
    if options:
        return "select", options
    plainly = _bare(annotation)
    if plainly is bool:
        return "select", ("true", "false")
    if plainly is datetime:
        return "datetime-local", ()
    if name == "month":
        return "month", ()
    return ("number" if plainly is int else "text"), ()


def options_of(annotation: Any) -> Sequence[str]:
    """What a field can be, if that is a few words."""
    plainly = _bare(annotation)
    if get_origin(plainly) is Literal:
        return [str(each) for each in get_args(plainly)]
    if isinstance(plainly, type) and issubclass(plainly, Enum):
        return [str(each.value) for each in plainly]
    return ()


def _bare(annotation: Any) -> Any:
    """A type without None and without what pydantic is told besides."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        others = [each for each in get_args(annotation) if each is not NoneType]
        return _bare(others[0]) if len(others) == 1 else annotation
    return annotation
