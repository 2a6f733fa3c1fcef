"""What went through the meter, from the readings of one session's records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Final

from ocpi_hub.clearing.metering.model import MAX_READINGS, Note, NotVerifiable, Reason
from ocpi_hub.clearing.metering.record import Object
from ocpi_hub.domain.value import value

_CARRIED: Final = ("TM", "TX", "RI", "RU", "ST", "EF")
"""Fields that a reading takes from the one before it in its record, when it lacks them."""
_KWH: Final = {"kwh": Decimal(1), "wh": Decimal("0.001")}
_OBIS: Final = re.compile(r"[0-9a-f]{1,2}-[0-9a-f]{1,2}:([0-9a-f]{1,2})\.0?8\.", re.IGNORECASE)
# What left the device comes before what the meter in front of it saw, because losses of the cable
# are not the driver's; what counts from the session's start comes before what counts for ever.
_IMPORT: Final = (0xB3, 0xB1, 0x98, 0xB2, 0xB0, 0x01, 0x9E)
_NOT_THE_END: Final = frozenset({"B", "C", "S", "T"})
"""Kinds of readings that others follow: begin, charging, suspended, tariff changed."""
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[,.](\d{1,6}))?\s?(Z|[+-]\d\d:?\d\d)"
)
_MOST_KWH: Final = Decimal(10) ** 12
_EXPONENTS: Final = range(-20, 13)
_MAX_TEXT: Final = 40


@value
class Reading:
    """One state of one register.

    Attributes:
        register: group C of the OBIS code; None when the reading names none.
        kwh: that the register shows.
        kind: `B` begin, `E` end and so on; None when the record does not tell.
        fault: the meter says that it is not well.
    """

    register: int | None
    kwh: Decimal
    at: datetime | None
    kind: str | None
    fault: bool


@value
class Metered:
    """What the readings tell: fields as in MeteringResult."""

    energy_kwh: Decimal | None
    begin: datetime | None
    end: datetime | None
    notes: tuple[Note, ...]


def metered(contents: Sequence[Object]) -> Metered:
    """The energy imported between the first and the last reading.

    Args:
        contents: payloads in the order of the session.

    Raises:
        NotVerifiable: there are more readings than any device makes.
    """
    every = (each for content in contents for each in _readings(content))
    readings = list(islice(every, MAX_READINGS + 1))
    if len(readings) > MAX_READINGS:
        raise NotVerifiable(Reason.TOO_LARGE, f"the records have more than {MAX_READINGS} readings")
    imported = _of_one_register(readings)
    if len(imported) < 2 or imported[-1].kind in _NOT_THE_END:
        return Metered(None, None, None, (Note.READINGS_INCOMPLETE,))
    first, last = imported[0], imported[-1]
    notes = []
    if first.fault or last.fault:
        notes.append(Note.METER_FAULT)
    energy = last.kwh - first.kwh
    if energy < 0:
        notes.append(Note.READINGS_FALL)
    return Metered(energy, first.at, last.at, tuple(notes))


def _of_one_register(readings: Sequence[Reading]) -> list[Reading]:
    """Those of the import register that counts, in order of time where all tell it."""
    for register in (*_IMPORT, None):
        found = [each for each in readings if each.register == register]
        if len(found) > 1:
            return sorted(found, key=_by_time) if all(each.at for each in found) else found
    return []


def _by_time(reading: Reading) -> datetime:
    if reading.at is None:
        raise AssertionError("asked for readings with times only")
    return reading.at


def _readings(content: Object) -> Iterator[Reading]:
    rows = content.get("RD")
    carried: dict[str, object] = {}
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        carried.update({name: row[name] for name in _CARRIED if name in row})
        found = _reading(row, carried)
        if found is not None:
            yield found


def _reading(row: Object, carried: Mapping[str, object]) -> Reading | None:
    unit, named = carried.get("RU"), carried.get("RI")
    factor = _KWH.get(unit.strip().casefold()) if isinstance(unit, str) else None
    shown = _number(row.get("RV"))
    if factor is None or shown is None:
        return None
    register = None
    if named is not None:
        obis = _OBIS.match(named.strip()) if isinstance(named, str) else None
        if obis is None:
            return None
        register = int(obis[1], 16)
    kind, state, faults = carried.get("TX"), carried.get("ST"), carried.get("EF")
    return Reading(
        register,
        shown * factor,
        _time(carried.get("TM")),
        kind.strip() if isinstance(kind, str) else None,
        (isinstance(state, str) and state != "G") or (isinstance(faults, str) and "E" in faults),
    )


def _number(found: object) -> Decimal | None:
    if isinstance(found, str) and len(found) <= _MAX_TEXT:
        try:
            found = Decimal(found.strip())
        except InvalidOperation:
            return None
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        return None
    number = Decimal(found)
    if not number.is_finite() or abs(number) >= _MOST_KWH:
        return None
    # A number that is short may still be written with a million zeros.
    return number if number.as_tuple().exponent in _EXPONENTS else None


def _time(found: object) -> datetime | None:
    match = _TIME.match(found) if isinstance(found, str) else None
    if match is None:
        return None
    moment, fraction, offset = match.groups()
    try:
        told = datetime.fromisoformat(f"{moment}.{(fraction or '0'):0<6}{offset}")
        return told.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
