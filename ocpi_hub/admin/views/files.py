"""How imports of files look."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ocpi_hub.admin.actions.incoming import Imported
from ocpi_hub.admin.views.base import Moment, Page, PartyText, View, moment
from ocpi_hub.delivery.files.imports import FileImport, ImportState
from ocpi_hub.delivery.files.records import FileFormat
from ocpi_hub.delivery.whitelist_runs import RunState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.cdr_batches import CdrRun
from ocpi_hub.store.token_file import NotedRun


class ImportItem(View):
    """What came of a file; of a dry run, what would."""

    format: FileFormat
    dry_run: bool
    resumed: bool = Field(description="an import whose process had died was completed first")
    seen: int = Field(description="objects in the file")
    added: int
    changed: int
    known: int = Field(description="as the hub has them")
    older: int = Field(description="than what the hub has, which stays")
    errors: int = Field(description="could not be taken")


class TokenImportItem(ImportItem):
    """An eMSP's token list."""

    emsp: PartyText
    absent: int | None = Field(description="tokens that a full list lacks; null: not compared")
    run: int | None = Field(description="in `whitelist runs`")
    state: RunState | None = Field(description="running: what it lacks is being withdrawn")
    note: str | None


class CdrImportItem(ImportItem):
    """CDRs of a CPO."""

    cpo: PartyText


class FileImportItem(View):
    """An import on record."""

    id: int = Field(description="its number")
    module: str
    owner: PartyText
    state: ImportState = Field(description="applying: the next import of this owner completes it")
    full: bool
    as_of: Moment
    started_at: Moment
    finished_at: Moment | None
    seen: int
    added: int
    changed: int
    known: int
    older: int
    errors: int
    note: str | None


class ExportedItem(View):
    """An object of an export."""

    serial: int = Field(description="its place in the export; it never changes")
    text: str = Field(description="the object as JSON, as its owner wrote it")


class CdrExportPage(Page[ExportedItem]):
    """A part of an export of CDRs."""

    began: Moment = Field(
        description="of the first part: `began` for what is delivered by the export"
    )


class HandedOver(View):
    """What an export has delivered."""

    delivered: int = Field(description="CDRs that waited for the eMSP")


class CdrRunItem(View):
    """The CDRs of a relation that are due at the end of one period."""

    cpo: PartyText
    emsp: PartyText
    due_at: Moment
    state: Literal["gathering", "running", "done"] = Field(
        description="gathering: the period has not ended; done: none waits for its eMSP"
    )
    cdrs: int
    delivered: int
    refused: int
    waiting: int
    held: int = Field(description="wait for an operator")
    stuck: int = Field(description="uncertain or dead: an operator has to look")
    finished_at: Moment | None


def cdr_run_item(run: CdrRun) -> CdrRunItem:
    done = not run.gathering and not run.waiting
    return CdrRunItem(
        cpo=str(run.cpo),
        emsp=str(run.emsp),
        due_at=timestamp(run.due_at),
        state="gathering" if run.gathering else "done" if done else "running",
        cdrs=run.cdrs,
        delivered=run.delivered,
        refused=run.refused,
        waiting=run.waiting,
        held=run.held,
        stuck=run.stuck,
        finished_at=moment(run.changed_at) if done else None,
    )


def file_import_item(found: FileImport) -> FileImportItem:
    figures = found.figures
    return FileImportItem(
        id=found.import_id,
        module=found.module,
        owner=str(found.owner),
        state=found.state,
        full=found.full,
        as_of=timestamp(found.as_of),
        started_at=timestamp(found.started_at),
        finished_at=moment(found.finished_at),
        seen=found.seen,
        added=figures.added,
        changed=figures.changed,
        known=figures.known,
        older=figures.older,
        errors=figures.errors,
        note=found.note,
    )


def token_import_item(
    emsp: PartyId, file_format: FileFormat, imported: Imported, noted: NotedRun | None
) -> TokenImportItem:
    return TokenImportItem(
        **dict(_item(file_format, imported)),
        emsp=str(emsp),
        absent=noted.absent if noted else imported.absent,
        run=noted.run_id if noted else None,
        state=noted.state if noted else None,
        note=noted.note if noted else None,
    )


def cdr_import_item(cpo: PartyId, file_format: FileFormat, imported: Imported) -> CdrImportItem:
    return CdrImportItem(**dict(_item(file_format, imported)), cpo=str(cpo))


def _item(file_format: FileFormat, imported: Imported) -> ImportItem:
    figures = imported.figures
    return ImportItem(
        format=file_format,
        dry_run=imported.dry_run,
        resumed=imported.resumed,
        seen=imported.ended.seen,
        added=figures.added,
        changed=figures.changed,
        known=figures.known,
        older=figures.older,
        errors=figures.errors,
    )
