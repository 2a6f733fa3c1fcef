"""A result as an object of the surfaces, and as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Final

from ocpi_hub.clearing.metering.model import MeteringResult, Note

_MOST_TOLD: Final = Decimal(10) ** 12
NOTES: Final[Mapping[Note, str]] = {
    Note.SENT_AS_TEXT: "signed_data is text and not base64",
    Note.SENT_AS_HEX: "signed_data is hex and not base64",
    Note.KEY_IN_RECORD: "the public key stands in the record alone, where anybody can put one",
    Note.CURVE_DIFFERS: "the record names another curve than the key's",
    Note.METERS_DIFFER: "the records are of several meters",
    Note.METER_FAULT: "the meter reported a fault when it was read",
    Note.READINGS_INCOMPLETE: "the records do not hold a first and a last reading of the import",
    Note.READINGS_FALL: "the last reading is below the first",
}


def as_json(result: MeteringResult) -> dict[str, object]:
    """Energy in kWh, times as RFC 3339 in UTC."""
    return {
        "outcome": result.outcome.value,
        "reason": result.reason.value,
        "message": result.message,
        "encoding": result.encoding,
        "energy_kwh": _number(result.energy_kwh),
        "begin": _stamp(result.begin),
        "end": _stamp(result.end),
        "meter": result.meter,
        "difference_kwh": _number(result.difference_kwh),
        "differs": result.differs,
        "verified": result.verified,
        "values": result.values,
        "notes": [each.value for each in result.notes],
    }


def as_text(result: MeteringResult) -> str:
    lines = [f"{result.outcome.value}: {result.message}"]
    if result.energy_kwh is not None:
        lines.append(f"energy: {result.energy_kwh:f} kWh")
    if result.begin is not None and result.end is not None:
        lines.append(f"from {_stamp(result.begin)} to {_stamp(result.end)}")
    if result.meter is not None:
        lines.append(f"meter: {result.meter}")
    if result.differs and result.difference_kwh is not None:
        lines.append(f"total_energy of the CDR is {_told(result.difference_kwh)} kWh off")
    lines += [f"note: {NOTES[each]}" for each in result.notes]
    return "\n".join(lines)


def _told(kwh: Decimal) -> str:
    return f"{kwh:+f}" if abs(kwh) < _MOST_TOLD else f"{kwh:+.3E}"


def _number(kwh: Decimal | None) -> float | None:
    """A JSON number; None also for what is too large to be one, which only a CDR can say."""
    found = None if kwh is None else float(kwh)
    return found if found is not None and isfinite(found) else None


def _stamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
