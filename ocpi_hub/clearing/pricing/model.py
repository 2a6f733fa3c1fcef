"""What comes out of the price engine, and the words it uses. Units: kWh, seconds, money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import Final

from ocpi_hub.domain.value import value

EXACT: Final = Context(prec=50)
"""Sums and products of OCPI numbers are exact in it; only a division may need its last digit."""

ABSURD: Final = Decimal(10) ** 30
"""From here on an amount is no money, energy or time."""

SHOWN: Final = 40
"""Characters of a partner's word in a message: more than ids have."""

SECONDS_PER_HOUR: Final = Decimal(3600)
ZERO: Final = Decimal(0)

_NO_MINOR_UNIT: Final = frozenset(
    (
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"),
        *("VND", "VUV", "XAF", "XOF", "XPF"),
    )
)
_THREE_DECIMALS: Final = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


class Dimension(StrEnum):
    """What a line prices. A reservation has dimensions of its own: elements with a `reservation`
    restriction price only it, and those without never do."""

    # That of an enum is a function in Python, and dimensions are the keys of everything here.
    __hash__ = str.__hash__

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    FLAT = "FLAT"
    RESERVATION_TIME = "RESERVATION_TIME"
    RESERVATION_FLAT = "RESERVATION_FLAT"


class Part(StrEnum):
    """The parts of the total, as the `total_*_cost` fields of a CDR divide it."""

    FLAT = "FLAT"
    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION = "RESERVATION"


PART_OF: Final[Mapping[Dimension, Part]] = {
    Dimension.FLAT: Part.FLAT,
    Dimension.ENERGY: Part.ENERGY,
    Dimension.TIME: Part.TIME,
    Dimension.PARKING_TIME: Part.PARKING_TIME,
    Dimension.RESERVATION_TIME: Part.RESERVATION,
    Dimension.RESERVATION_FLAT: Part.RESERVATION,
}


class Verdict(StrEnum):
    """How the CDR's own total stands to the recomputed one.

    `rounding`: somebody rounded earlier, or upwards. `ambiguous`: it fits another reading of a text
    that allows several. `not_checkable`: something that decides about the price is not known.
    """

    EQUAL = "equal"
    ROUNDING = "rounding"
    DIFFERS = "differs"
    AMBIGUOUS = "ambiguous"
    NOT_CHECKABLE = "not_checkable"


@value
class Money:
    """Without and with VAT, exact."""

    net: Decimal = ZERO
    gross: Decimal = ZERO

    def __add__(self, other: Money) -> Money:
        return Money(self.net + other.net, self.gross + other.gross)

    def __sub__(self, other: Money) -> Money:
        return Money(self.net - other.net, self.gross - other.gross)

    def rounded(self, unit: Decimal) -> Money:
        return Money(rounded(self.net, unit), rounded(self.gross, unit))


@value
class Line:
    """What one price component, or none, did for the total.

    Attributes:
        tariff_id: None for periods without a tariff.
        element, component: places in the tariff, from 0; None where the dimension is free.
        periods: how many charging periods drew on it.
        first, last: places of the first and last of them in order of time, from 0.
        volume: measured, in kWh or seconds; 1 for FLAT.
        billed: after step_size.
        price: for a kWh, an hour, or once.
        vat: percent; None is "no VAT", which adds as much as 0.
        skipped: elements that come before this one in the tariff and why they did not apply when
            the line began.
    """

    dimension: Dimension
    tariff_id: str | None
    element: int | None
    component: int | None
    periods: int
    first: int
    last: int
    volume: Decimal
    billed: Decimal
    price: Decimal | None
    vat: Decimal | None
    step_size: int | None
    cost: Money
    skipped: tuple[str, ...] = ()


@value
class PartTotal:
    """A part of the total beside what the CDR says.

    Attributes:
        stated: the CDR's own figure, with the sign of a charge in a credit CDR; None when absent.
        stated_gross: its `incl_vat`.
    """

    cost: Money
    volume: Decimal
    billed: Decimal
    stated: Decimal | None = None
    stated_gross: Decimal | None = None


@value
class Finding:
    """Something a person should know about this CDR.

    Attributes:
        code: stable, for programs.
        where: the field or period it was seen at first.
        times: how often it was seen.
    """

    code: str
    message: str
    where: str
    times: int


@value
class PriceCheck:
    """The answer of the engine.

    Attributes:
        total: exact, after limits; None when nothing can be computed.
        limit: what min_price or max_price added to the sum of the lines.
        unit: the smallest amount of the currency.
    """

    verdict: Verdict
    currency: str
    unit: Decimal
    total: Money | None
    limit: Money
    parts: Mapping[Part, PartTotal]
    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency, by ISO 4217."""
    code = currency.upper()
    if code in _NO_MINOR_UNIT:
        return Decimal(1)
    return Decimal("0.001") if code in _THREE_DECIMALS else Decimal("0.01")


def rounded(amount: Decimal, unit: Decimal, rounding: str = ROUND_HALF_UP) -> Decimal:
    """An amount as it is paid: half up unless told otherwise, however large it is."""
    if amount.adjusted() > EXACT.prec - 10:
        return amount
    return amount.quantize(unit, rounding=rounding, context=EXACT)


def told(amount: Decimal) -> str:
    """A number in a message: short, whatever somebody sent."""
    return f"{amount:f}" if abs(amount) < ABSURD else f"{amount:.3E}"


def shown(text: str) -> str:
    """A partner's word in a message: short, and without what moves a terminal's cursor."""
    return "".join(each if each.isprintable() else "?" for each in text[:SHOWN])


class Findings:
    """Collects findings: what is seen a hundred thousand times is one of them."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[str, int]] = {}

    def add(self, code: str, message: str, where: str = "") -> None:
        """Note a finding; `message` must not differ from period to period."""
        first, times = self._seen.get((code, message), (where, 0))
        self._seen[code, message] = (first, times + 1)

    def has(self, code: str) -> bool:
        return any(code == each for each, _ in self._seen)

    def all(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(code, message, where, times)
            for (code, message), (where, times) in self._seen.items()
        )


class NotCheckable(Exception):
    """Something that decides about the price is not known; the code and text of the finding."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
