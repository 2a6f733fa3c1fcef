"""What holds for sessions of all kinds under tariffs of all kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ocpi_hub.clearing.pricing import PriceCheck, Verdict
from tests.support.pricing import (
    AMSTERDAM,
    Period,
    cdr,
    check,
    codes,
    component,
    element,
    tariff,
)
from tests.support.thorough import rounds

HALF_HOUR_S = 1800
NIGHTS = ("2026-03-28", "2026-10-24", "2026-06-17")
KINDS = ("ENERGY", "TIME", "PARKING_TIME", "FLAT")

half_hours = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from((0, 30)))
vats = st.sampled_from((None, 0, 7, 21))
steps = st.sampled_from((1, 60, 300, 500, 700, 900))


@dataclass(frozen=True)
class Part:
    """A charging period: its time, if any, fills it.

    Attributes:
        kind: of its time; None: it only charges.
        wh: whole watt-hours.
    """

    start: datetime
    seconds: int
    kind: str | None
    wh: int

    def split(self, after_s: int, wh: int) -> tuple[Part, Part]:
        first = replace(self, seconds=after_s, wh=wh)
        later = self.start + timedelta(seconds=after_s)
        return first, Part(later, self.seconds - after_s, self.kind, self.wh - wh)

    def told(self) -> Period:
        volumes: dict[str, float] = {}
        if self.wh or self.kind is None:
            volumes["ENERGY"] = self.wh / 1000
        if self.kind is not None:
            volumes[self.kind] = round(self.seconds / 3600, 4)
        return self.start.strftime("%Y-%m-%dT%H:%M:%SZ"), volumes


@st.composite
def elements(draw: st.DrawFn) -> dict[str, Any]:
    """An element whose times are those at which periods begin."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True))
    components = [
        component(kind, draw(st.integers(0, 40)) / 10, vat=draw(vats), step=draw(steps))
        for kind in kinds
    ]
    limits: dict[str, Any] = {}
    if draw(st.booleans()):
        limits["start_time"] = draw(half_hours)
    if draw(st.booleans()):
        limits["end_time"] = draw(half_hours)
    if draw(st.integers(0, 3)) == 0:
        limits["min_duration"] = draw(st.integers(0, 8)) * HALF_HOUR_S
    if draw(st.integers(0, 3)) == 0:
        limits["max_duration"] = draw(st.integers(0, 12)) * HALF_HOUR_S
    if draw(st.integers(0, 3)) == 0:
        limits["max_kwh"] = draw(st.integers(1, 60)) / 2
    return element(*components, **limits)


@st.composite
def tariffs(draw: st.DrawFn) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    least = draw(st.none() | st.integers(0, 30))
    if least is not None:
        limits["min_price"] = {"excl_vat": least}
    if draw(st.booleans()):
        limits["max_price"] = {"excl_vat": (least or 0) + draw(st.integers(0, 40))}
    return tariff(*draw(st.lists(elements(), min_size=1, max_size=4)), **limits)


@st.composite
def sessions(draw: st.DrawFn) -> list[Part]:
    """Periods that begin at half hours, without gaps."""
    start = datetime.fromisoformat(f"{draw(st.sampled_from(NIGHTS))}T12:00:00+00:00")
    start += timedelta(seconds=HALF_HOUR_S * draw(st.integers(0, 40)))
    found = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from((None, "TIME", "TIME", "PARKING_TIME")))
        wh = 0 if kind == "PARKING_TIME" else draw(st.integers(0, 9000))
        found.append(Part(start, HALF_HOUR_S, kind, wh))
        start += timedelta(seconds=HALF_HOUR_S)
    return found


