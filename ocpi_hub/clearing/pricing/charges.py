"""Who prices what: the volumes of one session, collected by price component."""

from __future__ import annotations

from decimal import Decimal

from ocpi_hub.clearing.pricing.grid import Levels
from ocpi_hub.clearing.pricing.model import SECONDS_PER_HOUR, ZERO, Dimension, rounded
from ocpi_hub.clearing.pricing.tariff import Component

Cell = tuple[int, int, Levels]
ONE = Decimal(1)
_MONEY_DIMENSIONS = (Dimension.ENERGY, Dimension.FLAT, Dimension.RESERVATION_FLAT)


class Charge:
    """The volume that one component prices in a session, or that nothing prices.

    Attributes:
        tariff: place among the session's tariffs; None for periods without one.
        component: None when the dimension is free.
        cell: of the grid in which it was used first; tells why other elements were not.
        surplus: what step_size adds.
        amounts: net amounts of each period as the reading rounds them; None when it does not.
    """

    __slots__ = (
        "amounts",
        "cell",
        "component",
        "dimension",
        "first",
        "last",
        "periods",
        "surplus",
        "tariff",
        "volume",
    )

    def __init__(
        self,
        dimension: Dimension,
        tariff: int | None,
        component: Component | None,
        cell: Cell | None,
        first: int,
    ) -> None:
        self.dimension = dimension
        self.tariff = tariff
        self.component = component
        self.cell = cell
        self.first = first
        self.last = -1
        self.periods = 0
        self.volume = ZERO
        self.surplus = ZERO
        self.amounts: tuple[Decimal, Decimal] | None = None

    @property
    def billed(self) -> Decimal:
        return self.volume + self.surplus


class Charges:
    """All charges of a session.

    Args:
        rounding: how the amounts of each period are rounded, and to what; None: not at all.
    """

    def __init__(self, rounding: tuple[str, Decimal] | None) -> None:
        self._rounding = rounding
        self._by_component: dict[object, Charge] = {}
        self.last_priced: dict[Dimension, Charge] = {}
        """Of each dimension the charge that was used last."""

    def add(
        self,
        dimension: Dimension,
        volume: Decimal,
        component: Component | None,
        place: int,
        tariff: int | None,
        cell: Cell | None,
    ) -> None:
        """Give a volume of a period to a component."""
        key: object = component if component is not None else (dimension, tariff)
        charge = self._by_component.get(key)
        if charge is None:
            charge = Charge(dimension, tariff, component, cell, place)
            self._by_component[key] = charge
        charge.volume += volume
        if charge.last != place:
            charge.last = place
            charge.periods += 1
        if component is not None:
            self.last_priced[dimension] = charge
            if self._rounding is not None:
                self._add_rounded(charge, volume, *self._rounding)

    def all(self) -> list[Charge]:
        """In the order in which they were used first."""
        return list(self._by_component.values())

    @staticmethod
    def _add_rounded(charge: Charge, volume: Decimal, rounding: str, unit: Decimal) -> None:
        net, gross = amounts_of(charge, volume)
        before = charge.amounts or (ZERO, ZERO)
        charge.amounts = (
            before[0] + rounded(net, unit, rounding),
            before[1] + rounded(gross, unit, rounding),
        )


def amounts_of(charge: Charge, volume: Decimal) -> tuple[Decimal, Decimal]:
    """What a volume costs without and with VAT, exactly."""
    component = charge.component
    if component is None:
        return ZERO, ZERO
    net = volume * component.price
    if charge.dimension not in _MONEY_DIMENSIONS:
        net /= SECONDS_PER_HOUR
    return net, net if component.vat is None else net + net * component.vat / 100
