"""Statements: a month's, one with its figures, closing, proving, files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from ocpi_hub.admin.actions import statements
from ocpi_hub.admin.faults import Code as FaultCode
from ocpi_hub.admin.faults import Refusal
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.base import Listing
from ocpi_hub.admin.routes.statements import MonthGiven
from ocpi_hub.admin.statement_files import (
    PRINTED_LINES,
    first_lines,
    party_names,
    statement_csv,
    statement_page,
)
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.statements import (
    StatementClosing,
    StatementItem,
    StatementListed,
    StatementView,
)
from ocpi_hub.clearing.statement import Month, Relation, StatementState
from ocpi_hub.console.cells import At, Chip, Code, Number, url
from ocpi_hub.console.forms import Form
from ocpi_hub.console.in_memory import part_of
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.cdr_cells import who
from ocpi_hub.console.pages.statement_blocks import (
    closing,
    facts,
    figures,
    flags,
    left_out,
)
from ocpi_hub.console.stories import Block, Later, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Download, Redirect, Tone, Visit
from ocpi_hub.domain.party import PartyId

ONE = "/statements/{month}/{cpo}/{emsp}"
_SUMS = "sums"
"""In a query: they are shown however long it takes."""
SOON_S = 2.0
"""Seconds in which most months are closed: then the answer tells so."""
_TONES = {
    StatementState.OPEN: Tone.NOTE,
    StatementState.CLOSING: Tone.WARN,
    StatementState.CLOSED: Tone.GOOD,
}


Item = TypeVar("Item", bound=StatementItem)


class MonthListing(Listing):
    """What the page lists."""

    month: MonthGiven | None = None
    sort: Literal[
        "cpo", "-cpo", "emsp", "-emsp", "state", "-state", "-closed_at", "closed_at"
    ] = "cpo"  # fmt: skip


def statement_pages() -> tuple[Page, ...]:
    return (
        LIST.page(),
        STORY.page(),
        Page("GET", f"{ONE}/csv", Scope.READ, csv_file, partner=True),
        Page("GET", f"{ONE}/print", Scope.READ, printed, partner=True),
        Page("POST", f"{ONE}/close", Scope.OPERATE, close),
        Page("POST", f"{ONE}/recheck", Scope.OPERATE, recheck),
    )


def last_month() -> Month:
    """The month that is being settled now."""
    now = datetime.now(UTC)
    return Month.of((now.replace(day=1) - timedelta(days=1)).date())


def _seen(viewer: Viewer, item: Item) -> Item:
    """Names of operators are no matter of partners; the CDR that ended first may be held back,
    which is between its CPO and the hub."""
    update = {"closed_by": who(viewer, item.closed_by) if item.closed_by else None}
    if isinstance(item, StatementListed) and not viewer.sees_party(item.cpo):
        update["since"] = None
    return item.model_copy(update=update)


def _sees(viewer: Viewer, item: StatementItem) -> bool:
    return viewer.sees_party(item.cpo, item.emsp)


# The list -----------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: MonthListing) -> Items[StatementListed]:
    month = given.month or last_month()
    found = await statements.overview(visit.parts.admin.access, month)
    viewer = visit.viewer
    seen = [_seen(viewer, item) for item in found if _sees(viewer, item)]
    by = given.sort.removeprefix("-")

    def key(item: StatementListed) -> tuple[str, str, str]:
        first = {"emsp": item.emsp, "state": item.state, "closed_at": item.closed_at or ""}
        return first.get(by, ""), item.cpo, item.emsp

    return part_of(f"console-statements-{given.sort}", seen, given, key)


LIST: ListPage[StatementListed, MonthListing] = ListPage(
    path="/statements",
    area="statements",
    listing=MonthListing,
    columns=(
        Column("month", lambda item: item.month),
        Column("cpo", lambda item: Code(item.cpo)),
        Column("emsp", lambda item: Code(item.emsp)),
        Column("state", lambda item: Chip(item.state, _TONES[item.state])),
        Column("since", lambda item: At(item.since)),
        Column("cdrs", lambda item: Number(item.cdrs)),
        Column("energy", lambda item: item.energy_kwh and f"{item.energy_kwh} kWh"),
        Column(
            "excl_vat", lambda item: ", ".join(f"{m.amount} {m.currency}" for m in item.excl_vat)
        ),
        Column("closed_at", lambda item: At(item.closed_at)),
        Column("closed_by", lambda item: item.closed_by),
    ),
    fetch=fetch,
    sees=_sees,
    link=lambda item: url("statements", item.month, item.cpo, item.emsp),
    nav="nav.statements",
)


# One statement ------------------------------------------------------------------------------------


def place(visit: Visit) -> tuple[Relation, Month]:
    """What a path names.

    Raises:
        Refusal: no statement; or the viewer has no part in it.
    """
    try:
        relation = Relation(PartyId.parse(visit.place["cpo"]), PartyId.parse(visit.place["emsp"]))
        month = Month.parse(visit.place["month"])
    except ValueError:
        raise Refusal(FaultCode.NOT_FOUND, t("base.no_such_page")) from None
    if not visit.viewer.sees_party(relation.cpo, relation.emsp):
        raise Refusal(FaultCode.NOT_FOUND, t("base.no_such_page"))
    return relation, month


Looked = StatementView | StatementListed | StatementClosing


async def load(visit: Visit) -> Looked:
    access, summed = visit.parts.admin.access, _SUMS in visit.query
    found = await statements.glance(access, *place(visit), summed=summed)
    return _seen(visit.viewer, found)


async def tell(visit: Visit, shown: Looked) -> Story:
    own = url() + visit.path
    return Story(
        f"{shown.month} {shown.cpo} {shown.emsp}",
        list(_blocks(visit, shown, own)),
        state=Chip(shown.state, _TONES[shown.state]),
        crumbs=[(t("statements.title"), url("statements", month=shown.month))],
        deeds=_deeds(shown, own),
    )


def _blocks(visit: Visit, shown: Looked, own: str) -> Iterator[Block]:
    if isinstance(shown, StatementClosing):
        yield from closing(visit, shown, own)
        return
    yield facts(visit, shown, own)
    if isinstance(shown, StatementListed):
        yield Later(t("statements.sums"), t("statements.many"), f"{own}?{_SUMS}=all")
        return
    yield from figures(shown)
    yield flags(shown)
    # What is held back is between a CPO and the hub.
    if shown.state is not StatementState.CLOSED and visit.viewer.sees_party(shown.cpo):
        yield left_out(shown)


STORY = StoryPage(path=ONE, load=load, tell=tell, sees=_sees)


def _deeds(shown: StatementItem, own: str) -> list[Form]:
    if shown.state is StatementState.CLOSED:
        return [Form(f"{own}/recheck", t("statements.recheck"), needs=Scope.OPERATE)]
    if isinstance(shown, StatementClosing) and shown.at_work:
        return []
    return [
        Form(
            f"{own}/close",
            t("statements.close"),
            needs=Scope.OPERATE,
            confirm=t("statements.close_sure"),
        )
    ]


# Deeds and files ----------------------------------------------------------------------------------


async def close(visit: Visit) -> Answer:
    """What takes longer goes on, and the statement's page tells how far it is."""
    relation, month = place(visit)

    async def work() -> None:
        await statements.close(visit.parts.admin.access, relation, month)

    errands, back = visit.parts.errands, visit.path.removesuffix("/close")
    errands.require_room()
    if not await errands.done_within(SOON_S, work()):
        return Redirect(back)
    return Redirect(back, (Tone.GOOD, t("statements.closed")))


