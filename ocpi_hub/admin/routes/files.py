"""Token lists and CDRs as files, in requests: import, export page by page, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.actions.cdr_files import CdrExport, Window, import_cdrs
from ocpi_hub.admin.actions.incoming import ImportPlan
from ocpi_hub.admin.actions.sent_files import AT_ONCE, MAX_BYTES, imported
from ocpi_hub.admin.actions.token_files import import_tokens, token_page
from ocpi_hub.admin.cursors import Place, cursor_text
from ocpi_hub.admin.faults import invalid
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Body,
    Call,
    Given,
    Listing,
    NoBody,
    Party,
    Route,
    Time,
    page_of,
)
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.views.base import Page
from ocpi_hub.admin.views.files import (
    CdrExportPage,
    CdrImportItem,
    CdrRunItem,
    ExportedItem,
    FileImportItem,
    HandedOver,
    TokenImportItem,
    cdr_run_item,
    file_import_item,
)
from ocpi_hub.delivery.files.records import FileFormat
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import NoSuchObject
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.cdr_batches import CdrBatches
from ocpi_hub.store.file_import import FileImportStore

RUNS, IMPORTS, TOKENS, CDRS = "cdr-runs", "file-imports", "token-export", "cdr-export"


class RunListing(Listing):
    cpo: Party | None = None
    emsp: Party | None = None


class ImportListing(Listing):
    module: Module | None = Field(None, description="tokens or cdrs")
    owner: Party | None = Field(None, description="whose objects")


class ImportGiven(Given):
    id: int = Field(ge=1, lt=2**63 - 1, description="its number")


class Export(Listing):
    cpo: Party
    emsp: Party


class CdrExportGiven(Export):
    since: Time | None = Field(None, description="changed at this time or later")
    until: Time | None = Field(None, description="changed before")


class File(Body):
    """A file in a request."""

    format: FileFormat
    content: str = Field(description="the text of the file")
    allow_errors: bool = Field(False, description="import what is good although something is wrong")
    dry_run: bool = Field(False, description="only say what would become of it")


class TokenFile(File):
    emsp: Party = Field(description="whose tokens")
    full: bool = Field(False, description="what the file lacks is not valid any more")
    as_of: Time | None = Field(None, description="when the list was made; null: now")


class CdrFile(File):
    cpo: Party = Field(description="whose CDRs")


class Delivered(Body):
    """A CDR export that its eMSP has got."""

    cpo: Party
    emsp: Party
    since: Time | None = None
    until: Time | None = None
    last: int = Field(ge=1, le=2**63 - 1, description="the last `serial` of the export")
    began: Time = Field(description="`began` of its first part")


def file_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    access = parts.access

    async def take_tokens(call: Call[NoParameters, TokenFile]) -> TokenImportItem:
        body = call.body
        return await imported(
            body.content,
            import_plan(access, body),
            lambda *file: import_tokens(access, body.emsp, *file),
        )

    async def take_cdrs(call: Call[NoParameters, CdrFile]) -> CdrImportItem:
        body = call.body
        return await imported(
            body.content,
            import_plan(access, body),
            lambda *file: import_cdrs(access, body.cpo, *file),
        )

    async def export_tokens(call: Call[Export, NoBody]) -> Page[ExportedItem]:
        given = call.given
        after = _after(given, TOKENS)
        page = await token_page(access, given.cpo, given.emsp, after, given.limit)
        following = page.last_serial
        return Page(
            items=_exported(zip(page.serials, page.texts, strict=True)),
            next=cursor_text(TOKENS, following) if following is not None else None,
        )

    async def export_cdrs(call: Call[CdrExportGiven, NoBody]) -> CdrExportPage:
        given = call.given
        export = CdrExport(access, given.cpo, given.emsp, Window(given.since, given.until))
        began = timestamp(await export.begin())
        items = await export.page(_after(given, CDRS), given.limit)
        return CdrExportPage(
            items=_exported(items),
            # A part may be short because CDRs are large: the end is one without any.
            next=cursor_text(CDRS, items[-1][0]) if items else None,
            began=began,
        )

    async def hand_over(call: Call[NoParameters, Delivered]) -> HandedOver:
        body = call.body
        export = CdrExport(access, body.cpo, body.emsp, Window(body.since, body.until))
        return HandedOver(delivered=await export.hand_over_written(body.last, body.began))

    async def runs(call: Call[RunListing, NoBody]) -> Page[CdrRunItem]:
        return await list_runs(CdrBatches(access.database), call.given)

    async def imports(call: Call[ImportListing, NoBody]) -> Page[FileImportItem]:
        return await list_imports(FileImportStore(access.database), call.given)

    async def one_import(call: Call[ImportGiven, NoBody]) -> FileImportItem:
        return await find_import(FileImportStore(access.database), call.given.id)

    read, operate = Scope.READ, Scope.OPERATE
    none = NoParameters
    return (
        Route("POST", f"{API}/token-imports", operate, "Import a token list",
              none, TokenFile, TokenImportItem, take_tokens, max_body_bytes=MAX_BYTES),
        Route("POST", f"{API}/cdr-imports", operate, "Take a CPO's CDRs into custody from a file",
              none, CdrFile, CdrImportItem, take_cdrs, max_body_bytes=MAX_BYTES),
        Route("GET", f"{API}/file-imports", read, "Imports of files, newest first",
              ImportListing, NoBody, Page[FileImportItem], imports),
        Route("GET", f"{API}/file-imports/{{id}}", read, "One import of a file",
              ImportGiven, NoBody, FileImportItem, one_import),
        # Texts hold what names drivers, which `read` is never shown of many at once.
        Route("GET", f"{API}/token-export", operate, "The tokens of an eMSP that a CPO may see",
              Export, NoBody, Page[ExportedItem], export_tokens),
        Route("GET", f"{API}/cdr-export", operate,
              "A CPO's CDRs for an eMSP that no hold keeps back",
              CdrExportGiven, NoBody, CdrExportPage, export_cdrs),
        Route("POST", f"{API}/cdr-export/delivered", operate,
              "What waits and is in an export is delivered by it",
              none, Delivered, HandedOver, hand_over),
        Route("GET", f"{API}/cdr-runs", read, "CDRs that are due together, newest first",
              RunListing, NoBody, Page[CdrRunItem], runs),
    )  # fmt: skip


def import_plan(access: OperatorAccess, file: File) -> ImportPlan:
    """What to do with a file that came in a request."""
    tokens = file if isinstance(file, TokenFile) else None
    return ImportPlan(
        file_format=file.format,
        full=tokens.full if tokens else False,
        allow_errors=file.allow_errors,
        dry_run=file.dry_run,
        as_of=tokens.as_of if tokens else None,
        max_bytes=access.settings.max_object_bytes,
        at_once=AT_ONCE,
    )


def _after(given: Listing, kind: str) -> int:
    place = given.place(kind, int)
    return int(place[0]) if place else 0


def _exported(rows: Iterable[tuple[int, str]]) -> tuple[ExportedItem, ...]:
    return tuple(ExportedItem(serial=serial, text=text) for serial, text in rows)


async def list_runs(batches: CdrBatches, given: RunListing) -> Page[CdrRunItem]:
    """Those that match, newest first."""
    place = given.place(RUNS, str, str, str)
    found = await batches.runs(given.cpo, given.emsp, given.limit + 1, _run(place))
    return page_of(
        found,
        given.limit,
        cdr_run_item,
        lambda last: cursor_text(RUNS, str(last.cpo), str(last.emsp), last.due_at.isoformat()),
    )


def _run(place: Place | None) -> tuple[PartyId, PartyId, datetime] | None:
    """Raises Refusal: it is no place of a run."""
    if place is None:
        return None
    cpo, emsp, due_at = map(str, place)
    try:
        return PartyId.parse(cpo), PartyId.parse(emsp), datetime.fromisoformat(due_at)
    except ValueError:
        raise invalid("next", "is no `next` of this list: begin without one") from None


async def list_imports(store: FileImportStore, given: ImportListing) -> Page[FileImportItem]:
    """Those that match, newest first."""
    place = given.place(IMPORTS, int)
    before = int(place[0]) if place else None
    found = await store.list(given.module, given.owner, given.limit + 1, before=before)
    return page_of(
        found, given.limit, file_import_item, lambda last: cursor_text(IMPORTS, last.import_id)
    )


async def find_import(store: FileImportStore, number: int) -> FileImportItem:
    """One import.

    Raises:
        NoSuchObject: there is none of this number.
    """
    found = await store.list(None, None, 1, before=number + 1)
    if not found or found[0].import_id != number:
        raise NoSuchObject(f"there is no import {number}")
    return file_import_item(found[0])
