"""Tariffs made ready for matching: restrictions as numbers, components by dimension."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.pricing.model import Dimension, Findings, NotCheckable, shown
from ocpi_hub.domain.value import value
from ocpi_hub.ocpi.v2_2_1 import tariffs as ocpi

DAY_S: Final = 86_400
_WEEKDAYS: Final = {str(day): number for number, day in enumerate(ocpi.DayOfWeek)}
_RESERVATIONS: Final = frozenset(map(str, ocpi.ReservationRestrictionType))
_DATE: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EXPIRES: Final = ocpi.ReservationRestrictionType.RESERVATION_EXPIRES
_SESSION: Final = {str(each): Dimension(each) for each in ocpi.TariffDimensionType}
_RESERVATION: Final = {"TIME": Dimension.RESERVATION_TIME, "FLAT": Dimension.RESERVATION_FLAT}


@value
class Restrictions:
    """The restrictions of an element, except `reservation`, which decides about dimensions.

    Attributes:
        start_s, end_s: seconds of the local day; None when not given.
        weekdays: Monday is 0; empty: every day.
        min_duration_s, max_duration_s: since the start of the session.
    """

    start_s: int | None
    end_s: int | None
    start_date: date | None
    end_date: date | None
    weekdays: frozenset[int]
    min_duration_s: int | None
    max_duration_s: int | None
    min_kwh: Decimal | None
    max_kwh: Decimal | None
    min_current: Decimal | None
    max_current: Decimal | None
    min_power: Decimal | None
    max_power: Decimal | None

    @property
    def local(self) -> bool:
        """Whether they depend on the local time."""
        return bool(
            self.start_s is not None
            or self.end_s is not None
            or self.start_date
            or self.end_date
            or self.weekdays
        )

    @property
    def limits_flow(self) -> bool:
        """Whether they depend on current or power."""
        flows = (self.min_current, self.max_current, self.min_power, self.max_power)
        return any(each is not None for each in flows)

    @property
    def lasts(self) -> bool:
        """Whether they depend on how long the session lasts."""
        return self.min_duration_s is not None or self.max_duration_s is not None


# Compared by identity: two components may well say the same.
class Component:
    """A price component at its place in the tariff."""

    __slots__ = ("dimension", "element", "place", "price", "step_size", "tariff", "vat")

    def __init__(
        self, dimension: Dimension, tariff: int, element: int, place: int, of: ocpi.PriceComponent
    ) -> None:
        self.dimension = dimension
        self.tariff = tariff
        self.element = element
        self.place = place
        self.price = of.price
        self.vat = of.vat
        self.step_size = of.step_size


@value
class Candidate:
    """A component and when it applies; no restrictions: always.

    Attributes:
        expires: prices only reservations that expired.
    """

    component: Component
    restrictions: Restrictions | None
    expires: bool = False


Candidates = Mapping[Dimension, Sequence[Candidate]]


@value
class Tariff:
    """A tariff ready to be used.

    Attributes:
        index: its place among the tariffs in use.
        candidates: of each dimension, in the order of the elements.
    """

    index: int
    source: ocpi.Tariff
    candidates: Mapping[Dimension, tuple[Candidate, ...]]
    restrictions: tuple[Restrictions, ...]
    elements: int

    def candidates_when(self, *, expired: bool) -> Candidates:
        """The candidates of each dimension, in order of preference.

        Of an expired reservation, elements for that come first, and those for reservations apply
        where they have no component (mod_tariffs_reservation_restriction_type).
        """
        found: dict[Dimension, Sequence[Candidate]] = dict(self.candidates)
        for dimension in _RESERVATION.values():
            every = self.candidates.get(dimension, ())
            kept = [each for each in every if each.expires] if expired else []
            found[dimension] = kept + [each for each in every if not each.expires]
        return found


def prepare(index: int, source: ocpi.Tariff, findings: Findings) -> Tariff:
    """Make a tariff ready.

    Raises:
        NotCheckable: a restriction cannot be read, so that nobody can tell when it holds.
    """
    candidates: dict[Dimension, list[Candidate]] = {}
    restrictions: list[Restrictions] = []
    for number, element in enumerate(source.elements):
        limits = element.restrictions
        where = f"tariff {shown(source.id)}, elements[{number}]"
        readable = None
        if limits is not None:
            readable = _restrictions(limits, f"{where}.restrictions")
            restrictions.append(readable)
        reservation = limits.reservation if limits is not None else None
        for candidate in _candidates(index, number, element, reservation, where, findings):
            complete = Candidate(candidate, readable, reservation == _EXPIRES)
            candidates.setdefault(candidate.dimension, []).append(complete)
    return Tariff(
        index,
        source,
        {dimension: tuple(every) for dimension, every in candidates.items()},
        tuple(restrictions),
        len(source.elements),
    )


def _candidates(
    index: int,
    number: int,
    element: ocpi.TariffElement,
    reservation: str | None,
    where: str,
    findings: Findings,
) -> Iterator[Component]:
    dimensions = _SESSION if reservation is None else _RESERVATION
    for place, component in enumerate(element.price_components):
        dimension = dimensions.get(component.type)
        at = f"{where}.price_components[{place}]"
        if dimension is None:
            text = "a component whose type means nothing here is left out"
            findings.add("unknown_component", text, f"{at}.type")
            continue
        if component.step_size <= 0 and dimension not in (
            Dimension.FLAT,
            Dimension.RESERVATION_FLAT,
        ):
            text = "a step_size that is not positive rounds nothing"
            findings.add("step_size_undefined", text, f"{at}.step_size")
        if component.price < 0:
            findings.add("negative_price", "a price is negative", f"{at}.price")
        yield Component(dimension, index, number, place, component)


def _restrictions(of: ocpi.TariffRestrictions, where: str) -> Restrictions:
    if of.reservation is not None and of.reservation not in _RESERVATIONS:
        raise _unreadable(f"{where}.reservation")
    unknown = [day for day in of.day_of_week if day not in _WEEKDAYS]
    if unknown:
        raise _unreadable(f"{where}.day_of_week")
    return Restrictions(
        start_s=_time(of.start_time, f"{where}.start_time"),
        end_s=_time(of.end_time, f"{where}.end_time"),
        start_date=_date(of.start_date, f"{where}.start_date"),
        end_date=_date(of.end_date, f"{where}.end_date"),
        weekdays=frozenset(_WEEKDAYS[day] for day in of.day_of_week),
        min_duration_s=of.min_duration,
        max_duration_s=of.max_duration,
        min_kwh=of.min_kwh,
        max_kwh=of.max_kwh,
        min_current=of.min_current,
        max_current=of.max_current,
        min_power=of.min_power,
        max_power=of.max_power,
    )


def _time(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    hours, _, minutes = text.partition(":")
    if not (len(text) == 5 and text.isascii() and hours.isdigit() and minutes.isdigit()):
        raise _unreadable(where)
    found = int(hours) * 3600 + int(minutes) * 60
    if found >= DAY_S or int(minutes) > 59:
        raise _unreadable(where)
    return found


def _date(text: str | None, where: str) -> date | None:
    if text is None:
        return None
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _unreadable(where)


def _unreadable(where: str) -> NotCheckable:
    return NotCheckable("restriction_unreadable", f"{where} cannot be read")
