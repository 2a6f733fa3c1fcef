"""The way through the periods of a session: each volume to the component that is active then."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ocpi_hub.clearing.pricing.charges import ONE, Cell, Charges
from ocpi_hub.clearing.pricing.grid import UNKNOWN_LEVELS, Grid
from ocpi_hub.clearing.pricing.model import Dimension, Findings
from ocpi_hub.clearing.pricing.readings import Flat, Reading
from ocpi_hub.clearing.pricing.segments import Crossing, divide
from ocpi_hub.clearing.pricing.session import Period, Session
from ocpi_hub.clearing.pricing.tariff import Component

_FLATS = (Dimension.FLAT, Dimension.RESERVATION_FLAT)


class Walk:
    """One way through a session under one reading."""

    def __init__(
        self,
        session: Session,
        grids: list[Grid],
        reading: Reading,
        charges: Charges,
        findings: Findings,
    ) -> None:
        self._session = session
        self._grids = grids
        self._reading = reading
        self._charges = charges
        self._findings = findings
        self._flats = _Flats(reading.flat, grids, reserved=session.reserved)

    def run(self) -> None:
        """Price all periods.

        Raises:
            NotCheckable: there is more to look at than anybody needs.
        """
        for period in self._session.periods:
            self._price(period)

    def _price(self, period: Period) -> None:
        tariff = period.tariff
        if tariff is None and self._reading.only_tariff:
            tariff = self._session.only
        if tariff is None:
            self._leave_free(period)
            return
        grid = self._grids[tariff]
        moment, last_moment = grid.moment_cells(period.start_us, period.end_us)
        energy, last_energy = grid.energy_cells(period.kwh_before, period.kwh)
        levels = UNKNOWN_LEVELS
        if grid.has_limits:
            levels = grid.levels(period.current, period.power)
        cell = (moment, energy, levels)
        if moment < last_moment or energy < last_energy:
            crossing = Crossing(grid, period, cell, last_moment, last_energy)
            self._divide(crossing, tariff)
            if not self._flats.done:
                self._add_flats(period, grid, crossing.path())
            return
        active = grid.active(moment, energy, levels)
        for dimension, volume in self._volumes(period):
            component = active.get(dimension)
            self._charges.add(dimension, volume, component, period.place, tariff, cell)
        if not self._flats.done:
            self._add_flats(period, grid, (cell,))

    def _divide(self, crossing: Crossing, tariff: int) -> None:
        """Price a period in which something begins or ceases to hold."""
        period = crossing.period
        for dimension, volume in self._volumes(period):
            for cell, share in divide(crossing, dimension, volume, self._reading, self._findings):
                component = crossing.grid.active(*cell).get(dimension)
                self._charges.add(dimension, share, component, period.place, tariff, cell)

    def _volumes(self, period: Period) -> list[tuple[Dimension, Decimal]]:
        return period.volumes if self._reading.clock else period.written

    def _add_flats(self, period: Period, grid: Grid, cells: Iterable[Cell]) -> None:
        """FLAT is paid when it becomes active: within the period, if it becomes so there."""
        wanted = []
        if Dimension.RESERVATION_TIME in period.seconds:
            wanted.append(Dimension.RESERVATION_FLAT)
        if not period.reserves_only:
            wanted.append(Dimension.FLAT)
        for cell in cells:
            active = grid.active(*cell)
            for dimension in wanted:
                component = active.get(dimension)
                if component is not None and self._flats.take(component):
                    tariff = component.tariff
                    self._charges.add(dimension, ONE, component, period.place, tariff, cell)

    def _leave_free(self, period: Period) -> None:
        for dimension, volume in self._volumes(period):
            self._charges.add(dimension, volume, None, period.place, None, None)


class _Flats:
    """Which FLAT fees have been paid.

    Attributes:
        done: nothing can be added any more.
    """

    def __init__(self, rule: Flat, grids: list[Grid], *, reserved: bool) -> None:
        self._rule = rule
        dimensions = _FLATS if reserved else _FLATS[:1]
        self._paid: set[object] = set()
        self._possible = {
            self._key(each.component)
            for grid in grids
            for dimension in dimensions
            for each in grid.candidates.get(dimension, ())
        }
        self.done = not self._possible

    def take(self, component: Component) -> bool:
        """Whether this fee is to be paid now."""
        key = self._key(component)
        if key in self._paid:
            return False
        self._paid.add(key)
        self.done = self._paid == self._possible
        return True

    def _key(self, component: Component) -> object:
        match self._rule:
            case Flat.ONE_IN_ALL:
                return None
            case Flat.EACH:
                return component
            case Flat.ONCE:
                return component.tariff, component.dimension
