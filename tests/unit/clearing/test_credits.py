"""Credit CDRs: what they take back, and whether the sums agree."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_hub.clearing.credits import (
    Booked,
    Total,
    booked,
    corrected_by,
    covers,
    judge_credit,
    judge_session_bills,
    summed,
)
from ocpi_hub.clearing.ledger import ledger_facts
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from tests.support.factories import CPO, EMSP, cdr

AMOUNTS = st.decimals("0.01", "999.99", places=2)


def make_booked(
    cdr_id: str = "CDR-1",
    excl_vat: str = "10.00",
    incl_vat: str | None = "12.10",
    **fields: object,
) -> Booked:
    whole = Booked(
        owner=CPO,
        receiver=EMSP,
        cdr_id=cdr_id.upper(),
        spelled_id=cdr_id,
        session_id=None,
        is_credit=False,
        credited_id=None,
        currency="EUR",
        cost=Total(Decimal(excl_vat), Decimal(incl_vat) if incl_vat else None),
    )
    return replace(whole, **fields)  # type: ignore[arg-type]  # overrides of a test


def make_credit(
    excl_vat: str = "-10.00", incl_vat: str | None = "-12.10", **fields: object
) -> Booked:
    defaults: dict[str, object] = {"is_credit": True, "credited_id": "CDR-1"}
    return make_booked("CDR-1-C", excl_vat, incl_vat, **(defaults | fields))


def codes(credit: Booked, original: Booked | None, others: Total | None = None) -> list[str]:
    return [finding.code for finding in judge_credit(credit, original, others)]


def test_a_credit_of_minus_its_original_is_good() -> None:
    assert codes(make_credit(), make_booked()) == []
    assert codes(make_booked(), None) == []
    assert codes(make_credit(incl_vat=None), make_booked()) == []


@pytest.mark.parametrize(
    ("credit", "original", "others", "code"),
    [
        (make_credit(credited_id=None), None, None, "credit_without_reference"),
        (make_credit(credited_id="CDR-1-C"), None, None, "credit_cyclic"),
        (make_credit(), None, None, "credit_original_unknown"),
        (make_credit(), make_booked(owner=PartyId("NL", "OTH")), None, "credit_of_other_party"),
        (make_credit(), make_booked(receiver=PartyId("FR", "OTH")), None, "credit_of_other_party"),
        (
            make_credit(),
            make_booked(is_credit=True, credited_id="CDR-1-C"),
            None,
            "credit_cyclic",
        ),
        (make_credit(), make_booked(is_credit=True, credited_id="CDR-0"), None, "credit_of_credit"),
        (make_credit(currency="NOK"), make_booked(), None, "credit_currency"),
        (make_credit(), make_booked(), Total(Decimal("-10.00"), None), "credit_again"),
        (make_credit("10.00"), make_booked(), None, "credit_sign"),
        (make_credit("-10.01"), make_booked(), None, "credit_exceeds_original"),
        (
            make_credit("-6.00"),
            make_booked(),
            Total(Decimal("-5.00"), None),
            "credit_exceeds_original",
        ),
        (make_credit("-0.01"), make_booked(excl_vat="0"), None, "credit_exceeds_original"),
        (make_credit("-4.00", "-4.84"), make_booked(), None, "credit_partial"),
        (make_credit(incl_vat="-12.00"), make_booked(), None, "credit_vat_differs"),
    ],
    ids=[
        "no_reference",
        "of_itself",
        "unknown",
        "of_another_cpo",
        "to_another_emsp",
        "of_each_other",
        "of_a_credit",
        "currency",
        "again",
        "sign",
        "too_large",
        "too_large_together",
        "of_nothing",
        "partial",
        "vat",
    ],
)
def test_a_faulty_credit_is_classed(
    credit: Booked, original: Booked | None, others: Total | None, code: str
) -> None:
    assert codes(credit, original, others) == [code]


@given(parts=st.lists(AMOUNTS, min_size=2, max_size=6))
def test_partial_credits_add_up_to_nothing_left(parts: list[Decimal]) -> None:
    whole = make_booked(excl_vat=str(sum(parts)), incl_vat=None)
    given_back: list[Total] = []
    for part in parts[:-1]:
        credit = make_credit(str(-part), None)
        assert codes(credit, whole, summed(given_back)) == ["credit_partial"]
        given_back.append(credit.cost)
    last = make_credit(str(-parts[-1]), None)
    assert codes(last, whole, summed(given_back)) == []
    everything = summed([*given_back, last.cost])
    assert everything is not None
    assert covers(whole.cost, everything)
    assert codes(make_credit("-0.01", None), whole, everything) == ["credit_again"]


def test_a_session_is_billed_once_unless_the_first_bill_was_taken_back() -> None:
    first = make_booked("A", session_id="S")
    second = make_booked("B", session_id="S")
    found = judge_session_bills(second, [first, second])
    assert [finding.code for finding in found] == ["session_billed_twice"]
    assert "A" in found[0].text
    partly = replace(first, credited=Total(Decimal(-1), None))
    assert judge_session_bills(second, [partly])
    assert corrected_by(second, [partly]) is None
    gone = replace(first, credited=Total(Decimal("-10.00"), None))
    assert judge_session_bills(second, [gone, second]) == ()
    assert judge_session_bills(gone, [gone, second]) == ()
    assert corrected_by(second, [gone, second]) == "A"
    assert judge_session_bills(make_credit(session_id="S"), [first]) == ()
    assert judge_session_bills(make_booked("B"), [first]) == ()


def test_many_bills_of_one_session_are_not_all_named() -> None:
    bills = [make_booked(f"B-{number}", session_id="S") for number in range(9)]
    (found,) = judge_session_bills(bills[0], bills)
    assert found.text.endswith("B-1, B-2, B-3 and 5 more as well")


def test_a_cdr_is_booked_with_folded_ids() -> None:
    given_cdr = CDR.model_validate_json(json.dumps(cdr("Cdr-1-c", session_id="Ses-1")))
    found = booked(CPO, EMSP, ledger_facts(given_cdr))
    assert (found.cdr_id, found.session_id) == ("CDR-1-C", "SES-1")
    assert (found.spelled_id, found.is_credit) == ("Cdr-1-c", False)
