"""The demonstration writes CDRs with code of its own: both must come to the same price."""

from __future__ import annotations

from ocpi_hub.clearing.pricing import Verdict, check_price, read_source
from tests.unit.demo.test_data import write


def test_cdrs_of_the_demonstration_cost_what_they_say() -> None:
    for each in write(100):
        answer = check_price(read_source(each.text.encode()).cdr)
        assert answer.verdict is Verdict.EQUAL
        assert answer.findings == ()
