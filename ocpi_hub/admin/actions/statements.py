"""Statements: look, close, prove (docs/statements.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change, who_acts
from ocpi_hub.admin.views.statements import (
    RecheckView,
    StatementClosing,
    StatementLineView,
    StatementListed,
    StatementView,
    closing_view,
    line_view,
    listed_open,
    listed_statement,
    open_item,
    recheck_view,
    statement_item,
    statement_view,
)
from ocpi_hub.clearing.statement import Month, Relation, StatementState
from ocpi_hub.errors import HubError, NoSuchObject, OperatorError, StoreError
from ocpi_hub.store.statement_rows import StoredStatement
from ocpi_hub.store.statements import StatementStore

MAX_RELATIONS = 100_000
MONTHS_TOLD = 12
"""The latest months with statements, of which an empty month tells."""
_FAULT = "the hub failed: see its log"


async def overview(access: OperatorAccess, month: Month) -> Sequence[StatementListed]:
    """The month's statements: those that were closed, and the relations that have something for
    one."""
    store = StatementStore(access.database)
    until = month.end(ZoneInfo(access.settings.statement_time_zone))
    closed = await store.list(month=month, cpo=None, emsp=None, limit=MAX_RELATIONS)
    known = {each.relation for each in closed}
    waiting = await store.unsettled(until)
    return [
        *map(listed_statement, closed),
        *(
            listed_open(relation, month, since)
            for relation, since in waiting.items()
            if relation not in known
        ),
    ]


async def elsewhere(access: OperatorAccess, month: Month) -> str:
    """Where to look if a month has nothing: a sentence."""
    store = StatementStore(access.database)
    waiting = (await store.unsettled()).values()
    parts = []
    if waiting:
        zone = ZoneInfo(access.settings.statement_time_zone)
        first = Month.of(min(waiting).astimezone(zone).date())
        parts.append(f"CDRs wait for a statement from {first} on")
    if settled := await store.months(MONTHS_TOLD):
        parts.append(f"there are statements of {', '.join(map(str, reversed(settled)))}")
    where = "; ".join(parts) or "no CDR waits for a statement, and there is none of another month"
    return f"nothing to settle in {month}: {where}"


async def show(access: OperatorAccess, relation: Relation, month: Month) -> StatementView:
    """A closed statement, or what it would say if it were closed now.

    Raises:
        NoSuchObject: the two have nothing to settle, and have settled nothing.
        OperatorError: it is being closed.
    """
    store = StatementStore(access.database)
    stored = await store.find(relation, month)
    if stored is None:
        return await _open(access, relation, month)
    if stored.state is StatementState.CLOSED:
        return await _closed(store, stored)
    raise OperatorError(
        f"the statement of {month} between {relation.cpo} and {relation.emsp} is being closed:"
        " close it again if that was interrupted"
    )


async def _closed(store: StatementStore, stored: StoredStatement) -> StatementView:
    totals = await store.totals(stored)
    return statement_view(statement_item(stored), stored.time_zone, totals, ())


async def _open(access: OperatorAccess, relation: Relation, month: Month) -> StatementView:
    store = StatementStore(access.database)
    zone = access.settings.statement_time_zone
    until = month.end(ZoneInfo(zone))
    found = await store.outlook(relation, until, zone)
    if not found.totals.cdrs and not found.left_out:
        raise NoSuchObject(f"{relation.cpo} and {relation.emsp} have nothing to settle in {month}")
    return statement_view(open_item(relation, month), zone, found.totals, found.left_out)


async def glance(
    access: OperatorAccess, relation: Relation, month: Month, *, summed: bool = False
) -> StatementView | StatementListed | StatementClosing:
    """As `show`, and how far one is that is being closed.

    Args:
        summed: without it, merely what the list says where so many CDRs are on no statement that
            summing them up takes a while.

    Raises:
        NoSuchObject: as there.
    """
    store = StatementStore(access.database)
    stored = await store.find(relation, month)
    if stored is not None:
        if stored.state is StatementState.CLOSED:
            return await _closed(store, stored)
        return closing_view(stored, await store.placed(stored))
    if not summed:
        until = month.end(ZoneInfo(access.settings.statement_time_zone))
        waiting = await store.waiting(relation, until)
        if waiting is not None and waiting.is_much:
            return listed_open(relation, month, waiting.since)
    return await _open(access, relation, month)


async def lines(
    access: OperatorAccess, relation: Relation, month: Month
) -> AsyncIterator[StatementLineView]:
    """The CDRs of a statement, closed or open, a part of them in memory."""
    store = StatementStore(access.database)
    stored = await store.find(relation, month)
    if stored is not None:
        found = store.lines(stored)
    else:
        zone = ZoneInfo(access.settings.statement_time_zone)
        found = store.open_lines(relation, month.end(zone))
    async for line in found:
        yield line_view(line)


async def some_lines(
    access: OperatorAccess, relation: Relation, month: Month, after: int, limit: int
) -> Sequence[tuple[int, StatementLineView]]:
    """The CDRs of a statement behind an entry of the ledger, each with its own."""
    store = StatementStore(access.database)
    stored = await store.find(relation, month)
    if stored is not None:
        found = await store.some_lines(stored, after, limit)
    else:
        until = month.end(ZoneInfo(access.settings.statement_time_zone))
        found = await store.some_open_lines(relation, until, after, limit)
    return [(entry, line_view(line)) for entry, line in found]


async def close(access: OperatorAccess, relation: Relation, month: Month) -> StatementView:
    """Settle a month: what is delivered by now is on it for good, what comes later goes on a later
    one. Whoever is interrupted, or comes at the same time, does no harm.

    Raises:
        OperatorError: the month is not over, is closed already, or a later one is.
        NoSuchObject: the two have nothing to settle.
    """
    name = f"{relation.cpo} {relation.emsp} {month}"
    stored = await StatementStore(access.database).find(relation, month)
    before = open_item(relation, month) if stored is None else statement_item(stored)
    async with change("statement.close", name, before) as noted:
        return noted.became(await _close(access, relation, month))


async def _close(access: OperatorAccess, relation: Relation, month: Month) -> StatementView:
    store, by = StatementStore(access.database), who_acts()
    stored = await store.find(relation, month)
    if stored is None:
        stored = await _begin(access, store, relation, month, by)
    elif stored.state is StatementState.CLOSED:
        raise OperatorError(
            f"the statement of {month} between {relation.cpo} and {relation.emsp} is closed since"
            f" {stored.closed_at:%Y-%m-%d %H:%M} UTC; what came later goes on the next one"
        )
    else:
        stored = await store.begin(relation, month, stored.time_zone, by)
    try:
        async for _ in store.settle(stored):
            pass
        await store.close(stored, by)
    except BaseException as failure:
        with suppress(StoreError):
            await store.let_go(stored, _why(failure))
        raise
    return await show(access, relation, month)


def _why(failure: BaseException) -> str | None:
    """Why somebody gave up; None: their process ended."""
    match failure:
        case HubError():
            return str(failure)
        case Exception():
            return _FAULT
        case _:
            return None


async def _begin(
    access: OperatorAccess, store: StatementStore, relation: Relation, month: Month, by: str
) -> StoredStatement:
    zone = access.settings.statement_time_zone
    until = month.end(ZoneInfo(zone))
    if until > datetime.now(UTC):
        raise OperatorError(f"{month} is not over yet in {zone}")
    if (later := await store.later(relation, month)) is not None:
        raise OperatorError(
            f"{later} is closed already: what is left of {month} goes on the next statement"
        )
    if not await store.is_due(relation, until):
        raise NoSuchObject(f"{relation.cpo} and {relation.emsp} have nothing to settle in {month}")
    return await store.begin(relation, month, zone, by)


async def recheck(access: OperatorAccess, relation: Relation, month: Month) -> RecheckView:
    """Prove a closed statement: sum up the CDRs' own texts and compare with what was settled.

    Raises:
        NoSuchObject: it is not closed.
    """
    store = StatementStore(access.database)
    stored = await store.find(relation, month)
    if stored is None or stored.state is not StatementState.CLOSED:
        raise NoSuchObject(
            f"the statement of {month} between {relation.cpo} and {relation.emsp} is not closed"
        )
    return recheck_view(stored, await store.recheck(stored))
