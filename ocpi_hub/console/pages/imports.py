"""Files: imports of token lists and CDRs, short ones from a form; CDRs that are due together."""

from __future__ import annotations

from ocpi_hub.admin.actions.cdr_files import import_cdrs
from ocpi_hub.admin.actions.sent_files import imported
from ocpi_hub.admin.actions.token_files import import_tokens
from ocpi_hub.admin.faults import Code as FaultCode
from ocpi_hub.admin.faults import Refusal
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.files import (
    CdrFile,
    ImportListing,
    RunListing,
    TokenFile,
    find_import,
    import_plan,
    list_imports,
    list_runs,
)
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.admin.views.files import CdrRunItem, FileImportItem, ImportItem
from ocpi_hub.console.cells import At, Chip, Code, Link, Number, url
from ocpi_hub.console.forms import Form, Input, choices, read_form
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.cdr_cells import party_cell
from ocpi_hub.console.stories import Block, Facts, Note, Story, StoryPage
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.delivery.files.imports import ImportState
from ocpi_hub.delivery.files.records import FileFormat
from ocpi_hub.domain.party import Module
from ocpi_hub.store.cdr_batches import CdrBatches
from ocpi_hub.store.file_import import FileImportStore

_DIGITS = 18


def import_pages() -> tuple[Page, ...]:
    return (
        LIST.page(),
        BATCHES.page(),
        STORY.page(),
        Page("POST", "/imports/tokens", Scope.OPERATE, take_tokens),
        Page("POST", "/imports/cdrs", Scope.OPERATE, take_cdrs),
    )


# Imports ------------------------------------------------------------------------------------------


async def fetch(visit: Visit, given: ImportListing) -> Items[FileImportItem]:
    return await list_imports(_store(visit), given)


def _forms(_: Visit) -> list[Form]:
    return [
        _form("tokens", Input("emsp", t("imports.emsp"), required=True), "full"),
        _form("cdrs", Input("cpo", t("imports.cpo"), required=True)),
    ]


def _form(name: str, owner: Input, *more: str) -> Form:
    checks = (*more, "allow_errors", "dry_run")
    return Form(
        url("imports", name),
        t(f"imports.new_{name}"),
        (
            owner,
            Input("format", t("imports.format"), "select", options=choices(tuple(FileFormat))),
            Input(
                "content", t("imports.content"), "area", help=t("imports.content_help"),
                required=True,
            ),
            *(Input(each, t(f"imports.{each}"), "checkbox") for each in checks),
        ),
        needs=Scope.OPERATE,
    )  # fmt: skip


LIST: ListPage[FileImportItem, ImportListing] = ListPage(
    path="/imports",
    area="imports",
    listing=ImportListing,
    columns=(
        Column("id", lambda item: str(item.id)),
        Column("module", lambda item: item.module),
        Column("owner", lambda item: Code(item.owner)),
        Column("state", lambda item: Chip(item.state)),
        Column("started_at", lambda item: At(item.started_at)),
        Column("finished_at", lambda item: At(item.finished_at)),
        Column("seen", lambda item: Number(item.seen)),
        Column("added", lambda item: Number(item.added)),
        Column("changed", lambda item: Number(item.changed)),
        Column("errors", lambda item: Number(item.errors)),
        Column("note", lambda item: item.note),
    ),
    fetch=fetch,
    link=lambda item: url("imports", str(item.id)),
    nav="nav.files",
    forms=_forms,
    links=(("imports.batches", "/cdr-batches", True),),
)


