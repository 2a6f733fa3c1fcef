"""When the restrictions of a tariff begin and cease to hold.

A session crosses few boundaries: moments (times of day, days, durations, changes of the clock) and
amounts of energy. Between two of them nothing changes but current and power, of which only the
place among the tariff's limits matters. So the active components are looked up once for each cell
of this grid, however many charging periods there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.pricing.matching import Active, Range, State, active, skipped
from ocpi_hub.clearing.pricing.model import Dimension, NotCheckable
from ocpi_hub.clearing.pricing.readings import Reading
from ocpi_hub.clearing.pricing.tariff import DAY_S, Candidates, Tariff

SECOND_US: Final = 1_000_000
MAX_STEPS: Final = 1_000_000
"""What may be looked at for one CDR, all readings together: periods, elements, cells. It is a few
seconds; a usual CDR takes fifty steps."""
STEPS_PER_MOMENT: Final = 5
"""What finding the moment of a local time costs beside them."""
MAX_SKIPPED: Final = 5

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_BELOW_ALL: Final = Decimal("-Infinity")

Levels = tuple[int, int, int, int]
"""Least and largest current and power, as places among the tariff's limits; -1: not known."""

UNKNOWN_LEVELS: Final[Levels] = (-1, -1, -1, -1)


def micros(moment: datetime) -> int:
    """Microseconds from 1970 to a moment in UTC."""
    # Subtracting would ask both for their offset, which takes three times as long.
    day, hour = moment.toordinal() - _EPOCH_DAY, moment.hour
    second = day * DAY_S + hour * 3600 + moment.minute * 60 + moment.second
    return second * SECOND_US + moment.microsecond


