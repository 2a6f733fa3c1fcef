"""Statements: what a CPO and an eMSP settle by for a month (docs/statements.md). Pure.

A statement adds up what CDRs state, not what the hub computed; the VAT is told apart by rate where
the recomputed price knows it. Amounts are exact sums; only what is printed is rounded.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from enum import StrEnum
from operator import itemgetter
from typing import Final
from zoneinfo import ZoneInfo

from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value

ZERO: Final = Decimal(0)
EXACT: Final = Context(prec=100_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""No sum of what CDRs may state has more digits."""


@value
class Month:
    """A calendar month."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """`YYYY-MM`.

        Raises:
            ValueError: it is none.
        """
        year, _, month = text.partition("-")
        well_formed = len(year) == 4 and len(month) == 2 and (year + month).isdecimal()
        if not well_formed or not text.isascii() or not 1 <= int(month) <= 12:
            raise ValueError(f"{text[:20]!r} is not a month: write 2026-01")
        if not 2000 <= int(year) < MAXYEAR:
            raise ValueError(f"{text[:20]!r} is not a month: write 2026-01")
        return cls(int(year), int(month))

    @classmethod
    def of(cls, day: date) -> Month:
        return cls(day.year, day.month)

    @property
    def first_day(self) -> date:
        return date(self.year, self.month, 1)

    def begin(self, zone: ZoneInfo) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=zone).astimezone(UTC)

    def end(self, zone: ZoneInfo) -> datetime:
        """The first moment after it."""
        days = calendar.monthrange(self.year, self.month)[1]
        after = self.first_day + timedelta(days=days)
        return datetime(after.year, after.month, after.day, tzinfo=zone).astimezone(UTC)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


@value
class Relation:
    """Who settles with whom."""

    cpo: PartyId
    emsp: PartyId


class StatementState(StrEnum):
    """`open` is computed whenever somebody looks; `closing` is being put together."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class VatKind(StrEnum):
    """What is known of the VAT of CDRs, where it is not one rate."""

    NONE = "none"
    MIXED = "mixed"
    UNKNOWN = "unknown"
    NOT_STATED = "not_stated"


@value
class Group:
    """CDRs of a statement that have all of this in common, summed up.

    Attributes:
        day: on which they ended, where the statement's days are.
        vat: a rate in percent, or a `VatKind`.
        excl_vat, incl_vat: in `currency`; what a CDR states without VAT is in `excl_vat` alone.
        stated_excl: `excl_vat` of those that state both.
    """

    day: date
    currency: str
    vat: str
    flags: tuple[str, ...]
    cdrs: int
    credits: int
    energy_kwh: Decimal
    time_h: Decimal
    parking_h: Decimal
    excl_vat: Decimal
    stated_excl: Decimal
    incl_vat: Decimal


@dataclass(slots=True)
class Sums:
    """Figures of some CDRs of one currency. kWh, hours, money."""

    cdrs: int = 0
    credits: int = 0
    energy_kwh: Decimal = ZERO
    time_h: Decimal = ZERO
    parking_h: Decimal = ZERO
    excl_vat: Decimal = ZERO
    vat: Decimal = ZERO

    def add(self, group: Group) -> None:
        self.cdrs += group.cdrs
        self.credits += group.credits
        self.energy_kwh = EXACT.add(self.energy_kwh, group.energy_kwh)
        self.time_h = EXACT.add(self.time_h, group.time_h)
        self.parking_h = EXACT.add(self.parking_h, group.parking_h)
        self.excl_vat = EXACT.add(self.excl_vat, group.excl_vat)
        vat = EXACT.subtract(group.incl_vat, group.stated_excl)
        self.vat = EXACT.add(self.vat, vat)

    @property
    def incl_vat(self) -> Decimal:
        return EXACT.add(self.excl_vat, self.vat)


@dataclass(slots=True)
class CurrencyTotals:
    """All of one currency, and its parts by VAT and by day."""

    all: Sums = field(default_factory=Sums)
    by_vat: dict[str, Sums] = field(default_factory=dict)
    by_day: dict[date, Sums] = field(default_factory=dict)


@dataclass(slots=True)
class Totals:
    """What a statement says, without its lines.

    Attributes:
        flags: how many CDRs have which flag.
    """

    currencies: dict[str, CurrencyTotals] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)

    @property
    def cdrs(self) -> int:
        return sum(each.all.cdrs for each in self.currencies.values())


def total(groups: Iterable[Group]) -> Totals:
    """Sum up, in a fixed order of currencies, rates, days and flags."""
    totals = Totals()
    for group in groups:
        currency = totals.currencies.setdefault(group.currency, CurrencyTotals())
        currency.all.add(group)
        currency.by_vat.setdefault(group.vat, Sums()).add(group)
        currency.by_day.setdefault(group.day, Sums()).add(group)
        for flag in group.flags:
            totals.flags[flag] = totals.flags.get(flag, 0) + group.cdrs
    for currency in totals.currencies.values():
        currency.by_vat = dict(sorted(currency.by_vat.items(), key=lambda item: _rate(item[0])))
        currency.by_day = dict(sorted(currency.by_day.items()))
    totals.currencies = dict(sorted(totals.currencies.items()))
    totals.flags = dict(sorted(totals.flags.items()))
    return totals


def _rate(vat: str) -> tuple[bool, Decimal, str]:
    """Rates by size, then the kinds."""
    is_kind = vat in list(VatKind)
    return (is_kind, ZERO if is_kind else Decimal(vat), vat)


@value
class LeftOut:
    """CDRs of the period that are not on the statement, and why."""

    why: str
    currency: str
    cdrs: int
    excl_vat: Decimal


@value
class Outlook:
    """What a statement would say if it were closed now, and what would not be on it."""

    totals: Totals
    left_out: Sequence[LeftOut]


def outlook(groups: Iterable[tuple[str | None, Group]]) -> Outlook:
    """Sum up groups, each with what keeps its CDRs off."""
    due: list[Group] = []
    kept_off: dict[tuple[str, str], Sums] = {}
    for why, group in groups:
        if why is None:
            due.append(group)
        else:
            kept_off.setdefault((why, group.currency), Sums()).add(group)
    left_out = [
        LeftOut(why, currency, sums.cdrs, sums.excl_vat)
        for (why, currency), sums in sorted(kept_off.items(), key=itemgetter(0))
    ]
    return Outlook(total(due), left_out)


@value
class Waiting:
    """CDRs that are on no statement, before anybody sums them up.

    Attributes:
        since: when the first of them ended.
        is_much: summing them up takes a while.
    """

    since: datetime
    is_much: bool


@value
class StatementLine:
    """A CDR on a statement, as it states itself. kWh, hours, money in `currency`.

    Attributes:
        entry: its place in the ledger.
        credited_id: of a Credit CDR, the CDR that it takes back.
    """

    entry: int
    id: str
    credited_id: str | None
    session_id: str | None
    started_at: datetime
    ended_at: datetime
    location_id: str
    evse_id: str
    energy_kwh: Decimal
    time_h: Decimal
    parking_h: Decimal | None
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal | None
    price_verdict: str | None
    flags: tuple[str, ...]


@value
class Recheck:
    """Whether a closed statement can be reproduced.

    Attributes:
        lines: how many were looked at.
        differing: ids of CDRs whose ledger figures are not those of their text, the first ones.
        differences: what does not add up to what was settled, in words.
    """

    lines: int
    differing: Sequence[str]
    differences: Sequence[str]

    @property
    def reproduced(self) -> bool:
        return not self.differing and not self.differences
