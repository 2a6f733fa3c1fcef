"""What is told about signed meter data, and the limits of what is looked at."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from ocpi_hub.domain.value import value

MAX_VALUES: Final = 100
"""Signed values of one CDR; each costs a signature to verify."""
MAX_CHARACTERS: Final = 100_000
"""Of one signed value; OCPI allows 5,000, and devices are known to need more."""
MAX_KEY_CHARACTERS: Final = 4096
MAX_READINGS: Final = 10_000
"""Of all records together."""
TOLERANCE_KWH: Final = Decimal("0.001")


class Outcome(StrEnum):
    """Whether the key's owner signed what was sent."""

    VALID = "valid"
    INVALID = "invalid"
    NOT_VERIFIABLE = "not_verifiable"


class Reason(StrEnum):
    """Why an outcome is what it is."""

    VERIFIED = "verified"
    SIGNATURE_WRONG = "signature_wrong"
    NO_KEY = "no_key"
    KEY_UNREADABLE = "key_unreadable"
    CURVE_UNSUPPORTED = "curve_unsupported"
    ALGORITHM_UNSUPPORTED = "algorithm_unsupported"
    ENCODING_UNSUPPORTED = "encoding_unsupported"
    RECORD_TRUNCATED = "record_truncated"
    RECORD_UNREADABLE = "record_unreadable"
    SIGNATURE_UNREADABLE = "signature_unreadable"
    TOO_LARGE = "too_large"


_OUTCOMES: Final = {Reason.VERIFIED: Outcome.VALID, Reason.SIGNATURE_WRONG: Outcome.INVALID}


class Note(StrEnum):
    """What was seen beside the outcome."""

    SENT_AS_TEXT = "sent_as_text"
    SENT_AS_HEX = "sent_as_hex"
    KEY_IN_RECORD = "key_in_record"
    CURVE_DIFFERS = "curve_differs"
    METERS_DIFFER = "meters_differ"
    METER_FAULT = "meter_fault"
    READINGS_INCOMPLETE = "readings_incomplete"
    READINGS_FALL = "readings_fall"


class NotVerifiable(Exception):
    """Something stands between a signed value and its verification."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@value
class MeteringResult:
    """What signed meter data proves.

    Attributes:
        message: one sentence on the reason; holds nothing of the record.
        encoding: `OCMF`; else the CDR's own `encoding_method`.
        energy_kwh: import between the first and the last reading; None when they do not tell. It
            is told whatever the outcome is, but only a valid one makes it more than a claim.
        begin, end: of those readings, aware; None when unknown.
        meter: serial number as the record tells it.
        difference_kwh: the CDR's total_energy less `energy_kwh`; None when that is unknown.
        verified, values: signed values, and those of them whose signature is right.
    """

    reason: Reason
    message: str
    encoding: str
    energy_kwh: Decimal | None = None
    begin: datetime | None = None
    end: datetime | None = None
    meter: str | None = None
    difference_kwh: Decimal | None = None
    verified: int = 0
    values: int = 0
    notes: tuple[Note, ...] = ()

    @property
    def outcome(self) -> Outcome:
        return _OUTCOMES.get(self.reason, Outcome.NOT_VERIFIABLE)

    @property
    def differs(self) -> bool:
        """Whether the CDR's energy is another than the metered one, by more than 1 Wh."""
        return self.difference_kwh is not None and abs(self.difference_kwh) > TOLERANCE_KWH
