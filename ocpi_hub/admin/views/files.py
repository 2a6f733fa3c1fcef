"""How imports of files look."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.actions.file_imports import Imported
from ocpi_hub.admin.views.base import PartyText, View
from ocpi_hub.delivery.files.records import FileFormat
from ocpi_hub.delivery.whitelist_runs import RunState
from ocpi_hub.domain.party import PartyId
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
