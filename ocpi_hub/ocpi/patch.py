"""The bodies of PATCH requests as models, made from the models of the objects.

Spec: 2.2.1 transport_and_format_patch (TF-21).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final, get_type_hints

from pydantic import Field, create_model

from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.parse import Parsed, validate_object

_REQUIRED: Final = "last_updated"


@functools.cache
def patch_of(model: type[OcpiModel]) -> type[OcpiModel]:
    """The body of a PATCH of an object: any of its fields, and `last_updated` (ER-09).

    null, which removes a field, is refused where the object requires one. What the object is after
    the patch, and rules between its fields, are checked on the object.
    """
    hints = get_type_hints(model, include_extras=True)
    fields: dict[str, Any] = {
        # A factory, because a JSON Schema shows a default that the field itself would refuse.
        name: (hints[name], ... if name == _REQUIRED else Field(default_factory=_absent))
        for name in model.model_fields
    }
    return create_model(
        f"{model.__name__}Patch",
        __base__=OcpiModel,
        __module__=model.__module__,
        __doc__=f"A PATCH of a {model.__name__}: fields that are absent stay as they are.",
        **fields,
    )


def look_at_patch(fields: Mapping[str, object], model: type[OcpiModel]) -> Parsed[OcpiModel] | None:
    """The body of a PATCH for what is to be said about it; None where it cannot be read.

    What it leads to decides whether it is refused, and says why.
    """
    try:
        return validate_object(fields, patch_of(model))
    except InvalidRequest:
        return None


def _absent() -> None:
    """What a field that was not sent holds."""
