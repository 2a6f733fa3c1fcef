"""Periods in which a restriction begins or ceases to hold.

A CPO has to start a period whenever another component becomes active (mod_cdrs_charging_period).
Where it did not, the period may still tell how a volume divides:

- energy, at an amount of energy: the kWh below it and the kWh above it;
- a time that fills its period, at a moment: what lies before it by the clock, and after it.

Nothing tells how much energy was charged before a moment, or how much time passed before an amount
of energy, or where in its period a shorter time lay. Such a volume is priced as at the start of the
period, and a finding says so: dividing it in proportion would be a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import assert_never

from ocpi_hub.clearing.pricing.charges import Cell
from ocpi_hub.clearing.pricing.grid import Grid
from ocpi_hub.clearing.pricing.model import ZERO, Dimension, Findings
from ocpi_hub.clearing.pricing.readings import Reading, Split
from ocpi_hub.clearing.pricing.session import Period
from ocpi_hub.clearing.pricing.tariff import Component
from ocpi_hub.domain.value import value

Share = tuple[Cell, Decimal]
"""A volume, and the cell of the grid whose component prices it."""


@value
class Crossing:
    """A period that goes through several cells of the grid.

    Attributes:
        start: the cell in which the period starts.
        last_moment, last_energy: the last cells of both axes.
    """

    grid: Grid
    period: Period
    start: Cell
    last_moment: int
    last_energy: int

    def path(self) -> Iterator[Cell]:
        """The cells in the order in which an even flow reaches them."""
        for cell, _ in self.even_flow():
            yield cell

    def even_flow(self) -> Iterator[tuple[Cell, Decimal]]:
        """The same with the share of the period that each cell has."""
        moment, energy, levels = self.start
        steps = sorted(
            [(each, 1, 0) for each in _fractions(self.moment_edges())]
            + [(each, 0, 1) for each in _fractions(self.energy_edges())]
        )
        self.grid.spend(len(steps))
        reached = ZERO
        for at, moments, energies in steps:
            yield (moment, energy, levels), at - reached
            reached, moment, energy = at, moment + moments, energy + energies
        yield (moment, energy, levels), 1 - reached

    def moment_edges(self) -> list[Decimal]:
        """Seconds from the start: where the cells of time meet, and the end."""
        start = self.period.start_us
        inner = self.grid.moments[self.start[0] : self.last_moment]
        edges = [start, *inner, max(start, self.period.end_us)]
        return [Decimal(each - start).scaleb(-6) for each in edges]

    def energy_edges(self) -> list[Decimal]:
        """kWh from the start of the period: where the cells of energy meet, and the end."""
        before = self.period.kwh_before
        inner = self.grid.energies[self.start[1] : self.last_energy]
        return [ZERO, *(each - before for each in inner), self.period.kwh]

    def rows(self, *, by_energy: bool) -> list[list[Cell]]:
        """All cells that the period may go through: a row for each cell of one axis."""
        first_moment, first_energy, levels = self.start
        moments = range(first_moment, self.last_moment + 1)
        energies = range(first_energy, self.last_energy + 1)
        self.grid.spend(len(moments) * len(energies))
        if by_energy:
            return [[(moment, energy, levels) for moment in moments] for energy in energies]
        return [[(moment, energy, levels) for energy in energies] for moment in moments]


def divide(
    crossing: Crossing, dimension: Dimension, volume: Decimal, reading: Reading, findings: Findings
) -> Sequence[Share]:
    """The shares of a volume of a period."""

    def component(cell: Cell) -> Component | None:
        return crossing.grid.active(*cell).get(dimension)

    def price(cell: Cell) -> Decimal:
        found = component(cell)
        return ZERO if found is None else found.price

    of_energy = dimension is Dimension.ENERGY
    rows = crossing.rows(by_energy=of_energy)
    cells = [cell for row in rows for cell in row]
    if len({component(cell) for cell in cells}) == 1:
        return [(crossing.start, volume)]
    edges = crossing.energy_edges() if of_energy else crossing.moment_edges()
    divisible = edges[-1] == volume
    sure = divisible and all(len({component(cell) for cell in row}) == 1 for row in rows)
    _tell(sure, crossing.period, findings)
    match reading.split:
        case Split.DIVIDE if divisible:
            return _by_edges(rows, edges)
        case Split.DIVIDE | Split.START:
            return [(crossing.start, volume)]
        case Split.PROPORTION:
            return [(cell, share * volume) for cell, share in crossing.even_flow()]
        case Split.LOWEST:
            return [(min(cells, key=price), volume)]
        case Split.HIGHEST:
            return [(max(cells, key=price), volume)]
        case _:
            assert_never(reading.split)


def _by_edges(rows: Sequence[Sequence[Cell]], edges: Sequence[Decimal]) -> list[Share]:
    """Divided along one axis; on the other one the period is taken as at its start."""
    parts = pairwise(edges)
    return [(row[0], end - begin) for row, (begin, end) in zip(rows, parts, strict=True)]


def _tell(sure: bool, period: Period, findings: Findings) -> None:
    where = f"period {period.place + 1}"
    if sure:
        text = "a price changes within a period; its own figures tell how the volume divides"
    else:
        text = (
            "a price changes within a period, and nothing tells how the volume divides:"
            " taken as at the start of the period"
        )
    findings.add("missing_split", text, where)


def _fractions(edges: Sequence[Decimal]) -> list[Decimal]:
    """Inner edges as shares of the whole."""
    return [each / edges[-1] for each in edges[1:-1]]