async def load(visit: Visit) -> FileImportItem:
    text = visit.place["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Refusal(FaultCode.NOT_FOUND, t("base.no_such_page"))
    return await find_import(_store(visit), int(text))


async def tell(visit: Visit, item: FileImportItem) -> Story:
    blocks: list[Block] = [
        Facts(
            t("imports.facts"),
            [
                (t.label("module"), item.module),
                (t("imports.owner"), party_cell(visit, item.owner)),
                (t.label("as_of"), At(item.as_of)),
                (t("imports.full"), item.full),
                (t.label("started_at"), At(item.started_at)),
                (t.label("finished_at"), At(item.finished_at)),
                _next(item),
            ],
        ),
        Facts(
            t("imports.figures"),
            [
                (t.label(name), Number(value))
                for name, value in (
                    ("seen", item.seen),
                    ("added", item.added),
                    ("changed", item.changed),
                    ("known", item.known),
                    ("older", item.older),
                    ("errors", item.errors),
                )
            ],
        ),
    ]
    if item.note:
        blocks.insert(0, Note(item.note, Tone.WARN))
    if item.state is ImportState.APPLYING:
        blocks.insert(0, Note(t("imports.unfinished"), Tone.NOTE))
    return Story(
        t("imports.one", number=item.id),
        blocks,
        state=Chip(item.state),
        crumbs=[(t("imports.title"), url("imports"))],
    )


STORY = StoryPage(path="/imports/{id}", load=load, tell=tell, needs=Scope.READ)


def _next(item: FileImportItem) -> tuple[str, Link]:
    """Where to see what came of it."""
    if item.module == Module.CDRS:
        came = url("cdrs", owner=item.owner, since=item.started_at)
        return t("imports.cdrs"), Link(t("imports.its_cdrs"), came)
    return t("imports.whitelist"), Link(t("imports.runs"), url("whitelist"))


def _store(visit: Visit) -> FileImportStore:
    return FileImportStore(visit.parts.admin.access.database)


# Short files --------------------------------------------------------------------------------------


async def take_tokens(visit: Visit) -> Answer:
    file, access = read_form(TokenFile, visit.form), visit.parts.admin.access
    plan = import_plan(access, file)
    item = await imported(file.content, plan, lambda *each: import_tokens(access, file.emsp, *each))
    return _taken(item)


async def take_cdrs(visit: Visit) -> Answer:
    file, access = read_form(CdrFile, visit.form), visit.parts.admin.access
    plan = import_plan(access, file)
    item = await imported(file.content, plan, lambda *each: import_cdrs(access, file.cpo, *each))
    return _taken(item)


def _taken(item: ImportItem) -> Answer:
    text = t(
        "imports.done",
        seen=item.seen,
        added=item.added,
        changed=item.changed,
        known=item.known,
        older=item.older,
        errors=item.errors,
    )
    if item.dry_run:
        return Redirect("/imports", (Tone.NOTE, t("imports.tried", text=text)))
    return Redirect("/imports", (Tone.WARN if item.errors else Tone.GOOD, text))


# CDRs that are due together -----------------------------------------------------------------------


async def fetch_batches(visit: Visit, given: RunListing) -> Items[CdrRunItem]:
    return await list_runs(CdrBatches(visit.parts.admin.access.database), given)


BATCHES: ListPage[CdrRunItem, RunListing] = ListPage(
    path="/cdr-batches",
    area="batches",
    listing=RunListing,
    columns=(
        Column("due_at", lambda item: At(item.due_at)),
        Column("cpo", lambda item: Code(item.cpo)),
        Column("emsp", lambda item: Code(item.emsp)),
        Column("state", lambda item: Chip(item.state)),
        Column("cdrs", lambda item: Number(item.cdrs)),
        Column("delivered", lambda item: Number(item.delivered)),
        Column("refused", lambda item: Number(item.refused)),
        Column("waiting", lambda item: Number(item.waiting)),
        Column("held", lambda item: Number(item.held)),
        Column("stuck", lambda item: Number(item.stuck)),
        Column("finished_at", lambda item: At(item.finished_at)),
    ),
    fetch=fetch_batches,
    link=lambda item: url("cdrs", owner=item.cpo, receiver=item.emsp),
    links=(("imports.imports", "/imports", True),),
)
