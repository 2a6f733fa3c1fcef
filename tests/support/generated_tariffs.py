"""Tariffs of many shapes, and what a session costs under them, computed without the price engine.

All amounts are whole numbers: prices in ten-thousandths of the currency, energy in Wh, time in
minutes. A session is cut wherever a price can change, so that each piece has one price.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

DAY_MIN: Final = 1440
EVENING: Final = (17 * 60, 20 * 60)
NIGHT: Final = (22 * 60, 6 * 60)
UNIT: Final = 10_000 * 60_000 * 100
"""Amounts are told in this part of the currency, so that all of them are whole numbers."""
CENT: Final = UNIT // 100

Rate = Callable[[int, int, int], int | None]
"""The price of a piece: local minute of the day, minutes since the start, kW; None: free."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a session.

    Attributes:
        start: minutes since the month began, UTC.
        kind: `TIME`, `PARKING_TIME` or `RESERVATION_TIME`.
        kw: at which it charges; told only where the tariff asks for it.
    """

    start: int
    minutes: int
    kind: str
    wh: int = 0
    kw: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """Totals and parts, net and with VAT, in parts of UNIT; parts by the name of their field."""

    net: int
    gross: int
    lines: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    limited: bool = False


def _free(_local: int, _elapsed: int, _kw: int) -> None:
    return None


def always(price: int) -> Rate:
    return lambda _local, _elapsed, _kw: price


def by_day(window: tuple[int, int], inside: int, outside: int) -> Rate:
    """One price within hours of the day, another one outside."""
    start, end = window

    def rate(local: int, _elapsed: int, _kw: int) -> int:
        wraps = start > end
        within = local >= start or local < end if wraps else start <= local < end
        return inside if within else outside

    return rate


def after(minutes: int, price: int) -> Rate:
    """Free at first."""
    return lambda _local, elapsed, _kw: price if elapsed >= minutes else None


def by_power(limit_kw: int, below: int, above: int) -> Rate:
    return lambda _local, _elapsed, kw: below if kw < limit_kw else above


@dataclass(frozen=True, slots=True)
class Shape:
    """How a tariff prices, and how it says so.

    Attributes:
        cuts: minutes of the local day at which a price changes.
        turns: minutes after the start at which one does.
        parking_step, time_step: minutes.
        local: whether it asks for local time.
    """

    name: str
    elements: Callable[[int], list[dict[str, Any]]]
    energy: Rate = _free
    time: Rate = _free
    parking: Rate = _free
    reservation: Rate = _free
    fixed: int = 0
    energy_step: int = 1
    time_step: int = 1
    parking_step: int = 1
    cuts: tuple[int, ...] = ()
    turns: tuple[int, ...] = ()
    least: int | None = None
    most: int | None = None
    asks_power: bool = False

    @property
    def local(self) -> bool:
        return bool(self.cuts)


@dataclass(frozen=True, slots=True)
class MonthTariff:
    """A tariff of a CPO.

    Attributes:
        text: its JSON.
        vat: percent, of all components.
    """

    id: str
    shape: Shape
    currency: str
    vat: int
    text: str

    def cost(self, pieces: Sequence[Piece], local_of: Callable[[int], int]) -> Cost:
        """What a session costs; `local_of` makes UTC minutes the local minute of the day."""
        shape = self.shape
        used: dict[tuple[str, int], int] = {}
        began = pieces[0].start
        for piece in pieces:
            local, elapsed = local_of(piece.start), piece.start - began
            if piece.wh and (price := shape.energy(local, elapsed, piece.kw)) is not None:
                _use(used, "energy", price, piece.wh)
            kind, rate = _TIMED[piece.kind]
            price = getattr(shape, rate)(local, elapsed, piece.kw)
            if price is not None:
                _use(used, kind, price, piece.minutes)
        _step(used, "energy", shape.energy_step)
        if any(kind == "parking" for kind, _ in used):
            _step(used, "parking", shape.parking_step)
        else:
            _step(used, "time", shape.time_step)
        nets = {key: key[1] * volume * _FACTORS[key[0]] for key, volume in used.items()}
        if shape.fixed:
            nets["fixed", shape.fixed] = shape.fixed * 60_000 * 100
        lines = {key: (net, net * (100 + self.vat) // 100) for key, net in nets.items()}
        return self._limited(lines)

    def _limited(self, lines: dict[tuple[str, int], tuple[int, int]]) -> Cost:
        shape = self.shape
        net = sum(each[0] for each in lines.values())
        gross = sum(each[1] for each in lines.values())
        bounded = net
        if shape.least is not None:
            bounded = max(bounded, shape.least * (UNIT // 10_000))
        if shape.most is not None:
            bounded = min(bounded, shape.most * (UNIT // 10_000))
        if bounded == net:
            return Cost(net, gross, lines)
        return Cost(bounded, bounded * (100 + self.vat) // 100, lines, limited=True)


_TIMED: Final = {
    "TIME": ("time", "time"),
    "PARKING_TIME": ("parking", "parking"),
    "RESERVATION_TIME": ("reservation", "reservation"),
}
_FACTORS: Final = {"energy": 6000, "time": 100_000, "parking": 100_000, "reservation": 100_000}


def _use(used: dict[tuple[str, int], int], kind: str, price: int, volume: int) -> None:
    # What was used last comes last: its price is that of what a step adds.
    used[kind, price] = used.pop((kind, price), 0) + volume


def _step(used: dict[tuple[str, int], int], kind: str, step: int) -> None:
    mine = [key for key in used if key[0] == kind]
    if mine:
        used[mine[-1]] += -sum(used[each] for each in mine) % step


def _component(kind: str, price: int, vat: int, step: int = 1) -> dict[str, Any]:
    return {"type": kind, "price": price / 10_000, "vat": vat, "step_size": step}


def _element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"price_components": list(components)}
    return {**found, "restrictions": restrictions} if restrictions else found


def _evening(vat: int) -> list[dict[str, Any]]:
    return [
        _element(_component("ENERGY", 5300, vat), start_time="17:00", end_time="20:00"),
        _element(
            _component("FLAT", 3500, vat),
            _component("ENERGY", 3900, vat),
            _component("PARKING_TIME", 30_000, vat, 900),
        ),
    ]


def _night(vat: int) -> list[dict[str, Any]]:
    return [
        _element(_component("TIME", 12_000, vat, 600), start_time="22:00", end_time="06:00"),
        _element(_component("TIME", 24_000, vat, 600)),
    ]


def _capped(vat: int) -> list[dict[str, Any]]:
    return [_element(_component("ENERGY", 4500, vat, 100), _component("TIME", 6000, vat, 60))]


def _reserved(vat: int) -> list[dict[str, Any]]:
    return [
        _element(_component("TIME", 50_000, vat, 60), reservation="RESERVATION"),
        _element(_component("ENERGY", 4200, vat)),
    ]


def _late(vat: int) -> list[dict[str, Any]]:
    return [_element(_component("ENERGY", 2500, vat), min_duration=1800)]


def _fast(vat: int) -> list[dict[str, Any]]:
    return [
        _element(_component("ENERGY", 4100, vat), max_power=50),
        _element(_component("ENERGY", 6900, vat)),
    ]


def _plain(vat: int) -> list[dict[str, Any]]:
    return [_element(_component("ENERGY", 2900, vat))]


def _nothing(_vat: int) -> list[dict[str, Any]]:
    return [_element({"type": "FLAT", "price": 0, "step_size": 1})]


PLAIN: Final = Shape("plain", _plain, energy=always(2900))
EVENINGS: Final = Shape(
    "evening", _evening, energy=by_day(EVENING, 5300, 3900), parking=always(30_000), fixed=3500,
    parking_step=15, cuts=EVENING,
)  # fmt: skip
NIGHTS: Final = Shape("night", _night, time=by_day(NIGHT, 12_000, 24_000), time_step=10, cuts=NIGHT)
CAPPED: Final = Shape(
    "capped", _capped, energy=always(4500), time=always(6000), energy_step=100,
    least=10_000, most=150_000,
)  # fmt: skip
RESERVED: Final = Shape(
    "reserved", _reserved, energy=always(4200), reservation=always(50_000)
)  # fmt: skip
LATE: Final = Shape("late", _late, energy=after(30, 2500), turns=(30,))
FAST: Final = Shape("fast", _fast, energy=by_power(50, 4100, 6900), asks_power=True)
FREE: Final = Shape("free", _nothing)
SHAPES: Final = (PLAIN, EVENINGS, NIGHTS, CAPPED, RESERVED, LATE, FAST, FREE)


def make_tariff(owner: tuple[str, str], shape: Shape, currency: str, vat: int) -> MonthTariff:
    """A tariff as its CPO writes it into its CDRs."""
    told: dict[str, Any] = {
        "country_code": owner[0],
        "party_id": owner[1],
        "id": f"{shape.name}-{currency}",
        "currency": currency,
        "elements": shape.elements(vat),
        "last_updated": "2026-09-01T00:00:00Z",
    }
    for name, limit in (("min_price", shape.least), ("max_price", shape.most)):
        if limit is not None:
            gross = limit * (100 + vat) / 1_000_000
            told[name] = {"excl_vat": limit / 10_000, "incl_vat": round(gross, 4)}
    text = json.dumps(told, separators=(",", ":"))
    return MonthTariff(told["id"], shape, currency, vat, text)