def moment_of(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


class Budget:
    """How much may be looked at: a CDR can be made to cost hours."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def spend(self, steps: int) -> None:
        """Raises:
        NotCheckable: more than anybody needs.
        """
        self._left -= steps
        if self._left < 0:
            text = "more periods, boundaries and elements than can be looked at"
            raise NotCheckable("too_large", text)


class Grid:
    """The grid of one tariff over one session.

    Args:
        first_us, last_us: the first and the last moment that matters.
        start_us: the start of the session, which durations count from.
        zone: where the Location is.
    """

    __slots__ = (
        "_budget",
        "_cells",
        "_reading",
        "_start_us",
        "_states",
        "_zone",
        "candidates",
        "currents",
        "energies",
        "first_us",
        "has_limits",
        "moments",
        "powers",
        "tariff",
    )

    def __init__(
        self,
        tariff: Tariff,
        candidates: Candidates,
        reading: Reading,
        *,
        first_us: int,
        last_us: int,
        start_us: int,
        zone: tzinfo,
        budget: Budget,
    ) -> None:
        self.tariff = tariff
        self.candidates = candidates
        self.first_us = first_us
        self._reading = reading
        self._start_us = start_us
        self._zone = zone
        self._budget = budget
        self._cells: dict[tuple[int, int, Levels], Active] = {}
        self._states: dict[tuple[int, int, Levels], State] = {}
        every = tariff.restrictions
        self.energies = _sorted(b for r in every for b in (r.min_kwh, r.max_kwh))
        self.currents = _sorted(b for r in every for b in (r.min_current, r.max_current))
        self.powers = _sorted(b for r in every for b in (r.min_power, r.max_power))
        self.has_limits = bool(self.currents or self.powers)
        durations = {d for r in every for d in (r.min_duration_s, r.max_duration_s)}
        moments = {start_us + each * SECOND_US for each in durations if each is not None}
        if any(each.local for each in every):
            moments.update(self._local_moments(first_us, last_us))
        self.moments = sorted(each for each in moments if first_us < each <= last_us)

    def _local_moments(self, first_us: int, last_us: int) -> Iterator[int]:
        """When a local day or time of the restrictions begins, and when clocks are changed."""
        every = self.tariff.restrictions
        edges = {each for r in every for each in (r.start_s, r.end_s) if each is not None}
        times = [
            time(each // 3600, each // 60 % 60) for each in sorted(edges | {0}) if each < DAY_S
        ]
        day, last = (moment_of(us).astimezone(self._zone).date() for us in (first_us, last_us))
        self.spend(((last - day).days + 1) * len(times) * STEPS_PER_MOMENT)
        while day <= last:
            yield from _of_day(day, times, self._zone)
            day += timedelta(days=1)

    def moment_cells(self, start_us: int, end_us: int) -> tuple[int, int]:
        """The first and the last cell of a time; what begins with its end is not in it."""
        if not self.moments:
            return 0, 0
        first = bisect_right(self.moments, start_us)
        return first, max(first, bisect_left(self.moments, end_us))

    def energy_cells(self, before: Decimal, kwh: Decimal) -> tuple[int, int]:
        """The first and the last cell of an amount of energy that is charged after another."""
        if not self.energies:
            return 0, 0
        first = bisect_right(self.energies, before)
        return first, max(first, bisect_left(self.energies, before + kwh)) if kwh > 0 else first

    def levels(self, current: Range, power: Range) -> Levels:
        """Where a period stands among the limits of current and power."""
        return (
            _place(self.currents, current.low),
            _place(self.currents, current.high),
            _place(self.powers, power.low),
            _place(self.powers, power.high),
        )

    def spend(self, cells: int) -> None:
        """Count cells that are looked at beside the one a period starts in.

        Raises:
            NotCheckable: the budget is spent.
        """
        self._budget.spend(cells)

    def active(self, moment: int, energy: int, levels: Levels) -> Active:
        """What is active in a cell.

        Raises:
            NotCheckable: the budget is spent.
        """
        key = (moment, energy, levels)
        found = self._cells.get(key)
        if found is None:
            self._budget.spend(self.tariff.elements)
            state = self._state(moment, energy, levels)
            found = active(self.candidates, state, self._reading)
            self._cells[key] = found
        return found

    def skipped(self, dimension: Dimension, cell: tuple[int, int, Levels]) -> tuple[str, ...]:
        """Why the elements before the active one do not apply in a cell."""
        every = self.candidates.get(dimension, ())
        if every and every[0].restrictions is None:
            return ()
        return tuple(skipped(every, self._state(*cell), self._reading, MAX_SKIPPED))

    def _state(self, moment: int, energy: int, levels: Levels) -> State:
        """The least values of a cell: everything else in it is judged alike."""
        found = self._states.get((moment, energy, levels))
        if found is None:
            found = self._find_state(moment, energy, levels)
            self._states[moment, energy, levels] = found
        return found

    def _find_state(self, moment: int, energy: int, levels: Levels) -> State:
        us = self.moments[moment - 1] if moment else self.first_us
        local = moment_of(us).astimezone(self._zone)
        return State(
            local_s=local.hour * 3600 + local.minute * 60 + local.second,
            local_date=local.date(),
            elapsed_us=us - self._start_us,
            kwh=_value(self.energies, energy),
            current=Range(_known(self.currents, levels[0]), _known(self.currents, levels[1])),
            power=Range(_known(self.powers, levels[2]), _known(self.powers, levels[3])),
        )


def _of_day(day: date, times: Sequence[time], zone: tzinfo) -> Iterator[int]:
    """The moments of one local day.

    When clocks are changed, a time may be missing or come twice: both its meanings are boundaries
    then, and so is the change itself. One boundary too many does no harm.
    """
    begin = datetime.combine(day, time(0), tzinfo=zone)
    end = datetime.combine(day + timedelta(days=1), time(0), tzinfo=zone)
    changes = begin.utcoffset() != end.utcoffset()
    for each in times:
        moment = datetime.combine(day, each, tzinfo=zone)
        yield micros(moment.astimezone(UTC))
        if changes:
            yield micros(moment.replace(fold=1).astimezone(UTC))
    if changes:
        yield _change(micros(begin.astimezone(UTC)), micros(end.astimezone(UTC)), zone)


def _change(low: int, high: int, zone: tzinfo) -> int:
    """The second between two moments in which the offset of a zone changes."""
    before = moment_of(low).astimezone(zone).utcoffset()
    while high - low > SECOND_US:
        middle = (low + high) // 2 // SECOND_US * SECOND_US
        if moment_of(middle).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _sorted(bounds: Iterator[Decimal | None]) -> list[Decimal]:
    return sorted({each for each in bounds if each is not None})


def _place(limits: Sequence[Decimal], found: Decimal | None) -> int:
    return -1 if found is None else bisect_right(limits, found)


def _value(bounds: Sequence[Decimal], cell: int) -> Decimal:
    return bounds[cell - 1] if cell else _BELOW_ALL


def _known(limits: Sequence[Decimal], place: int) -> Decimal | None:
    return None if place < 0 else _value(limits, place)
