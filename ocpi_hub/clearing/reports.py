"""Reports from the ledger: energy by charge point and year, by relation and day. Pure.

The yearly energy of public charge points is what quota reporting for greenhouse gases is based on
(docs/reports.md). A figure that may be too small is never reported as if it were complete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value

ZERO: Final = Decimal(0)
UNKNOWN: Final = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN_TEXT: Final = "1970-1-1T00:00:00Z"
"""As the specification spells a time that a CPO does not know. Spec: 2.2.1 mod_cdrs_cdr_object."""


@value
class Year:
    """A calendar year somewhere.

    Attributes:
        begin, end: its first moment, and the first one after it.
    """

    number: int
    begin: datetime
    end: datetime

    @classmethod
    def of(cls, number: int, zone: ZoneInfo) -> Year:
        begin, end = (datetime(each, 1, 1, tzinfo=zone) for each in (number, number + 1))
        return cls(number, begin.astimezone(UTC), end.astimezone(UTC))


@value
class PointKey:
    """A charge point of a CPO: an EVSE of a Location, ids folded."""

    cpo: PartyId
    location_id: str
    evse_uid: str


@value
class PointEnergy:
    """Energy of CDRs at a charge point. kWh.

    Attributes:
        evse_id: as the newest of the CDRs has it.
    """

    key: PointKey
    evse_id: str
    cdrs: int
    energy_kwh: Decimal


@value
class KnownPoint:
    """What a CPO's stored Location says about one of its EVSEs.

    Attributes:
        published: whether it is shown to everybody.
        power_kw: of its strongest connector; None: not said.
    """

    key: PointKey
    published: bool
    operator: str | None
    address: str
    postal_code: str | None
    city: str
    country: str
    latitude: str
    longitude: str
    power_kw: Decimal | None


class Visibility(StrEnum):
    """Whose energy is reported."""

    PUBLISHED = "published"
    ALL = "all"


@value
class Doubt:
    """Why a CPO's figures of a year may be too small."""

    cpo: PartyId | None
    text: str


@value
class PointRow:
    """A line of the yearly report.

    Attributes:
        complete: nothing is known that is missing.
    """

    energy: PointEnergy
    known: KnownPoint | None
    complete: bool


@dataclass(slots=True)
class YearReport:
    """Energy of charge points in a calendar year.

    Attributes:
        left_out: charge points that are not published, or not known, and their kWh.
    """

    year: int
    rows: list[PointRow] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    left_out_points: int = 0
    left_out_kwh: Decimal = ZERO

    @property
    def energy_kwh(self) -> Decimal:
        return sum((row.energy.energy_kwh for row in self.rows), ZERO)


def merge(energies: Sequence[PointEnergy]) -> list[PointEnergy]:
    """One for each charge point, in order."""
    merged: dict[PointKey, PointEnergy] = {}
    for each in energies:
        seen = merged.get(each.key)
        if seen is not None:
            kwh = seen.energy_kwh + each.energy_kwh
            each = PointEnergy(each.key, each.evse_id, seen.cdrs + each.cdrs, kwh)
        merged[each.key] = each
    return sorted(merged.values(), key=lambda e: (e.key.cpo, e.key.location_id, e.key.evse_uid))


def add_points(
    report: YearReport,
    energies: Sequence[PointEnergy],
    known: Mapping[PointKey, KnownPoint],
    visibility: Visibility,
    *,
    complete: bool,
) -> None:
    """Add a CPO's charge points, or count them as left out."""
    for energy in energies:
        point = known.get(energy.key)
        if visibility is Visibility.ALL or (point is not None and point.published):
            report.rows.append(PointRow(energy, point, complete))
        else:
            report.left_out_points += 1
            report.left_out_kwh += energy.energy_kwh


def energy_within(body: str, year: Year) -> Decimal:
    """kWh of a CDR that fall into a year which it is not wholly in.

    Its charging periods tell; of a period across New Year, the share of its time does. One that
    began nobody knows when counts where it ends.
    """
    cdr = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    periods = sorted(
        (_moment(period["start_date_time"]), _energy(period)) for period in cdr["charging_periods"]
    )
    ends = [start for start, _ in periods[1:]] + [_moment(cdr["end_date_time"])]
    return sum(
        (kwh * _share(start, end, year) for (start, kwh), end in zip(periods, ends, strict=True)),
        ZERO,
    )


def _share(start: datetime, end: datetime, year: Year) -> Decimal:
    if start == UNKNOWN:
        start = end
    if end <= start:
        return Decimal(year.begin <= start < year.end)
    within = (min(end, year.end) - max(start, year.begin)).total_seconds()
    return max(ZERO, Decimal(within)) / Decimal((end - start).total_seconds())


def _energy(period: dict[str, list[dict[str, Decimal]]]) -> Decimal:
    return sum((each["volume"] for each in period["dimensions"] if each["type"] == "ENERGY"), ZERO)


def _moment(text: str) -> datetime:
    if text == UNKNOWN_TEXT:
        return UNKNOWN
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@value
class DayEnergy:
    """A relation's CDRs that ended on a day. kWh, hours."""

    cpo: PartyId
    emsp: PartyId
    day: date
    cdrs: int
    energy_kwh: Decimal
    time_h: Decimal


def power_kw(
    watts: Decimal | None, voltage: Decimal | None, amperage: Decimal | None, power_type: str
) -> Decimal | None:
    """What a connector gives at most; voltages are those between line and neutral.

    Spec: 2.2.1 mod_locations_connector_object.
    """
    if watts is not None:
        return watts / 1000
    if voltage is None or amperage is None:
        return None
    phases = {"AC_3_PHASE": 3, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2}.get(power_type, 1)
    return voltage * amperage * phases / 1000
