"""A generated month beside the price engine: two accounts of what each CDR costs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import pytest

from ocpi_hub.clearing.metering import Outcome, verify
from ocpi_hub.clearing.pricing import PriceCheck, Verdict, check_price, read_source
from ocpi_hub.clearing.pricing.source import Source
from tests.support.generated_month import Fault, GeneratedCdr, GeneratedMonth
from tests.support.pricing import codes
from tests.support.thorough import rounds

HARMLESS = {"no_tariff_id"}
TOLD_BY_THE_PRICE = {
    Fault.TOTAL_COST_WRONG: "total_differs",
    Fault.ENERGY_SUM_WRONG: "energy_unbacked",
    Fault.CURRENCY_DIFFERS: "currency_differs",
    Fault.PERIODS_UNSORTED: "periods_unsorted",
    Fault.PERIODS_OVERLAP: "period_too_short",
    Fault.PERIOD_OUTSIDE: "period_outside",
    Fault.NEGATIVE_TOTAL: "negative_total",
    Fault.CREDIT_EXCEEDS: "total_differs",
    Fault.TARIFF_MISSING: "no_tariff",
    Fault.TIME_ZONE_UNKNOWN: "time_zone_unknown",
}


@pytest.fixture(scope="module")
def zones() -> dict[str, str]:
    found = [json.loads(body) for _, body in GeneratedMonth(0).locations]
    return {each["id"]: each["time_zone"] for each in found}


def _checked(
    month: Iterable[GeneratedCdr], zones: dict[str, str]
) -> Iterable[tuple[GeneratedCdr, Source, PriceCheck]]:
    for each in month:
        source = read_source(each.body)
        zone = zones[source.cdr.cdr_location.id]
        yield each, source, check_price(source.cdr, time_zone=zone)


def test_sound_cdrs_are_equal_and_nothing_is_found_in_them(zones: dict[str, str]) -> None:
    kinds = Counter[str]()
    count = rounds(1500, 20_000)
    for told, source, answer in _checked(GeneratedMonth(count, faulty=0), zones):
        assert answer.verdict in {Verdict.EQUAL, Verdict.ROUNDING}, told
        assert set(codes(answer)) <= HARMLESS, told
        assert source.cdr.total_cost.excl_vat == told.net
        assert source.cdr.total_cost.incl_vat == told.gross
        if source.cdr.signed_data is not None:
            result = verify(source.cdr.signed_data, total_energy_kwh=told.kwh)
            assert result.outcome is Outcome.VALID
            assert not result.differs
        kinds.update(told.kind.split())
    assert {"credit", "signed", "clocks", "midnight", "short", "long", "free"} <= set(kinds)


def test_each_fault_is_what_it_says(zones: dict[str, str]) -> None:
    seen = Counter[Fault]()
    for told, source, answer in _checked(GeneratedMonth(400, faulty=0.25), zones):
        if told.fault is None:
            continue
        seen[told.fault] += 1
        cdr = source.cdr
        match told.fault:
            case Fault.ENERGY_ABSURD | Fault.POWER_ABOVE_CONNECTOR:
                assert answer.verdict in {Verdict.EQUAL, Verdict.ROUNDING}
                assert cdr.total_energy / cdr.total_time > 2 * _power_kw(cdr.cdr_location.id)
            case Fault.CREDIT_REFERENCE:
                assert cdr.credit_reference_id in {cdr.id, "NOT-THERE"}
            case Fault.SIGNATURE_WRONG:
                assert cdr.signed_data is not None
                result = verify(cdr.signed_data, total_energy_kwh=cdr.total_energy)
                assert result.outcome is Outcome.INVALID
            case fault:
                assert TOLD_BY_THE_PRICE[fault] in codes(answer), told
    assert set(seen) == set(Fault)


def _power_kw(site: str) -> int:
    return int(site[3:]) if site[3:].isdigit() else 22


def test_credits_name_an_earlier_cdr_of_the_same_size_and_each_is_credited_once() -> None:
    seen: dict[str, GeneratedCdr] = {}
    credited = set()
    for each in GeneratedMonth(3000):
        if each.credits is not None and each.fault is None:
            original = seen[each.credits]
            assert (each.net, each.gross) == (-original.net, original.gross and -original.gross)
            assert (each.cpo, each.emsp) == (original.cpo, original.emsp)
            assert each.credits not in credited
            credited.add(each.credits)
        assert each.id not in seen
        seen[each.id] = each
    assert len(credited) > 20


def test_same_seed_makes_the_same_bytes_and_another_one_others() -> None:
    def first(seed: int) -> list[bytes]:
        return [each.body for each in islice(GeneratedMonth(10**6, seed=seed), 300)]

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert all(json.loads(body) for body in first(1))
    assert len({(c.cpo, c.emsp) for c in islice(GeneratedMonth(100), 100)}) == 4
