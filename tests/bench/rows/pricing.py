"""The price engine: CDRs of 20 charging periods, recomputed, explained and compared.

An evening session of three hours charging and two parking crosses a dearer time of day; the tariff
has fees, VAT, steps and a maximum. The CDRs are equal to what they should cost, as nearly all are.
Reading them from JSON text is told beside it: intake has done that anyway.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from ocpi_hub.clearing.pricing import Verdict, check_price, read_source
from tests.bench import targets
from tests.bench.figures import Figure
from tests.bench.world import Bench
from tests.support.pricing import (
    AMSTERDAM,
    Period,
    cdr,
    charging,
    check,
    element,
    energy,
    flat,
    parking,
    tariff,
)

CDRS = 50
CHARGING, PARKING = 12, 8
"""Quarters of an hour, each a period."""


async def run(bench: Bench) -> Sequence[Figure]:
    texts = [_text(number) for number in range(CDRS)]
    sources = [read_source(text) for text in texts]

    def price_all() -> None:
        for each in sources:
            if check_price(each.cdr, time_zone=AMSTERDAM).verdict is not Verdict.EQUAL:
                raise AssertionError("a CDR was not found to be equal")

    def read_all() -> None:
        for text in texts:
            read_source(text)

    price_all()
    costs = [_cpu_s(price_all, bench.seconds) for _ in range(bench.repeats)]
    details = {
        "price us": min(costs) * 1e6,
        "read us": _cpu_s(read_all, bench.seconds) * 1e6,
        "bytes": sum(map(len, texts)) / CDRS,
    }
    return [Figure(targets.PRICING, [1 / each for each in costs], details)]


def _cpu_s(work: Callable[[], None], seconds: float) -> float:
    """CPU seconds for each CDR, over at least so many seconds."""
    rounds, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        work()
        rounds += 1
    return (time.process_time() - began) / (rounds * CDRS)


def _text(number: int) -> bytes:
    """A CDR whose total is what it should be."""
    told = _session(number)
    found = check(told, time_zone=AMSTERDAM)
    if found.total is None:
        raise AssertionError("a CDR cannot be priced")
    paid = found.total.rounded(found.unit)
    return json.dumps(
        {**told, "total_cost": {"excl_vat": float(paid.net), "incl_vat": float(paid.gross)}}
    ).encode()


def _session(number: int) -> dict[str, Any]:
    prices = tariff(
        element(energy(0.52, vat=21), start_time="17:00", end_time="20:00"),
        element(
            flat(0.35, vat=21),
            energy(0.39, vat=21),
            charging(0.6, vat=21, step=60),
            parking(3, vat=21, step=300),
        ),
        max_price={"excl_vat": 80},
    )
    periods: list[Period] = []
    for quarter in range(CHARGING + PARKING):
        start = f"{14 + quarter // 4}:{quarter % 4 * 15:02}"
        if quarter < CHARGING:
            kwh = Decimal(25 + (number + quarter) % 20) / 10
            periods.append((start, {"ENERGY": float(kwh), "TIME": 0.25}))
        else:
            periods.append((start, {"PARKING_TIME": 0.25}))
    return cdr([prices], periods, "19:00")