def _told(found: Mapping[str, Any], parts: Sequence[Part], **fields: Any) -> dict[str, Any]:
    last = parts[-1]
    end = (last.start + timedelta(seconds=last.seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return cdr([found], [each.told() for each in parts], end, **fields)


def _priced(found: Mapping[str, Any], parts: Sequence[Part]) -> PriceCheck:
    answer = check(_told(found, parts), time_zone=AMSTERDAM)
    assert answer.total is not None
    return answer


@given(found=tariffs(), parts=sessions(), where=st.integers(0, 5), at=st.data())
@settings(max_examples=rounds(40, 3000), deadline=None)
def test_period_split_at_any_second_costs_the_same(
    found: dict[str, Any], parts: list[Part], where: int, at: st.DataObject
) -> None:
    whole = _priced(found, parts)
    # Where the CPO should have split, and nothing tells how, a split may well tell more.
    assume("missing_split" not in codes(whole))
    where %= len(parts)
    one = parts[where]
    second = at.draw(st.integers(1, one.seconds - 1))
    halves = one.split(second, at.draw(st.integers(0, one.wh)))
    split = _priced(found, [*parts[:where], *halves, *parts[where + 1 :]])
    assert split.total == whole.total
    assert split.limit == whole.limit


@given(found=tariffs(), parts=sessions())
@settings(max_examples=rounds(15, 1000), deadline=None)
def test_order_in_which_periods_are_written_costs_the_same(
    found: dict[str, Any], parts: list[Part]
) -> None:
    told = _told(found, parts)
    turned = {**told, "charging_periods": told["charging_periods"][::-1]}
    assert check(turned, time_zone=AMSTERDAM).total == check(told, time_zone=AMSTERDAM).total


@given(found=tariffs(), parts=sessions(), which=st.integers(0, 3), where=st.integers(0, 4))
@settings(max_examples=rounds(30, 2000), deadline=None)
def test_copy_of_an_element_further_down_changes_nothing(
    found: dict[str, Any], parts: list[Part], which: int, where: int
) -> None:
    listed = found["elements"]
    which %= len(listed)
    where = max(which + 1, where)
    copied = {**found, "elements": [*listed[:where], listed[which], *listed[where:]]}
    assert _priced(copied, parts).total == _priced(found, parts).total


@given(
    edges=st.lists(st.integers(1, 47), min_size=1, max_size=4, unique=True),
    rates=st.lists(st.integers(0, 30), min_size=5, max_size=5),
    order=st.permutations(range(5)),
    parts=sessions(),
)
@settings(max_examples=rounds(25, 2000), deadline=None)
def test_order_of_elements_that_never_hold_together_changes_nothing(
    edges: list[int], rates: list[int], order: list[int], parts: list[Part]
) -> None:
    clock = [f"{each // 2:02}:{each % 2 * 30:02}" for each in sorted({0, *edges})] + ["00:00"]
    windows = [
        element(
            component("ENERGY", rate / 10, vat=7),
            component("TIME", rate / 5, step=300),
            component("PARKING_TIME", rate / 4, step=900),
            start_time=start,
            end_time=end,
        )
        for (start, end), rate in zip(pairwise(clock), rates, strict=False)
    ]
    mixed = [windows[each] for each in order if each < len(windows)]
    assert len(mixed) == len(windows)
    assert _priced(tariff(*mixed), parts).total == _priced(tariff(*windows), parts).total


@given(found=tariffs(), parts=sessions())
@settings(max_examples=rounds(25, 2000), deadline=None)
def test_total_is_never_below_min_price_nor_above_max_price(
    found: dict[str, Any], parts: list[Part]
) -> None:
    answer = _priced(found, parts)
    assert answer.total is not None
    least = found.get("min_price", {"excl_vat": 0})["excl_vat"]
    most = found.get("max_price", {"excl_vat": 10**9})["excl_vat"]
    assert least <= answer.total.net <= most
    assert answer.total.gross >= answer.total.net
    summed = sum((each.cost.net for each in answer.lines), answer.limit.net)
    assert abs(summed - answer.total.net) < Decimal("1e-20")
    if least <= summed - answer.limit.net <= most:
        assert answer.limit.net == 0


@given(found=tariffs(), parts=sessions(), off=st.sampled_from((0, 0, 1, 250, 10_000)))
@settings(max_examples=rounds(25, 2000), deadline=None)
def test_credit_and_original_are_judged_alike_and_add_up_to_nothing(
    found: dict[str, Any], parts: list[Part], off: int
) -> None:
    paid = _priced(found, parts)
    assert paid.total is not None
    total = paid.total.rounded(paid.unit)
    asked = {
        "excl_vat": float(total.net + Decimal(off) / 100),
        "incl_vat": float(total.gross + Decimal(off) / 100),
    }
    original = _told(found, parts, total_cost=asked)
    fields = {"id": "CDR1-C", "credit": True, "credit_reference_id": "CDR1"}
    negative = {name: -amount for name, amount in asked.items()}
    credit = {**original, **fields, "total_cost": negative}
    one, other = (check(each, time_zone=AMSTERDAM) for each in (original, credit))
    assert other.verdict is one.verdict
    assert other.total == one.total
    if not off:
        assert one.verdict is Verdict.EQUAL
        assert sum(Decimal(str(each)) for each in (*asked.values(), *negative.values())) == 0
