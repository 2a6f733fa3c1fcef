"""CDRs in custody: list, show, redrive, release, refuse, confirm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ocpi_hub.admin.acting import change, who_acts
from ocpi_hub.admin.actions.cdr_story import tell
from ocpi_hub.admin.views.cdr_life import CdrLifeStory
from ocpi_hub.admin.views.cdrs import CdrDecided, CdrItem, CdrsRedriven, cdr_item
from ocpi_hub.domain.objects import DirectedState, ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.cdr_life import CdrFilters, CdrLife, LivingCdr
from ocpi_hub.store.custody_admin import CustodyAdmin

S = DirectedState
_DRIVEN: Final = (S.DEAD, S.PENDING, S.UNCERTAIN, S.REFUSED)
"""States that an operator may end by sending again."""


def cdr_key(owner: PartyId, cdr_id: str) -> ObjectKey:
    return ObjectKey(Module.CDRS.value, owner, cdr_id)


async def show(admin: CustodyAdmin, key: ObjectKey) -> CdrLifeStory:
    """A CDR with all that happened to it.

    Raises:
        NoSuchObject: there is no such CDR.
    """
    story = await tell(admin, key)
    if story is None:
        raise _unknown(key)
    return story


async def key_of(admin: CustodyAdmin, cdr_id: str) -> ObjectKey:
    """The only CDR of that id.

    Raises:
        NoSuchObject: there is none.
        OperatorError: several owners have one.
    """
    owners = await CdrLife(admin.database).owners(cdr_id)
    if not owners:
        raise NoSuchObject(f"there is no CDR {cdr_id}: see `cdr list`")
    if len(owners) > 1:
        names = ", ".join(map(str, owners))
        raise OperatorError(f"{len(owners)} owners have a CDR {cdr_id}: name one of {names}")
    return cdr_key(owners[0], cdr_id)


async def list_cdrs(
    admin: CustodyAdmin, filters: CdrFilters, *, limit: int, before: int | None = None
) -> Sequence[LivingCdr]:
    """Newest first.

    Args:
        before: only CDRs with a smaller serial.
    """
    return await CdrLife(admin.database).list(filters, limit=limit, before=before)


async def redrive(admin: CustodyAdmin, owner: PartyId, cdr_id: str) -> CdrsRedriven:
    """Try to deliver one CDR now, whatever it waits for."""
    key = cdr_key(owner, cdr_id)
    async with change("cdr.redrive", _name(key), await _seen(admin, key)) as noted:
        keys = await admin.send_again(_DRIVEN, by=who_acts(), owner=owner, object_id=cdr_id)
        if not keys:
            raise await _not_like_that(
                admin,
                key,
                f"CDR {cdr_id} of {owner} cannot be sent again: it is unknown, delivered, held"
                " or being sent; see `cdr show`",
            )
        noted.became(await _found(admin, key))
        return CdrsRedriven(redriven=len(keys))


async def redrive_all(
    admin: CustodyAdmin,
    *,
    owner: PartyId | None = None,
    receiver: PartyId | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    state: DirectedState | None = None,
) -> CdrsRedriven:
    """Try to deliver dead letters and waiting CDRs now, or those in another state.

    Args:
        since: only what arrived then or later, and before `until`.

    Raises:
        OperatorError: nothing says which, or CDRs in that state are not driven.
    """
    if not any((owner, receiver, since)):
        raise OperatorError("say which CDRs: of an owner, for a receiver, or since when")
    if state is not None and state not in _DRIVEN:
        raise OperatorError(f"CDRs that are {state} are not driven; release what is held")
    states = (S.DEAD, S.PENDING) if state is None else (state,)
    place = (str(owner or "*"), str(receiver or "*"), timestamp(since) if since else "*")
    async with change("cdr.redrive_all", " ".join(place)) as noted:
        keys = await admin.send_again(
            states, by=who_acts(), owner=owner, receiver=receiver, since=since, until=until
        )
        return noted.became(CdrsRedriven(redriven=len(keys)))


async def release(admin: CustodyAdmin, owner: PartyId, cdr_id: str, *, reason: str) -> CdrDecided:
    """Let a held CDR go."""
    key = cdr_key(owner, cdr_id)
    async with change("cdr.release", _name(key), await _seen(admin, key)) as noted:
        keys = await admin.send_again(
            (S.HELD,), by=who_acts(), owner=owner, object_id=cdr_id, reason=reason
        )
        if not keys:
            raise await _not_like_that(
                admin, key, f"CDR {cdr_id} of {owner} is not held; see `cdr show`"
            )
        noted.became(await _found(admin, key))
        return CdrDecided(owner=str(owner), id=cdr_id, state=S.PENDING)


async def refuse(admin: CustodyAdmin, owner: PartyId, cdr_id: str, *, reason: str) -> CdrDecided:
    """Close a CDR as refused; the CPO may send it again, corrected."""
    states = (S.HELD, S.DEAD, S.UNCERTAIN)
    return await _decide(admin, cdr_key(owner, cdr_id), cdr_id, states, S.REFUSED, reason)


async def confirm(admin: CustodyAdmin, owner: PartyId, cdr_id: str, *, reason: str) -> CdrDecided:
    """Close a CDR as delivered, on the receiver's word."""
    states = (S.UNCERTAIN, S.DEAD)
    return await _decide(admin, cdr_key(owner, cdr_id), cdr_id, states, S.DELIVERED, reason)


async def _decide(
    admin: CustodyAdmin,
    key: ObjectKey,
    cdr_id: str,
    states: tuple[DirectedState, ...],
    state: DirectedState,
    reason: str,
) -> CdrDecided:
    word = "cdr.refuse" if state is S.REFUSED else "cdr.confirm"
    async with change(word, _name(key), await _seen(admin, key)) as noted:
        if not await admin.decide(key, states, state, reason, by=who_acts()):
            names = ", ".join(states)
            raise await _not_like_that(
                admin, key, f"CDR {cdr_id} of {key.owner} is not one of: {names}; see `cdr show`"
            )
        noted.became(await _found(admin, key))
        return CdrDecided(owner=str(key.owner), id=cdr_id, state=state)


def _name(key: ObjectKey) -> str:
    return f"{key.owner}/{key.object_id}"


async def _seen(admin: CustodyAdmin, key: ObjectKey) -> CdrItem | None:
    """How it looks before a change; None: there is no such CDR."""
    row = await admin.find(key)
    return cdr_item(row) if row is not None else None


async def _found(admin: CustodyAdmin, key: ObjectKey) -> CdrItem:
    seen = await _seen(admin, key)
    if seen is None:
        raise _unknown(key)
    return seen


async def _not_like_that(admin: CustodyAdmin, key: ObjectKey, text: str) -> OperatorError:
    """Why nothing could be done: there is no such CDR, or its state does not allow it."""
    return OperatorError(text) if await admin.find(key) else _unknown(key)


def _unknown(key: ObjectKey) -> NoSuchObject:
    return NoSuchObject(f"there is no CDR {key.object_id} of {key.owner}: see `cdr list`")
