"""Credit CDRs and corrections: which CDR takes which back, and whether the sums agree. Pure.

A Credit CDR repeats the CDR it takes back with the negative of its `total_cost`; afterwards the CPO
may bill the session anew. Several credits that take back a part each are taken together.
Spec: 2.2.1 mod_cdrs_credit_cdrs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from ocpi_hub.clearing.ledger import CdrFinding, LedgerFacts
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value

ZERO: Final = Decimal(0)


@value
class Total:
    """Money in one currency; `incl_vat` is None where a part of it is not known."""

    excl_vat: Decimal
    incl_vat: Decimal | None

    def __add__(self, other: Total) -> Total:
        known = self.incl_vat is not None and other.incl_vat is not None
        gross = (self.incl_vat or ZERO) + (other.incl_vat or ZERO)
        return Total(self.excl_vat + other.excl_vat, gross if known else None)


NOTHING: Final = Total(ZERO, ZERO)


@value
class Booked:
    """A CDR in the ledger, as far as credits look at it.

    Attributes:
        cdr_id: folded, like `credited_id` and `session_id`.
        credited: the sum of the other CDRs that take it back, below 0; None: there are none.
    """

    owner: PartyId
    receiver: PartyId
    cdr_id: str
    spelled_id: str
    session_id: str | None
    is_credit: bool
    credited_id: str | None
    currency: str
    cost: Total
    credited: Total | None = None

    @property
    def taken_back(self) -> bool:
        """Nothing is left of it."""
        return self.credited is not None and covers(self.cost, self.credited)


def booked(owner: PartyId, receiver: PartyId, facts: LedgerFacts) -> Booked:
    """A CDR that is not in the ledger yet."""
    return Booked(
        owner=owner,
        receiver=receiver,
        cdr_id=facts.spelled_id.upper(),
        spelled_id=facts.spelled_id,
        session_id=facts.session_id.upper() if facts.session_id else None,
        is_credit=facts.is_credit,
        credited_id=facts.credited_id,
        currency=facts.currency,
        cost=Total(facts.cost_excl_vat, facts.cost_incl_vat),
    )


def summed(totals: Iterable[Total]) -> Total | None:
    """None for no totals."""
    result: Total | None = None
    for each in totals:
        result = each if result is None else result + each
    return result


def covers(original: Total, back: Total) -> bool:
    """Whether what credits take back is all of an original, or more."""
    if original.excl_vat == 0:
        return back.excl_vat == 0
    left = original.excl_vat + back.excl_vat
    return left == 0 or (left > 0) != (original.excl_vat > 0)


def judge_credit(
    credit: Booked, original: Booked | None, others: Total | None
) -> tuple[CdrFinding, ...]:
    """What is wrong with a Credit CDR; () for a CDR that is none.

    Args:
        original: the CDR that it names, found by its owner's ids first, else by anybody's.
        others: the sum of other CDRs that credit the same one; None: there are none.
    """
    if not credit.is_credit:
        return ()
    name = credit.credited_id
    if name is None:
        return (_finding("credit_without_reference", "it does not say which CDR it takes back"),)
    if name == credit.cdr_id:
        return (_finding("credit_cyclic", "it takes itself back"),)
    if original is None:
        return (_finding("credit_original_unknown", f"the hub has no CDR {name} to take back"),)
    return _misplaced(credit, original) or _wrong_sum(credit, original, others)


def _misplaced(credit: Booked, original: Booked) -> tuple[CdrFinding, ...]:
    name = original.spelled_id
    if original.owner != credit.owner:
        text = f"the CDR {name} that it takes back is of {original.owner}"
        return (_finding("credit_of_other_party", text),)
    if original.receiver != credit.receiver:
        text = f"the CDR {name} that it takes back went to {original.receiver}"
        return (_finding("credit_of_other_party", text),)
    if original.is_credit and original.credited_id == credit.cdr_id:
        return (_finding("credit_cyclic", f"it and {name} take each other back"),)
    if original.is_credit:
        return (_finding("credit_of_credit", f"{name} is a Credit CDR itself"),)
    return ()


def _wrong_sum(credit: Booked, original: Booked, others: Total | None) -> tuple[CdrFinding, ...]:
    name, currency = original.spelled_id, original.currency
    if credit.currency != currency:
        text = f"it is in {credit.currency}, {name} in {currency}"
        return (_finding("credit_currency", text),)
    if others is not None and covers(original.cost, others):
        text = f"{name} has been taken back already: {_amount(others, currency)}"
        return (_finding("credit_again", text),)
    whole, given = original.cost, credit.cost
    if given.excl_vat * whole.excl_vat > 0:
        text = f"{_amount(given, currency)} does not reduce {_amount(whole, currency)} of {name}"
        return (_finding("credit_sign", text),)
    total = given if others is None else given + others
    left = whole + total
    if _exceeds(whole.excl_vat, left.excl_vat):
        text = f"{_amount(total, currency)} is more than {_amount(whole, currency)} of {name}"
        return (_finding("credit_exceeds_original", text),)
    if left.excl_vat != 0:
        text = f"{_amount(left, currency)} of {name} remain"
        return (_finding("credit_partial", text),)
    if left.incl_vat not in (None, ZERO):
        text = f"without VAT nothing of {name} remains, with VAT {left.incl_vat} {currency}"
        return (_finding("credit_vat_differs", text),)
    return ()


def _exceeds(whole: Decimal, left: Decimal) -> bool:
    return left != 0 if whole == 0 else left * whole < 0


def judge_session_bills(cdr: Booked, others: Sequence[Booked]) -> tuple[CdrFinding, ...]:
    """Whether the session of a CDR is billed by another one, too.

    Args:
        others: the CDRs of the same owner that name the same session.
    """
    if cdr.is_credit or cdr.session_id is None or cdr.taken_back:
        return ()
    twice = [
        each.spelled_id
        for each in others
        if each.cdr_id != cdr.cdr_id and not each.is_credit and not each.taken_back
    ]
    if not twice:
        return ()
    names = ", ".join(sorted(twice)[:3]) + (f" and {len(twice) - 3} more" if len(twice) > 3 else "")
    return (_finding("session_billed_twice", f"its session is billed by {names} as well"),)


def corrected_by(cdr: Booked, others: Sequence[Booked]) -> str | None:
    """The CDR that this one stands in for: one of the same session that was taken back.

    Args:
        others: as for `judge_session_bills`, oldest first.
    """
    if cdr.is_credit or cdr.session_id is None:
        return None
    before = [
        each.spelled_id
        for each in others
        if each.cdr_id != cdr.cdr_id and not each.is_credit and each.taken_back
    ]
    return before[-1] if before else None


def _finding(code: str, text: str) -> CdrFinding:
    return CdrFinding(code, text)


def _amount(total: Total, currency: str) -> str:
    return f"{total.excl_vat} {currency}"