async def recheck(visit: Visit) -> Answer:
    found = await statements.recheck(visit.parts.admin.access, *place(visit))
    back = visit.path.removesuffix("/recheck")
    if found.reproduced:
        return Redirect(back, (Tone.GOOD, t("statements.reproduced", lines=found.lines)))
    text = "; ".join([*found.differences, *found.differing])[:500]
    return Redirect(back, (Tone.BAD, t("statements.not_reproduced", text=text)))


async def csv_file(visit: Visit) -> Answer:
    relation, month = place(visit)
    chunks = statement_csv(statements.lines(visit.parts.admin.access, relation, month))
    return Download(_name(relation, month, "csv"), "text/csv", chunks)


async def printed(visit: Visit) -> Answer:
    relation, month = place(visit)
    access = visit.parts.admin.access
    view = _seen(visit.viewer, await statements.show(access, relation, month))
    lines = await first_lines(statements.lines(access, relation, month), PRINTED_LINES)
    page = statement_page(view, lines, await party_names(access, relation))

    async def chunks() -> AsyncIterator[str]:
        yield page

    return Download(_name(relation, month, "html"), "text/html", chunks())


def _name(relation: Relation, month: Month, ending: str) -> str:
    parties = (str(each).replace("*", "-") for each in (relation.cpo, relation.emsp))
    return f"statement-{month}-{'-'.join(parties)}.{ending}"
