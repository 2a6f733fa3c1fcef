"""The price of a session under one reading, in one zone."""

from __future__ import annotations

from datetime import tzinfo
from decimal import Decimal

from ocpi_hub.clearing.pricing.charges import Charge, Charges
from ocpi_hub.clearing.pricing.grid import Budget, Grid
from ocpi_hub.clearing.pricing.model import ABSURD, Findings, Line, Money, NotCheckable
from ocpi_hub.clearing.pricing.readings import Reading
from ocpi_hub.clearing.pricing.session import Session
from ocpi_hub.clearing.pricing.steps import apply_steps
from ocpi_hub.clearing.pricing.totals import cost_of, limited, line_of
from ocpi_hub.clearing.pricing.walk import Walk
from ocpi_hub.domain.value import value


@value
class Computed:
    """What a session costs.

    Attributes:
        total: after the limits.
        limit: what they added.
    """

    total: Money
    limit: Money
    charges: list[Charge]
    grids: list[Grid]
    session: Session

    @property
    def priced(self) -> int:
        """Lines with a price."""
        return sum(each.component is not None for each in self.charges)

    def lines(self) -> tuple[Line, ...]:
        """A line for each component, and for what is free."""
        return tuple(self._line(each) for each in self.charges)

    def _line(self, charge: Charge) -> Line:
        if charge.tariff is None:
            return line_of(charge, None, ())
        skipped: tuple[str, ...] = ()
        if charge.cell is not None:
            skipped = self.grids[charge.tariff].skipped(charge.dimension, charge.cell)
        return line_of(charge, self.session.tariffs[charge.tariff].source, skipped)


def compute(
    session: Session,
    zone: tzinfo,
    reading: Reading,
    *,
    unit: Decimal,
    budget: Budget,
    findings: Findings,
) -> Computed:
    """Price a session.

    Args:
        unit: of the currency, for readings that round each period.

    Raises:
        NotCheckable: there is more to look at than anybody needs.
    """
    budget.spend(len(session.periods))
    charges = Charges(None if reading.rounding is None else (reading.rounding, unit))
    grids = _grids(session, zone, reading, budget)
    Walk(session, grids, reading, charges, findings).run()
    apply_steps(charges, reading)
    every = charges.all()
    costs = [cost_of(each) for each in every]
    total = sum(costs, Money())
    first = session.periods[0].tariff
    if first is None and reading.only_tariff:
        first = session.only
    tariff = None if first is None else session.tariffs[first].source
    bounded = limited(total, tariff, reading)
    figures = [bounded.gross, *(each.gross for each in costs), *(each.billed for each in every)]
    if any(abs(each) >= ABSURD for each in figures):
        raise NotCheckable("absurd", "a volume or price is absurdly large")
    return Computed(bounded, bounded - total, every, grids, session)


def _grids(session: Session, zone: tzinfo, reading: Reading, budget: Budget) -> list[Grid]:
    last = session.periods[-1]
    expired = session.expired if reading.infer_expiry else not session.expired
    return [
        Grid(
            tariff,
            tariff.candidates_when(expired=expired),
            reading,
            first_us=session.periods[0].start_us,
            last_us=max(last.start_us, last.end_us),
            start_us=session.start_us,
            zone=zone,
            budget=budget,
        )
        for tariff in session.tariffs
    ]
