"""CDRs: the ledger, and what can be done with many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ocpi_hub.admin.actions import cdrs
from ocpi_hub.admin.actions.cdr_rules import check_again
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.cdr_checks import CheckScope
from ocpi_hub.admin.routes.cdrs import KIND, CdrListing, Driven
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.cdr_life import CdrLine, cdr_line
from ocpi_hub.console.cells import At, Cell, Chip, Code, Number, url
from ocpi_hub.console.forms import Form, Input, choices, read_form
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.cdr_cells import (
    cdr_url,
    difference,
    number,
    reason_for,
    sees,
    stage_chips,
    verdict_chip,
)
from ocpi_hub.console.pages.cdr_deeds import deed_pages
from ocpi_hub.console.pages.cdr_story import STORY
from ocpi_hub.console.pages.cdr_waiting import waiting
from ocpi_hub.console.sides import newest, sides
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.cdr_life import LivingCdr
from ocpi_hub.store.cdr_rechecks import RecheckScope

_DRIVEN = ("dead", "pending", "uncertain", "refused")


def cdr_pages() -> tuple[Page, ...]:
    return (
        LIST.page(),
        Page("GET", "/cdrs/waiting", Scope.READ, waiting),
        Page("POST", "/cdrs/redrive", Scope.OPERATE, redrive_all),
        Page("POST", "/cdrs/check", Scope.OPERATE, check),
        STORY.page(),
        *deed_pages(),
    )


# The list -----------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: CdrListing) -> Items[CdrLine]:
    admin = visit.parts.admin.access.cdrs
    place = given.place(KIND, int)
    before = int(place[0]) if place else None

    async def ask(owner: PartyId | None, receiver: PartyId | None) -> Sequence[LivingCdr]:
        filters = replace(given.filters, owner=owner, receiver=receiver)
        return await cdrs.list_cdrs(admin, filters, limit=given.limit + 1, before=before)

    pairs = sides(visit.viewer, given.owner, given.receiver)
    shown, more = await newest(pairs, ask, lambda cdr: cdr.row.serial, given.limit)
    lines = map(cdr_line, shown)
    return Items(
        items=tuple(
            line.model_copy(update={"reason": reason_for(visit.viewer, line)})
            for line in lines
            if sees(visit.viewer, line)
        ),
        next=cursor_text(KIND, shown[-1].row.serial) if more else None,
    )


def _ended_at(item: CdrLine) -> Cell:
    return At(item.figures.ended_at if item.figures else None)


def _energy(item: CdrLine) -> Cell:
    return number(item.figures.energy_kwh, 3) if item.figures else Number(None)


def _amount(item: CdrLine) -> Cell:
    return number(item.figures.excl_vat, 2) if item.figures else Number(None)


def _difference(item: CdrLine) -> Cell:
    return number(difference(item.figures), 2) if item.figures else Number(None)


def _verdict(item: CdrLine) -> Cell:
    return verdict_chip(item.figures.price_verdict) if item.figures else None


def _noted(item: CdrLine) -> Cell:
    if item.figures is None:
        return None
    return [
        *(Chip(code, Tone.WARN) for code in item.figures.holds),
        *(Chip(code, Tone.NOTE) for code in item.figures.flags),
    ]


LIST: ListPage[CdrLine, CdrListing] = ListPage(
    path="/cdrs",
    area="cdrs",
    listing=CdrListing,
    columns=(
        Column("id", lambda item: Code(item.id)),
        Column("stage", lambda item: stage_chips(item.stage, item.disputed)),
        Column("owner", lambda item: Code(item.owner)),
        Column("receiver", lambda item: Code(item.receiver)),
        Column("ended_at", _ended_at),
        Column("kwh", _energy),
        Column("excl_vat", _amount),
        Column("currency", lambda item: item.figures.currency if item.figures else None),
        Column("difference", _difference),
        Column("verdict", _verdict),
        Column("noted", _noted),
        Column("reason", lambda item: item.reason),
    ),
    fetch=fetch,
    sees=sees,
    link=lambda item: cdr_url(item.owner, item.id),
    search="id",
    begin=("nav.relations", "/relations", Scope.READ),
    nav="nav.cdrs",
    forms=lambda _: (_redrive_form(), _check_form()),
    links=(
        ("waiting.title", "/cdrs/waiting", False),
        ("disputes.title", "/disputes", True),
        ("conflicts.title", "/conflicts", True),
        ("gaps.title", "/gaps", True),
    ),
)


# Deeds --------------------------------------------------------------------------------------------


def _scope() -> tuple[Input, ...]:
    return (
        Input("owner", t.label("owner"), help=t("cdrs.party_help")),
        Input("receiver", t.label("receiver"), help=t("cdrs.party_help")),
        Input("since", t.label("since"), "datetime-local"),
        Input("until", t.label("until"), "datetime-local"),
    )


def _redrive_form() -> Form:
    state = Input(
        "state", t.label("state"), "select", "", choices(_DRIVEN, empty=t("cdrs.dead_or_pending"))
    )
    return Form(
        url("cdrs", "redrive"),
        t("cdrs.redrive"),
        (*_scope(), state),
        title=t("cdrs.redrive_many"),
        needs=Scope.OPERATE,
        confirm=t("cdrs.redrive_sure"),
    )


def _check_form() -> Form:
    return Form(
        url("cdrs", "check"),
        t("cdrs.check"),
        _scope(),
        title=t("cdrs.check_many"),
        needs=Scope.OPERATE,
        confirm=t("cdrs.check_sure"),
    )


async def redrive_all(visit: Visit) -> Answer:
    which = read_form(Driven, visit.form)
    done = await cdrs.redrive_all(
        visit.parts.admin.access.cdrs,
        owner=which.owner,
        receiver=which.receiver,
        since=which.since,
        until=which.until,
        state=which.state,
    )
    return Redirect("/cdrs", (Tone.GOOD, t("cdrs.redriven", count=done.redriven)))


async def check(visit: Visit) -> Answer:
    scope = read_form(CheckScope, visit.form)
    done = await check_again(visit.parts.admin.access, RecheckScope(**dict(scope)))
    return Redirect("/cdrs", (Tone.GOOD, t("cdrs.asked", count=done.asked)))
