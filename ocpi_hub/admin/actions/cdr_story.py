"""All there is to tell about one CDR, put together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from ocpi_hub.admin.views.base import moment
from ocpi_hub.admin.views.cdr_affairs import dispute_view
from ocpi_hub.admin.views.cdr_life import (
    CdrLifeStory,
    CreditView,
    FindingView,
    PriceView,
    StepView,
    figures,
    left_of,
    related_cdr,
    statement_link,
    step_view,
)
from ocpi_hub.admin.views.cdrs import SessionLink, cdr_story
from ocpi_hub.clearing.checks import is_large
from ocpi_hub.clearing.credits import Booked, Total, corrected_by, covers
from ocpi_hub.clearing.life import Stage
from ocpi_hub.clearing.pricing import as_json, as_text, check_price
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.cdr_examiner import ask_about
from ocpi_hub.domain.objects import DirectedObject, ObjectKey
from ocpi_hub.domain.party import Module
from ocpi_hub.errors import OcpiError
from ocpi_hub.ocpi.differences import differing_fields
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.store.authorization import linked_decisions
from ocpi_hub.store.cdr_life import CdrLife, LedgerEntry, LivingCdr, Relative
from ocpi_hub.store.check_context import CheckContexts
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Database
from ocpi_hub.store.disputes import Disputes

_DEPTH = 500
_DISPUTES = 1000


async def tell(admin: CustodyAdmin, key: ObjectKey) -> CdrLifeStory | None:
    """The story of a CDR; None: there is none."""
    life = CdrLife(admin.database)
    found = await life.find(key)
    if found is None:
        return None
    row, entry = found.row, found.ledger
    attempts, others = await admin.history(key)
    relatives = await life.relatives(entry.booked) if entry else ()
    linked = await linked_decisions(admin.database, key)
    disputes = await Disputes(admin.database).list(
        owner=key.owner, cdr_id=key.object_id, limit=_DISPUTES
    )
    steps = [step_view(step) for step in await life.steps(key)]
    return CdrLifeStory(
        **dict(cdr_story(row, attempts, others, linked, await _session(admin, row))),
        stage=found.stage,
        disputed=found.disputed,
        figures=figures(entry) if entry else None,
        steps=(*steps, *_told_by_others(found, relatives)),
        findings=tuple(
            FindingView(code=each.code, text=each.text, hold=each.hold)
            for each in (entry.findings if entry else ())
        ),
        price=await _price(admin.database, row),
        credits=_credits(entry, relatives) if entry else None,
        disputes=tuple(dispute_view(each) for each in reversed(disputes)),
        statement=statement_link(entry) if entry else None,
        conflicting_fields=tuple(
            dict.fromkeys(
                name
                for other in others
                if other.kind == "conflict"
                for name in differing_fields(row.body, other.body)
            )
        ),
    )


async def _session(admin: CustodyAdmin, row: DirectedObject) -> SessionLink | None:
    """The Session that a CDR names."""
    session_id = json.loads(row.body, parse_int=str).get("session_id")
    if not isinstance(session_id, str):
        return None
    key = ObjectKey(Module.SESSIONS.value, row.key.owner, session_id)
    session = await CustodyAdmin(admin.database, Module.SESSIONS.value).find(key)
    return SessionLink(id=session_id, state=session.state if session else None)


async def _price(database: Database, row: DirectedObject) -> PriceView | None:
    """The price with its explanation; None where that takes too long to be shown by the way."""
    try:
        cdr = parse_object(row.body.encode(), CDR, max_depth=_DEPTH).value
    except OcpiError:
        return None
    contexts = CheckContexts(database, SystemClock(), batch_rows=1, batch_queue_rows=1)
    (context,) = await contexts.read([ask_about(cdr, row.received_at)])
    if is_large(cdr, context.tariffs):
        return None
    zone = context.location.time_zone if context.location else None
    check = check_price(cdr, tariffs=context.tariffs, time_zone=zone)
    return PriceView(answer=as_json(check), explained=tuple(as_text(check).splitlines()))


def _told_by_others(cdr: LivingCdr, relatives: Sequence[Relative]) -> Iterator[StepView]:
    """Steps that are no custody's: settled, corrected; in the order in which they came about."""
    entry = cdr.ledger
    if entry is None:
        return
    told: list[tuple[datetime, Stage, str, str]] = []
    if entry.settled_at is not None:
        text = f"statement {entry.statement_id} was closed"
        told.append((entry.settled_at, Stage.SETTLED, entry.settled_by or "hub", text))
    credit = _last_credit(entry, relatives) if cdr.stage is Stage.CORRECTED else None
    if credit is not None and credit.delivered_at is not None:
        text = f"Credit CDR {credit.ledger.booked.spelled_id} was delivered"
        told.append((credit.delivered_at, Stage.CORRECTED, "owner", text))
    before = Stage.DELIVERED
    for at, after, by, why in sorted(told):
        yield StepView(
            at=moment(at), version=cdr.row.version, before=before, after=after, by=by, why=why
        )
        before = after


def _last_credit(entry: LedgerEntry, relatives: Sequence[Relative]) -> Relative | None:
    """The Credit CDR with which nothing was left."""
    back: Total | None = None
    delivered = [(r.delivered_at, place, r) for place, r in enumerate(relatives) if r.delivered_at]
    for _, _, each in sorted(delivered, key=lambda one: one[:2]):
        if not _credits_it(entry.booked, each.ledger.booked):
            continue
        cost = each.ledger.booked.cost
        back = cost if back is None else back + cost
        if covers(entry.booked.cost, back):
            return each
    return None


def _credits_it(mine: Booked, its: Booked) -> bool:
    """Whether it takes this CDR back, between the same parties and in the same currency."""
    ours = (mine.cdr_id, mine.receiver, mine.currency)
    return (its.credited_id, its.receiver, its.currency) == ours


def _credits(entry: LedgerEntry, relatives: Sequence[Relative]) -> CreditView:
    mine = entry.booked
    siblings = [
        each
        for each in relatives
        if mine.session_id is not None
        and each.ledger.booked.session_id == mine.session_id
        and not each.ledger.booked.is_credit
    ]
    original = next((r for r in relatives if r.ledger.booked.cdr_id == mine.credited_id), None)
    stands_in = [
        each.ledger.booked.spelled_id
        for each in siblings
        if mine.taken_back and not mine.is_credit and not each.ledger.booked.taken_back
    ]
    return CreditView(
        takes_back=related_cdr(original) if original else None,
        taken_back_by=tuple(
            related_cdr(each) for each in relatives if each.ledger.booked.credited_id == mine.cdr_id
        ),
        left_excl_vat=left_of(mine.cost, mine.credited),
        corrects=corrected_by(mine, [each.ledger.booked for each in siblings]),
        corrected_by=tuple(stands_in),
        same_session=tuple(
            related_cdr(each)
            for each in relatives
            if mine.session_id is not None and each.ledger.booked.session_id == mine.session_id
        ),
    )
