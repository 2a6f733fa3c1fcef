"""From charges to lines and to the total: prices, VAT, min_price and max_price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ocpi_hub.clearing.pricing.charges import Charge, amounts_of
from ocpi_hub.clearing.pricing.model import PART_OF, ZERO, Dimension, Line, Money, Part, PartTotal
from ocpi_hub.clearing.pricing.readings import Reading
from ocpi_hub.ocpi.v2_2_1.common import Price
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff

_NOTHING: Final = PartTotal(Money(), ZERO, ZERO)


def cost_of(charge: Charge) -> Money:
    """What a charge costs; VAT is that of its component."""
    if charge.amounts is None:
        return Money(*amounts_of(charge, charge.billed))
    return Money(*charge.amounts) + Money(*amounts_of(charge, charge.surplus))


def line_of(charge: Charge, tariff: Tariff | None, skipped: tuple[str, ...]) -> Line:
    component = charge.component
    return Line(
        dimension=charge.dimension,
        tariff_id=None if tariff is None else tariff.id,
        element=None if component is None else component.element,
        component=None if component is None else component.place,
        periods=charge.periods,
        first=charge.first,
        last=charge.last,
        volume=charge.volume,
        billed=charge.billed if component is not None else ZERO,
        price=None if component is None else component.price,
        vat=None if component is None else component.vat,
        step_size=None if component is None else component.step_size,
        cost=cost_of(charge),
        skipped=skipped,
    )


def part_totals(lines: Sequence[Line]) -> dict[Part, PartTotal]:
    """The parts that have lines."""
    found: dict[Part, PartTotal] = {}
    for each in lines:
        part = PART_OF[each.dimension]
        before = found.get(part, _NOTHING)
        measured = each.dimension is not Dimension.RESERVATION_FLAT
        found[part] = PartTotal(
            before.cost + each.cost,
            before.volume + each.volume if measured else before.volume,
            before.billed + each.billed if measured else before.billed,
        )
    return found


def limited(total: Money, tariff: Tariff | None, reading: Reading) -> Money:
    """The total within the limits of a tariff: the net and the gross total each for itself.

    Spec: 2.2.1 mod_tariffs_tariff_object.
    """
    if tariff is None:
        return total
    if tariff.min_price is not None:
        total = _bounded(total, tariff.min_price, reading, upwards=True)
    if tariff.max_price is not None:
        total = _bounded(total, tariff.max_price, reading, upwards=False)
    return total


def _bounded(total: Money, limit: Price, reading: Reading, *, upwards: bool) -> Money:
    pick = max if upwards else min
    net = pick(total.net, limit.excl_vat)
    if limit.incl_vat is not None:
        return Money(net, pick(total.gross, limit.incl_vat))
    if not reading.scale_vat or net == total.net:
        return Money(net, total.gross)
    # Nothing tells the VAT of nothing. No VAT stays none, to the last digit.
    vat = net * (total.gross - total.net) / total.net if total.net else ZERO
    return Money(net, net + vat)
