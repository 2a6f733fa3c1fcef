"""A CDR made ready for pricing: its periods in order, their volumes, the tariffs they name.

Only the charging periods count: what the CDR says beside them is compared, never used. What is odd
about them is a finding; what leaves the price open makes the CDR not checkable.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Final

from ocpi_hub.clearing.pricing.choice import TariffChoice, look_at_validity
from ocpi_hub.clearing.pricing.grid import micros
from ocpi_hub.clearing.pricing.matching import Range
from ocpi_hub.clearing.pricing.model import (
    SECONDS_PER_HOUR,
    ZERO,
    Dimension,
    Findings,
    NotCheckable,
)
from ocpi_hub.clearing.pricing.tariff import Tariff
from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.base import NOT_AVAILABLE
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR, CdrDimension, CdrDimensionType, ChargingPeriod
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff as OcpiTariff

FOURTH_DECIMAL_S: Final = Decimal("0.18")
"""Half a unit of the fourth decimal of an hour."""

_EARLIEST_US: Final = micros(datetime(1971, 1, 1, tzinfo=UTC))
_LATEST_US: Final = micros(datetime(2201, 1, 1, tzinfo=UTC))
_TIMES: Final = {
    "TIME": Dimension.TIME,
    "PARKING_TIME": Dimension.PARKING_TIME,
    "RESERVATION_TIME": Dimension.RESERVATION_TIME,
}
_KNOWN: Final = frozenset(map(str, CdrDimensionType))
_UNKNOWN_RANGE: Final = Range(None, None)


# Made for each period, and read only: a class whose making costs little.
class Period:
    """A charging period.

    Attributes:
        place: in order of time, from 0.
        tariff: place among the session's tariffs; None when the period names none.
        kwh_before: energy of all earlier periods.
        kwh: energy of this one, possibly negative.
        seconds: as written, by time dimension; without those that are 0.
        volumes: what is to be priced: kWh, and seconds by the clock where they mean the clock.
        filled: whether a single time takes the whole period.
    """

    __slots__ = (
        "current",
        "end_us",
        "filled",
        "kwh",
        "kwh_before",
        "place",
        "power",
        "seconds",
        "start_us",
        "tariff",
        "volumes",
    )

    def __init__(self, place: int, start_us: int, end_us: int, tariff: int | None) -> None:
        self.place = place
        self.start_us = start_us
        self.end_us = end_us
        self.tariff = tariff
        self.kwh_before = ZERO
        self.kwh = ZERO
        self.seconds: dict[Dimension, Decimal] = {}
        self.volumes: list[tuple[Dimension, Decimal]] = []
        self.filled = False
        self.current = _UNKNOWN_RANGE
        self.power = _UNKNOWN_RANGE

    @property
    def length_s(self) -> Decimal:
        """By the clock; 0 when it ends before it starts."""
        return _seconds(self.end_us - self.start_us)

    @property
    def written(self) -> list[tuple[Dimension, Decimal]]:
        """The volumes as they are written."""
        energy = [(Dimension.ENERGY, self.kwh)] if self.kwh else []
        return [*energy, *self.seconds.items()]

    @property
    def reserves_only(self) -> bool:
        return not self.kwh and self.seconds.keys() == {Dimension.RESERVATION_TIME}


@value
class Session:
    """What is priced.

    Attributes:
        tariffs: those that the periods name, or the only one; a period's `tariff` counts here.
        only: the tariff of periods that name none, if there is one choice.
        reserved: whether it has reservation time.
        expired: whether that looks like a reservation that was not used.
        times_known: whether its times can be relied on.
    """

    start_us: int
    end_us: int
    periods: Sequence[Period]
    tariffs: Sequence[Tariff]
    only: int | None
    reserved: bool
    expired: bool
    times_known: bool


@lru_cache(maxsize=1024)  # most periods of most CDRs have one of few lengths
def _seconds(length_us: int) -> Decimal:
    return Decimal(length_us).scaleb(-6) if length_us > 0 else ZERO


def read_session(cdr: CDR, stored: Sequence[OcpiTariff], findings: Findings) -> Session:
    """Make a CDR ready.

    Args:
        stored: tariffs for ids that the CDR itself does not have.

    Raises:
        NotCheckable: a tariff is missing, unreadable or in another currency, or times are absurd.
    """
    start_us, end_us = micros(cdr.start_date_time), micros(cdr.end_date_time)
    if end_us < start_us:
        findings.add("ends_before_start", "the session ends before it starts", "end_date_time")
    tariffs = TariffChoice(cdr, stored, findings)
    ordered = _ordered(cdr.charging_periods, findings)
    periods = _periods(ordered, end_us, tariffs, findings)
    starts = (periods[0].start_us, periods[-1].start_us)
    for tariff in tariffs.used:
        look_at_validity(tariff.source, cdr, findings)
    reserved = any(Dimension.RESERVATION_TIME in each.seconds for each in periods)
    expired = reserved and _unused(cdr, periods)
    earliest, latest = min(start_us, end_us, starts[0]), max(start_us, end_us, starts[1])
    # Partners may agree on 1970 for a time that nobody knows.
    times_known = earliest >= _EARLIEST_US and latest < _LATEST_US
    if not times_known:
        text = "a time of the session is unknown or absurd"
        if any(each.local or each.lasts for tariff in tariffs.used for each in tariff.restrictions):
            raise NotCheckable("time_unknown", f"{text}, and the tariff asks for it")
        findings.add("time_unknown", text)
    return Session(
        start_us, end_us, periods, tariffs.used, tariffs.only, reserved, expired, times_known
    )


def _ordered(
    periods: Sequence[ChargingPeriod], findings: Findings
) -> Sequence[tuple[int, ChargingPeriod]]:
    """The periods with their starts, in order of time."""
    found = [(micros(each.start_date_time), each) for each in periods]
    if any(one[0] > other[0] for one, other in pairwise(found)):
        findings.add("periods_unsorted", "charging periods are not in order of time")
        found.sort(key=lambda each: each[0])
    return found


def _periods(
    ordered: Sequence[tuple[int, ChargingPeriod]],
    end_us: int,
    tariffs: TariffChoice,
    findings: Findings,
) -> list[Period]:
    ends = [*(start for start, _ in ordered[1:]), end_us]
    found: list[Period] = []
    kwh = ZERO
    for place, (start, each) in enumerate(ordered):
        tariff = None if each.tariff_id is None else tariffs.place(each.tariff_id)
        period = Period(place, start, ends[place], tariff)
        _read_dimensions(period, each.dimensions, findings)
        _set_volumes(period)
        period.kwh_before = kwh
        kwh += period.kwh
        found.append(period)
    return found


def _read_dimensions(
    period: Period, dimensions: Sequence[CdrDimension], findings: Findings
) -> None:
    """Sums the volumes of a period; of limits given twice the wider counts."""
    flows: dict[str, Decimal] = {}
    for each in dimensions:
        volume = each.volume
        if each.type == "ENERGY":
            period.kwh += volume
        elif (time := _TIMES.get(each.type)) is not None:
            if volume:
                hours = period.seconds.get(time, ZERO)
                period.seconds[time] = hours + volume * SECONDS_PER_HOUR
        elif each.type.startswith(("MIN_", "MAX_")):
            known = flows.get(each.type, volume)
            pick = min if each.type.startswith("MIN_") else max
            flows[each.type] = pick(known, volume)
        elif each.type not in _KNOWN:
            where = f"period {period.place + 1}"
            findings.add("unknown_dimension", "a dimension is not one of a CDR's", where)
    if flows:
        period.current = Range(flows.get("MIN_CURRENT"), flows.get("MAX_CURRENT"))
        period.power = Range(flows.get("MIN_POWER"), flows.get("MAX_POWER"))


def _set_volumes(period: Period) -> None:
    """Hours carry four decimals, so ten minutes are written 0.1667 and would be two steps of ten
    minutes. A time that is the length of its period but for that is that length."""
    if period.kwh:
        period.volumes.append((Dimension.ENERGY, period.kwh))
    if not period.seconds:
        return
    length = period.length_s
    for dimension, seconds in period.seconds.items():
        exact = seconds == length or abs(seconds - length) <= FOURTH_DECIMAL_S
        period.volumes.append((dimension, length if exact else seconds))
        period.filled = exact and len(period.seconds) == 1


def _unused(cdr: CDR, periods: Sequence[Period]) -> bool:
    """A CDR cannot say that its reservation expired. Nothing was charged then, and there is no
    Session, or, where the CPO names one all the same, no EVSE."""
    used = any(each.kwh or each.seconds.keys() - {Dimension.RESERVATION_TIME} for each in periods)
    unnamed = cdr.session_id is None or cdr.cdr_location.evse_uid == NOT_AVAILABLE
    return unnamed and not used
