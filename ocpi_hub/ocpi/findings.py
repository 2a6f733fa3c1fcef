"""The mild faults of an accepted object: what a partner should mend, and the hub only reports."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from ocpi_hub.ocpi.base import Finding, OcpiModel, WireType


def findings(value: OcpiModel, *, limit: int | None = None) -> tuple[Finding, ...]:
    """The mild faults of an object, in the order of its fields; the first `limit` of them."""
    return tuple(islice(_of_model(value, ""), limit))


def _of_model(value: OcpiModel, path: str) -> Iterator[Finding]:
    prefix = f"{path}." if path else ""
    for name, hint in _hints(type(value)).items():
        if name in value.model_fields_set:
            yield from _of_value(getattr(value, name), hint, f"{prefix}{name}")
    for finding in value.own_findings():
        yield Finding(finding.rule, f"{prefix}{finding.path}", finding.message)


def _of_value(value: object, hint: Any, path: str) -> Iterator[Finding]:
    if value is None:
        return
    if isinstance(value, OcpiModel):
        yield from _of_model(value, path)
        return
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        for item in arguments[1:]:
            if isinstance(item, WireType):
                yield from (Finding(rule, path, text) for rule, text in item.faults(value))
        yield from _of_value(value, arguments[0], path)
    elif origin in (Union, types.UnionType):
        for choice in arguments:
            yield from _of_value(value, choice, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _of_value(item, arguments[0], f"{path}[{index}]")


@functools.cache
def _hints(model: type[OcpiModel]) -> Mapping[str, Any]:
    """The annotations of a model's fields, with their metadata."""
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in model.model_fields}
