"""What can be done with one CDR: release, refuse, confirm, redrive, dispute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ocpi_hub.admin.actions import cdr_disputes, cdrs
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.cdr_affairs import DisputeAnswered, DisputeClosed, DisputeOpened
from ocpi_hub.admin.routes.directed import CdrGiven, Reason
from ocpi_hub.admin.views.base import View
from ocpi_hub.admin.views.cdr_life import CdrLifeStory
from ocpi_hub.console.forms import Form, Input, choices, read_form
from ocpi_hub.console.page import Handler, Page
from ocpi_hub.console.pages.cdr_cells import cdr_url
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import BASE, Answer, Redirect, Tone, Visit
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.disputes import Outcome, Side

ONE = "/cdrs/{owner}/{id}"

S = DirectedState
_POSSIBLE = {
    "release": (S.HELD,),
    "redrive": (S.DEAD, S.PENDING, S.UNCERTAIN, S.REFUSED),
    "confirm": (S.UNCERTAIN, S.DEAD),
    "refuse": (S.HELD, S.DEAD, S.UNCERTAIN),
}


class _Decide(Protocol):
    def __call__(
        self, admin: CustodyAdmin, owner: PartyId, cdr_id: str, *, reason: str
    ) -> Awaitable[View]: ...


def deed_pages() -> tuple[Page, ...]:
    return (
        _page("release", _decision("release", cdrs.release)),
        _page("refuse", _decision("refuse", cdrs.refuse)),
        _page("confirm", _decision("confirm", cdrs.confirm)),
        _page("redrive", redrive),
        _page("dispute", open_dispute),
        _page("dispute/answer", answer_dispute),
        _page("dispute/close", close_dispute),
    )


def _page(word: str, handler: Handler) -> Page:
    return Page("POST", f"{ONE}/{word}", Scope.OPERATE, handler)


# Forms --------------------------------------------------------------------------------------------


def decisions(shown: CdrLifeStory) -> Sequence[Form]:
    """What its state allows."""
    return [
        _form(shown, word, () if word == "redrive" else (_words("reason", "cdr.reason_help"),))
        for word, states in _POSSIBLE.items()
        if shown.state in states
    ]


def dispute_forms(shown: CdrLifeStory) -> Sequence[Form]:
    """To open a dispute, or to go on with the one that is open."""
    if not shown.disputed:
        if shown.state is not S.DELIVERED:
            return []
        side = Input("raised_by", t("cdr.raised_by"), "select", "", choices(tuple(Side)))
        amount = Input("amount", t("cdr.amount"), help=t("cdr.amount_help"))
        return [_form(shown, "dispute", (side, amount, _words("reason", "cdr.dispute_help")))]
    outcome = Input("outcome", t("cdr.outcome"), "select", "", choices(tuple(Outcome)))
    closing = _form(shown, "dispute/close", (outcome, _words("note", "cdr.dispute_help")))
    if shown.disputes and shown.disputes[-1].answer is None:
        answering = (_words("answer", "cdr.dispute_help"),)
        return [_form(shown, "dispute/answer", answering), closing]
    return [closing]


def _words(name: str, text: str) -> Input:
    return Input(name, t.label(name), "area", required=True, help=t(text))


def _form(shown: CdrLifeStory, word: str, inputs: tuple[Input, ...]) -> Form:
    key = word.replace("/", "_")
    return Form(
        f"{cdr_url(shown.owner, shown.id)}/{word}",
        t(f"cdr.{key}"),
        inputs,
        title=t(f"cdr.{key}_title"),
        needs=Scope.OPERATE,
        danger=word == "refuse",
    )


# Deeds --------------------------------------------------------------------------------------------


def _decision(word: str, decide: _Decide) -> Callable[[Visit], Awaitable[Answer]]:
    async def handler(visit: Visit) -> Answer:
        given = read_form(CdrGiven, visit.place)
        reason = read_form(Reason, visit.form).reason
        await decide(visit.parts.admin.access.cdrs, given.owner, given.id, reason=reason)
        return _back(given, f"cdr.{word}_done")

    return handler


async def redrive(visit: Visit) -> Answer:
    given = read_form(CdrGiven, visit.place)
    await cdrs.redrive(visit.parts.admin.access.cdrs, given.owner, given.id)
    return _back(given, "cdr.redrive_done")


async def open_dispute(visit: Visit) -> Answer:
    given, said = read_form(CdrGiven, visit.place), read_form(DisputeOpened, visit.form)
    key = cdrs.cdr_key(given.owner, given.id)
    admin = visit.parts.admin.access.cdrs
    await cdr_disputes.open_dispute(admin, key, said.raised_by, said.reason, said.amount)
    return _back(given, "cdr.dispute_done")


async def answer_dispute(visit: Visit) -> Answer:
    given, said = read_form(CdrGiven, visit.place), read_form(DisputeAnswered, visit.form)
    key = cdrs.cdr_key(given.owner, given.id)
    await cdr_disputes.answer_dispute(visit.parts.admin.access.cdrs, key, said.answer)
    return _back(given, "cdr.dispute_answer_done")


async def close_dispute(visit: Visit) -> Answer:
    given, said = read_form(CdrGiven, visit.place), read_form(DisputeClosed, visit.form)
    key = cdrs.cdr_key(given.owner, given.id)
    await cdr_disputes.close_dispute(visit.parts.admin.access.cdrs, key, said.outcome, said.note)
    return _back(given, "cdr.dispute_close_done")


def _back(given: CdrGiven, text: str) -> Redirect:
    path = cdr_url(str(given.owner), given.id).removeprefix(BASE)
    return Redirect(path, (Tone.GOOD, t(text)))
