"""The id of an EVSE that people read: `evse_id`, a form on top of its CiString.

    NL*CPO*E0001*2     country code, operator, E, the operator's own part
    NLCPOE00012        separators may be left out

Compared without case. The numeric ids of DIN SPEC 91286 (`+49*810*000*438`) are no such ids.
Spec: 2.2.1 mod_locations_evse_object, which leaves the form to eMI3, part 2; that is the one of
ISO 15118-2, annex H.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from ocpi_hub.ocpi.faults import Rule, WireType, marking
from ocpi_hub.ocpi.strings import NOT_AVAILABLE

MAX_LENGTH: Final = 48
"""Characters of the field."""

_FORM: Final = re.compile(r"[A-Z]{2}\*?[A-Z0-9]{3}\*?E[A-Z0-9][A-Z0-9*]{0,30}", re.IGNORECASE)


class EvseIdForm(WireType):
    """Beside the string type of a field: another form than that of ISO 15118-2 is a mild fault.

    The JSON Schema does not ask for it, as the specification's own type does not.
    """

    __slots__ = ()

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: str, info: ValidationInfo) -> str:
        return value if is_evse_id(value) else marking(value, info)

    def faults(self, value: Any) -> Iterator[tuple[Rule, str]]:
        # One that is too long is called that already.
        if len(value) <= MAX_LENGTH and not is_evse_id(value):
            yield Rule.EVSE_ID, f"{len(value)} characters, not of the form of ISO 15118-2"


def is_evse_id(value: str) -> bool:
    """Whether a text has the form, or says that there is none (TF-28)."""
    return value == NOT_AVAILABLE or _FORM.fullmatch(value) is not None
