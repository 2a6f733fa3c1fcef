"""Disputes about CDRs: open, answer, close, list. None of them changes the CDR."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ocpi_hub.admin.acting import change, who_acts
from ocpi_hub.admin.views.cdr_affairs import DisputeView, dispute_view
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.disputes import Disputes, Outcome, Side

MAX_AMOUNT: Final = Decimal(10) ** 12
MAX_DIGITS: Final = 6
"""After the point."""


async def open_dispute(
    admin: CustodyAdmin, key: ObjectKey, raised_by: Side, reason: str, amount: Decimal | None
) -> DisputeView:
    """Note that a party does not agree with a CDR that was delivered.

    Args:
        amount: what is in dispute, without VAT, in the CDR's currency; None: no sum is named.

    Raises:
        NoSuchObject: there is no such CDR.
        OperatorError: it was not delivered, or is in dispute already; or the amount is none.
    """
    row = await _found(admin, key)
    if amount is not None and not _is_amount(amount):
        raise OperatorError(
            f"an amount is above 0, with at most {MAX_DIGITS} digits after the point"
        )
    disputes = Disputes(admin.database)
    async with change("cdr.dispute.open", _name(key)) as noted:
        if not await disputes.open(key, raised_by, reason, amount, by=who_acts()):
            if row.state is not DirectedState.DELIVERED:
                raise OperatorError(f"CDR {key.object_id} of {key.owner} was not delivered")
            raise OperatorError(
                f"a dispute about CDR {key.object_id} of {key.owner} is open already"
            )
        return noted.became(await _newest(disputes, key))


async def answer_dispute(admin: CustodyAdmin, key: ObjectKey, text: str) -> DisputeView:
    """Note what the other party says.

    Raises:
        NoSuchObject: there is no such CDR.
        OperatorError: it has no open dispute that waits for an answer.
    """
    await _found(admin, key)
    disputes = Disputes(admin.database)
    before = await _latest(disputes, key)
    async with change("cdr.dispute.answer", _name(key), before) as noted:
        if not await disputes.answer(key, text, by=who_acts()):
            raise OperatorError(
                f"CDR {key.object_id} of {key.owner} has no open dispute without an answer"
            )
        return noted.became(await _newest(disputes, key))


async def close_dispute(
    admin: CustodyAdmin, key: ObjectKey, outcome: Outcome, note: str
) -> DisputeView:
    """Note how a dispute ended. An accepted one asks for a Credit CDR.

    Raises:
        NoSuchObject: there is no such CDR.
        OperatorError: it has no open dispute.
    """
    await _found(admin, key)
    disputes = Disputes(admin.database)
    before = await _latest(disputes, key)
    async with change("cdr.dispute.close", _name(key), before) as noted:
        if not await disputes.close(key, outcome, note, by=who_acts()):
            raise OperatorError(f"CDR {key.object_id} of {key.owner} has no open dispute")
        return noted.became(await _newest(disputes, key))


async def _found(admin: CustodyAdmin, key: ObjectKey) -> DirectedObject:
    row = await admin.find(key)
    if row is None:
        raise NoSuchObject(f"there is no CDR {key.object_id} of {key.owner}: see `cdr list`")
    return row


async def _newest(disputes: Disputes, key: ObjectKey) -> DisputeView:
    newest = await _latest(disputes, key)
    if newest is None:
        raise AssertionError("one was opened")
    return newest


async def _latest(disputes: Disputes, key: ObjectKey) -> DisputeView | None:
    """The newest one, if there is any."""
    found = await disputes.list(owner=key.owner, cdr_id=key.object_id, limit=1)
    return dispute_view(found[0]) if found else None


def _is_amount(amount: Decimal) -> bool:
    if not amount.is_finite() or not 0 < amount < MAX_AMOUNT:
        return False
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MAX_DIGITS


def _name(key: ObjectKey) -> str:
    return f"{key.owner}/{key.object_id}"
