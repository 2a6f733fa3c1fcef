"""What an import of a file works with: the plan, what comes, who looks on, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from ocpi_hub.delivery.files.columns import Table
from ocpi_hub.delivery.files.imports import Figures, FileImport, StagedRow
from ocpi_hub.delivery.files.lines import Fault
from ocpi_hub.delivery.files.records import FileFormat, Record
from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.store.database import Connection


@value
class ImportPlan:
    """What to do with a file.

    Attributes:
        full: what the file lacks is not valid any more.
        allow_errors: take what is good although something is wrong.
        dry_run: only say what would become of it.
        as_of: when the file's content was true; None: now.
        max_bytes: of an object.
        at_once: objects that are checked or written without a pause; None: a thousand.
    """

    file_format: FileFormat
    full: bool
    allow_errors: bool
    dry_run: bool
    as_of: datetime | None
    max_bytes: int
    at_once: int | None = None


@value
class Watch:
    """Who looks on.

    Attributes:
        faulty: told about each line that cannot be taken.
        approved: told how many objects will be taken over.
        applied: told how many were, batch by batch.
    """

    faulty: Callable[[Fault], None]
    approved: Callable[[int], None] = lambda _total: None
    applied: Callable[[int], None] = lambda _rows: None


class Incoming(Protocol):
    """Objects of one module and owner that come by file.

    Attributes:
        unchangeable: what the hub has stands, whatever a file says.
    """

    module: str
    owner: PartyId
    table: Table
    unchangeable: bool

    def check(self, record: Record) -> StagedRow:
        """The object of a line.

        Raises:
            OcpiError: it cannot be taken.
        """
        ...

    async def conflicts(self, rows: Sequence[StagedRow]) -> Sequence[Fault]:
        """What cannot be taken because of what the hub has."""
        ...

    async def preview(self, rows: Sequence[StagedRow]) -> Figures:
        """What would become of objects; nothing is written."""
        ...

    async def apply(self, running: FileImport, rows: Sequence[StagedRow]) -> None:
        """Take objects over, and settle their rows in the same transaction."""
        ...

    async def conclude(self, connection: Connection, finished: FileImport) -> None:
        """In the transaction that ends an import."""
        ...


@value
class Imported:
    """What came of a file.

    Attributes:
        absent: with `full`, in a dry run: tokens that the file lacks.
        resumed: an import whose process had died was brought to its end first.
    """

    ended: FileImport
    figures: Figures
    dry_run: bool
    absent: int | None = None
    resumed: bool = False
