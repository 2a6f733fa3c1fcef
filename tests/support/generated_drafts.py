"""CDRs of the month before they are written, and what their CPOs ask for them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from tests.support.generated_sessions import SITES, TARIFFS, Party, Site, make_session
from tests.support.generated_tariffs import CENT, SHAPES, Cost, MonthTariff, Piece, Shape
from tests.support.metering import Meter, encoded

EMSPS: Final[tuple[Party, ...]] = (("DE", "GMA"), ("FR", "GMB"))
MONTH: Final = "2026-10"
FIRST: Final = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Draft:
    """A CDR before it is written; the faults change it.

    Attributes:
        parts: JSON of the fields beside total_cost; `tariffs` and `signed` likewise.
        written: its periods where they are written otherwise than they were.
        late_min: its start is written so much too late.
    """

    number: int
    site: Site
    emsp: Party
    tariff: MonthTariff
    pieces: Sequence[Piece]
    kind: str
    net: Decimal
    gross: Decimal | None
    currency: str
    kwh: Decimal
    parts: str
    tariffs: str
    tariff_id: str | None
    written: Sequence[Piece] = ()
    signed: str = ""
    credits: str | None = None
    suffix: str = ""
    late_min: int = 0

    @property
    def id(self) -> str:
        return f"{self.site.owner[1]}-{MONTH}-{self.number:07}{self.suffix}"


def make_draft(
    number: int,
    chance: random.Random,
    sites: Sequence[Site] = SITES,
    shapes: Sequence[Shape] = SHAPES,
    *,
    usual: bool = True,
) -> Draft:
    """A CDR with nothing wrong.

    Args:
        usual: may be short, and leave out its tariff_id.
    """
    site = sites[int(chance.random() * len(sites))]
    shape = shapes[int(chance.random() * len(shapes))]
    tariff = TARIFFS[site.owner, site.currency, shape.name]
    kind, pieces = make_session(site, tariff, chance, short=usual)
    cost = tariff.cost(pieces, site.local_minute)
    net, gross, habit = _asked(cost, number)
    return Draft(
        number=number,
        site=site,
        emsp=EMSPS[int(chance.random() * len(EMSPS))],
        tariff=tariff,
        pieces=pieces,
        kind=f"{shape.name} {kind} {habit}",
        net=net,
        gross=gross,
        currency=site.currency,
        kwh=Decimal(sum(each.wh for each in pieces)).scaleb(-3),
        parts=parts_of(cost) if number % 3 == 0 and not cost.limited and habit != "lines" else "",
        tariffs=tariff.text,
        # Many CPOs leave it out where there is one tariff.
        tariff_id=None if number % 11 == 0 and usual else tariff.id,
    )


def cents(amount: int) -> int:
    """Half up; amounts are not negative."""
    return (2 * amount + CENT) // (2 * CENT)


def money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _asked(cost: Cost, number: int) -> tuple[Decimal, Decimal | None, str]:
    """The total as a CPO writes it: rounded at the end, or each line, or to four places, or
    without VAT."""
    net, gross = cents(cost.net), cents(cost.gross)
    match number % 8:
        case 1 if not cost.limited:
            net = sum(cents(each[0]) for each in cost.lines.values())
            gross = sum(cents(each[1]) for each in cost.lines.values())
            return money(net), money(gross), "lines"
        case 2:
            places = [(2 * each * 100 + CENT) // (2 * CENT) for each in (cost.net, cost.gross)]
            return Decimal(places[0]).scaleb(-4), Decimal(places[1]).scaleb(-4), "exact"
        case 3:
            return money(net), None, "net"
    return money(net), money(gross), "cents"


_FIELDS: Final = {
    "energy": "total_energy_cost",
    "time": "total_time_cost",
    "parking": "total_parking_cost",
    "reservation": "total_reservation_cost",
    "fixed": "total_fixed_cost",
}


def parts_of(cost: Cost) -> str:
    sums: dict[str, list[int]] = {}
    for (kind, _), (net, gross) in cost.lines.items():
        found = sums.setdefault(_FIELDS[kind], [0, 0])
        found[0] += net
        found[1] += gross
    return "".join(
        f'"{name}":{{"excl_vat":{money(cents(net))},"incl_vat":{money(cents(gross))}}},'
        for name, (net, gross) in sums.items()
    )


def credit_of(of: Draft, number: int) -> Draft:
    """What takes a CDR back: the same but for its sign."""
    return replace(
        of,
        kind=f"credit {of.kind}",
        net=-of.net,
        gross=None if of.gross is None else -of.gross,
        credits=of.id,
        parts="",
        suffix="-C" if number % 2 else f"-C{number}",
    )


def sign(draft: Draft, meter: Meter, *, wrong: bool = False) -> Draft:
    """Signed readings of the meter; wrong: one kWh was added after it had signed."""
    begin = FIRST + timedelta(minutes=draft.pieces[0].start)
    last = draft.pieces[-1]
    end = FIRST + timedelta(minutes=last.start + last.minutes)
    first_wh = draft.number * 100
    wh = int(draft.kwh * 1000)
    record = meter.session(begin, end, first_wh, first_wh + wh)
    if wrong:
        asked = f'"RV":"{(first_wh + wh) / 1000:.3f}"'
        record = record.replace(asked, f'"RV":"{(first_wh + wh) / 1000 + 1:.3f}"')
    signed = (
        f'"signed_data":{{"encoding_method":"OCMF","public_key":"{meter.key}","signed_values":'
        f'[{{"nature":"End","plain_data":"","signed_data":"{encoded(record)}"}}]}},'
    )
    return replace(draft, signed=signed, kind=f"{draft.kind} signed")
