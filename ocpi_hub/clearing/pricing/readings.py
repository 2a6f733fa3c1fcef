"""The ways in which the specification can be read, ours first.

Where the text is silent or contradicts itself, known engines differ, and a CDR that follows another
reading is not wrong. Each alternative differs from ours in one point; `docs/pricing.md` lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, ROUND_UP
from enum import Enum, auto
from typing import Final


class Split(Enum):
    """What becomes of a period in which a restriction begins or ceases to hold."""

    DIVIDE = auto()
    """Divided where its own figures say how, else priced as at its start."""
    START = auto()
    """Always priced as at its start."""
    PROPORTION = auto()
    """Divided as if time and energy passed evenly."""
    LOWEST = auto()
    HIGHEST = auto()


class Flat(Enum):
    """How often a session pays FLAT fees."""

    ONCE = auto()
    """The first of each tariff, once for the reservation and once for the session."""
    ONE_IN_ALL = auto()
    EACH = auto()
    """Every different FLAT component that becomes active."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading.

    Attributes:
        what: the point in which it differs from ours, for people.
        only_tariff: a period without tariff_id uses the CDR's only tariff.
        whole_period: a limit of current or power has to hold throughout the period, not at some
            moment of it.
        unknown_power: a limit holds when nothing is known about the current or power.
        equal_times: `start_time` = `end_time` is the whole day, not an empty time.
        midnight: `end_time` 00:00 with no `start_time` is the end of the day, not its beginning.
        clock: a volume that is the length of its period but for the fourth decimal is that length.
        parking_rounds: with TIME and PARKING_TIME, step_size rounds parking even when charging is
            last.
        session_step: step_size works on the whole session, not on the last tariff's own part.
        own_reservation_step: reservation time is rounded on its own, not together with TIME.
        scale_vat: a limit without `incl_vat` moves the VAT with it.
        infer_expiry: whether a reservation expired is inferred from the CDR; else the opposite.
        rounding: how the amounts of each period are rounded; None: not at all.
    """

    what: str
    only_tariff: bool = True
    whole_period: bool = True
    unknown_power: bool = False
    equal_times: bool = True
    midnight: bool = True
    clock: bool = True
    parking_rounds: bool = True
    session_step: bool = True
    own_reservation_step: bool = True
    scale_vat: bool = True
    infer_expiry: bool = True
    split: Split = Split.DIVIDE
    flat: Flat = Flat.ONCE
    rounding: str | None = None


OURS: Final = Reading("as described")

ROUNDED: Final = (
    Reading("each period rounded half up", rounding=ROUND_HALF_UP),
    Reading("each period rounded up", rounding=ROUND_UP),
)

ALTERNATIVES: Final = (
    Reading("periods without tariff_id cost nothing", only_tariff=False),
    Reading(
        "limits of current and power hold as soon as the period touches them", whole_period=False
    ),
    Reading("limits of current and power hold when the CDR does not tell them", unknown_power=True),
    Reading("a start_time equal to end_time never holds", equal_times=False),
    Reading("end_time 00:00 without start_time never holds", midnight=False),
    Reading("times are taken as written, with four decimals", clock=False),
    Reading("step_size rounds charging time when charging comes last", parking_rounds=False),
    Reading("step_size rounds only the last tariff's part", session_step=False),
    Reading("reservation and charging time are rounded together", own_reservation_step=False),
    Reading("a price limit without incl_vat leaves the amount with VAT as it is", scale_vat=False),
    Reading("the reservation is taken the other way: expired or used", infer_expiry=False),
    Reading("one FLAT fee for reservation and session together", flat=Flat.ONE_IN_ALL),
    Reading("every different FLAT fee once", flat=Flat.EACH),
    Reading("periods priced as at their start", split=Split.START),
    Reading("periods divided in proportion", split=Split.PROPORTION),
)


LOWEST: Final = Reading("undivided periods at the lowest price", split=Split.LOWEST)
HIGHEST: Final = Reading("undivided periods at the highest price", split=Split.HIGHEST)
