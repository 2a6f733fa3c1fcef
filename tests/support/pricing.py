"""CDRs and tariffs for tests of the price engine, written as a person would tell them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ocpi_hub.clearing.pricing import PriceCheck, check_price, read_source
from tests.unit.ocpi.factories import make_cdr, make_tariff

DAY = "2026-03-02"  # a Monday
START = f"{DAY}T09:00:00Z"
AMSTERDAM = "Europe/Amsterdam"
UTC_ZONE = "Etc/UTC"

Volumes = Mapping[str, float]
Period = tuple[str, Volumes] | tuple[str, Volumes, str | None]
Periods = Sequence[Period]


def component(kind: str, price: float, *, vat: float | None = None, step: int = 1) -> Any:
    """A PriceComponent."""
    found: dict[str, Any] = {"type": kind, "price": price, "step_size": step}
    return found if vat is None else {**found, "vat": vat}


def energy(price: float, **options: Any) -> Any:
    return component("ENERGY", price, **options)


def charging(price: float, **options: Any) -> Any:
    return component("TIME", price, **options)


def parking(price: float, **options: Any) -> Any:
    return component("PARKING_TIME", price, **options)


def flat(price: float, **options: Any) -> Any:
    return component("FLAT", price, **options)


def element(*components: Any, **restrictions: Any) -> dict[str, Any]:
    """A TariffElement."""
    found: dict[str, Any] = {"price_components": list(components)}
    return {**found, "restrictions": restrictions} if restrictions else found


def tariff(*elements: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return make_tariff(elements=list(elements), **fields)


def moment(text: str) -> str:
    """`09:30` is that time on DAY; anything else is taken as it is."""
    return f"{DAY}T{text}:00Z" if len(text) == 5 else text


def hours(minutes: float) -> float:
    """Minutes as a CDR tells them: hours with four decimals."""
    return float(round(Decimal(str(minutes)) / 60, 4))


def cdr(
    tariffs: Sequence[Mapping[str, Any]], periods: Sequence[Period], end: str, **fields: Any
) -> dict[str, Any]:
    """A CDR of these periods, each with start, volumes, and T1 or the tariff it names."""
    found = []
    for start, volumes, *rest in periods:
        named = rest[0] if rest else "T1"
        period: dict[str, Any] = {
            "start_date_time": moment(start),
            "dimensions": [{"type": kind, "volume": each} for kind, each in volumes.items()],
        }
        found.append(period if named is None else {**period, "tariff_id": named})
    start, end = moment(periods[0][0]), moment(end)
    kwh = sum((Decimal(str(each[1].get("ENERGY", 0))) for each in periods), Decimal(0))
    lasts = (_time(end) - _time(start)) / timedelta(hours=1)
    return make_cdr(
        **{
            "session_id": "S1",
            "start_date_time": start,
            "end_date_time": end,
            "tariffs": list(tariffs),
            "charging_periods": found,
            "total_energy": float(kwh),
            "total_time": round(lasts, 4),
            "total_cost": {"excl_vat": 0},
            **fields,
        }
    )


def check(
    found: Mapping[str, Any],
    *,
    tariffs: Sequence[Mapping[str, Any]] = (),
    time_zone: str | None = UTC_ZONE,
    **options: Any,
) -> PriceCheck:
    """Price a CDR as it comes: from JSON text."""
    source = read_source(json.dumps({"cdr": found, "tariffs": list(tariffs)}).encode())
    return check_price(source.cdr, tariffs=source.tariffs, time_zone=time_zone, **options)


def price(
    tariffs: Sequence[Mapping[str, Any]] | Mapping[str, Any],
    periods: Sequence[Period],
    end: str,
    *,
    time_zone: str = UTC_ZONE,
    **fields: Any,
) -> tuple[Decimal, Decimal]:
    """Exact totals without and with VAT."""
    several = [tariffs] if isinstance(tariffs, Mapping) else tariffs
    answer = check(cdr(several, periods, end, **fields), time_zone=time_zone)
    assert answer.total is not None, answer.findings
    return answer.total.net, answer.total.gross


def net(*arguments: Any, **options: Any) -> Decimal:
    return price(*arguments, **options)[0]


def codes(answer: PriceCheck) -> list[str]:
    return [each.code for each in answer.findings]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
