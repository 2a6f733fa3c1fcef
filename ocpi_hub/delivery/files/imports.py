"""What an import of a file is, and what it came to: values."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from ocpi_hub.domain.party import PartyId
from ocpi_hub.domain.value import value


class ImportState(StrEnum):
    """Where an import stands."""

    READING = "reading"
    """Nothing of it is visible yet."""
    APPLYING = "applying"
    """All of it was found good, and is taken over bit by bit."""
    DONE = "done"
    FAILED = "failed"


@value
class StagedRow:
    """An object of a file that was found good.

    Attributes:
        object_id: folded, as keys are.
        object_type: of a token its type, else empty.
    """

    line: int
    object_id: str
    object_type: str
    last_updated: datetime
    body: str


@value
class Figures:
    """What became of objects.

    Attributes:
        added: new ones.
        changed: newer than what the hub had; of CDRs those that go to their receiver again.
        known: as the hub had them.
        older: than what the hub has: left out.
        errors: could not be taken.
    """

    added: int = 0
    changed: int = 0
    known: int = 0
    older: int = 0
    errors: int = 0

    def plus(self, other: Figures) -> Figures:
        return Figures(
            self.added + other.added,
            self.changed + other.changed,
            self.known + other.known,
            self.older + other.older,
            self.errors + other.errors,
        )


@value
class FileImport:
    """An import as it is on record.

    Attributes:
        owner: whose objects they are.
        full: what the file lacks is not valid any more.
        as_of: when the file's content was true.
        finished_at: None while it is on its way, or waits for the next one to complete it.
        seen: objects in the file, faulty ones included.
    """

    import_id: int
    module: str
    owner: PartyId
    state: ImportState
    full: bool
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    seen: int
    figures: Figures
    note: str | None

    def with_seen(self, seen: int) -> FileImport:
        return replace(self, seen=seen)
