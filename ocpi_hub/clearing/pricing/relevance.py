"""Which readings can change the price of a session: the others need not be computed."""

from __future__ import annotations

from ocpi_hub.clearing.pricing.model import Dimension
from ocpi_hub.clearing.pricing.readings import OURS, Flat, Reading, Split
from ocpi_hub.clearing.pricing.session import Session
from ocpi_hub.clearing.pricing.tariff import Restrictions

_FLATS = (Dimension.FLAT, Dimension.RESERVATION_FLAT)


def matters(reading: Reading, session: Session, *, split_missing: bool) -> bool:
    """Whether the point in which a reading differs from ours occurs at all.

    Args:
        split_missing: a price changes within a period.
    """
    restrictions = [each for tariff in session.tariffs for each in tariff.restrictions]
    occurs = (
        (reading.split is not Split.DIVIDE, split_missing),
        (reading.flat is not Flat.ONCE, _flats(session) > 1),
        (not reading.only_tariff, any(each.tariff is None for each in session.periods)),
        (
            not reading.whole_period or reading.unknown_power,
            any(each.limits_flow for each in restrictions),
        ),
        (not reading.equal_times, any(_of_equal_times(each) for each in restrictions)),
        (not reading.midnight, any(_ends_at_midnight(each) for each in restrictions)),
        (not reading.session_step, len(session.tariffs) > 1),
        (not reading.own_reservation_step or not reading.infer_expiry, session.reserved),
    )
    points = [found for differs, found in occurs if differs]
    return any(points) if points else reading is not OURS


def _flats(session: Session) -> int:
    return sum(
        len(tariff.candidates.get(each, ())) for tariff in session.tariffs for each in _FLATS
    )


def _of_equal_times(of: Restrictions) -> bool:
    return of.start_s is not None and of.start_s == of.end_s


def _ends_at_midnight(of: Restrictions) -> bool:
    return of.start_s is None and of.end_s == 0
