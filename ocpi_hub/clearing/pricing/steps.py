"""step_size: once for the energy of a session, once for its time. Spec: 2.2.1 mod_cdrs_step_size.

Only what is priced counts. The step is that of the component used last; what rounding adds is
billed by that component. Where parking and charging are both priced, parking alone is rounded.
An amount that is a multiple already stays as it is.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final

from ocpi_hub.clearing.pricing.charges import Charge, Charges
from ocpi_hub.clearing.pricing.model import ZERO, Dimension
from ocpi_hub.clearing.pricing.readings import Reading

NO_STEP: Final = Decimal("1e-20")
"""What a division leaves in its last digits is no step more."""
_STEPS_PER_KWH: Final = 1000
_STEPS_PER_S: Final = 1


def apply_steps(charges: Charges, reading: Reading) -> None:
    """Give each charge whose component rounds its surplus."""
    last = charges.last_priced
    _apply((Dimension.ENERGY,), last.get(Dimension.ENERGY), charges, _STEPS_PER_KWH, reading)
    times = _time_group(charges, reading)
    _apply(times, _latest(times, last), charges, _STEPS_PER_S, reading)
    if reading.own_reservation_step:
        reservation = (Dimension.RESERVATION_TIME,)
        _apply(reservation, _latest(reservation, last), charges, _STEPS_PER_S, reading)


def _time_group(charges: Charges, reading: Reading) -> tuple[Dimension, ...]:
    """The dimensions of which the total is rounded, and of which the last component rounds it."""
    last = charges.last_priced
    charging: tuple[Dimension, ...] = (Dimension.TIME,)
    if not reading.own_reservation_step:
        charging = (Dimension.RESERVATION_TIME, Dimension.TIME)
    parking = last.get(Dimension.PARKING_TIME)
    if parking is None:
        return charging
    latest = _latest((*charging, Dimension.PARKING_TIME), last)
    if reading.parking_rounds or latest is parking:
        return (Dimension.PARKING_TIME,)
    return charging


def _latest(dimensions: tuple[Dimension, ...], last: dict[Dimension, Charge]) -> Charge | None:
    found = [last[each] for each in dimensions if each in last]
    return max(found, key=lambda each: each.last, default=None)


def _apply(
    dimensions: tuple[Dimension, ...],
    last: Charge | None,
    charges: Charges,
    steps_per_unit: int,
    reading: Reading,
) -> None:
    if last is None or last.component is None or last.component.step_size <= 0:
        return
    total = sum(
        (
            each.volume
            for each in charges.all()
            if each.component is not None
            and each.dimension in dimensions
            and (reading.session_step or each.tariff == last.tariff)
        ),
        ZERO,
    )
    if total > 0:
        last.surplus = (
            _rounded_up(total, Decimal(last.component.step_size) / steps_per_unit) - total
        )


def _rounded_up(amount: Decimal, step: Decimal) -> Decimal:
    ratio = amount / step
    nearest = ratio.to_integral_value()
    if abs(ratio - nearest) < NO_STEP:
        return nearest * step
    return ratio.to_integral_value(rounding=ROUND_CEILING) * step
