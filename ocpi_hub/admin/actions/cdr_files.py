"""CDRs by file: import and export (docs/files.md)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change
from ocpi_hub.admin.actions.file_imports import run_import
from ocpi_hub.admin.actions.incoming import ImportPlan, Watch
from ocpi_hub.admin.views.files import CdrImportItem, cdr_import_item
from ocpi_hub.clearing.checks import configured_rules
from ocpi_hub.clearing.ledger import Examination, ledger_facts
from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.cdr_batches import batch_due
from ocpi_hub.delivery.cdr_examiner import CdrExaminer
from ocpi_hub.delivery.custody import Intake, Patience, Repeat, Start, TakenIn, judge_repeat
from ocpi_hub.delivery.files.imports import Figures, FileImport, StagedRow
from ocpi_hub.delivery.files.lines import Fault, Source
from ocpi_hub.delivery.files.records import Record
from ocpi_hub.delivery.files.tables import CDRS
from ocpi_hub.delivery.keepable import require_keepable
from ocpi_hub.delivery.listed import receiving_platform
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import InterfaceRole, Module, PartyId
from ocpi_hub.domain.value import value
from ocpi_hub.errors import InvalidRequest, OperatorError
from ocpi_hub.ocpi.json_text import fingerprint
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.routing.rules import RULES
from ocpi_hub.settings import Settings
from ocpi_hub.store.cdr_files import PAGE, CdrFileStore
from ocpi_hub.store.check_context import CheckContexts
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Connection
from ocpi_hub.store.file_import import FileImportStore, settle_rows

CDR_OWNERS: Final = RULES[Module.CDRS].callers[InterfaceRole.RECEIVER]
_TAKEN_AGAIN: Final = frozenset({Repeat.REPLACE, Repeat.SEND_AGAIN})


@value
class Window:
    """Which CDRs to export, by the time at which they changed for their receiver.

    Attributes:
        since: inclusive.
        until: exclusive.
    """

    since: datetime | None = None
    until: datetime | None = None


async def import_cdrs(
    access: OperatorAccess, cpo: PartyId, source: Source, plan: ImportPlan, watch: Watch
) -> CdrImportItem:
    """Take a CPO's CDRs into custody; the hub delivers them.

    Raises:
        OperatorError: the CPO is not on board, or see `run_import`.
    """
    directory = await access.load()
    if directory.roles_of(cpo).isdisjoint(CDR_OWNERS):
        raise OperatorError(f"{cpo} is not on board as a CPO: see `platform list`")
    incoming = IncomingCdrs(access, cpo, directory)
    async with change("cdr.import", str(cpo)) as noted:
        imported = await run_import(FileImportStore(access.database), incoming, source, plan, watch)
        return noted.became(cdr_import_item(cpo, plan.file_format, imported))


class CdrExport:
    """A CPO's CDRs for an eMSP that no hold keeps back, one page in memory."""

    def __init__(self, access: OperatorAccess, cpo: PartyId, emsp: PartyId, window: Window) -> None:
        self._store = CdrFileStore(access.database)
        self._margin = 2 * timedelta(seconds=access.settings.transaction_timeout_s)
        self._cpo = cpo
        self._emsp = emsp
        self._window = window
        self._last = 0
        self._began: datetime | None = None

    async def begin(self) -> datetime:
        """Up to when an export that begins now is complete: for `hand_over_written`."""
        return await self._store.settled_before(self._margin)

    async def page(self, after: int, limit: int = PAGE) -> Sequence[tuple[int, str]]:
        """The next CDRs after a serial, each with its own; empty at the end."""
        window = (self._window.since, self._window.until)
        return await self._store.page(self._cpo, self._emsp, after, *window, limit)

    async def texts(self) -> AsyncIterator[str]:
        """The CDRs as JSON."""
        self._began = await self.begin()
        while page := await self.page(self._last):
            for _, text in page:
                yield text
            self._last = page[-1][0]

    async def hand_over(self) -> int:
        """Once all is written: what waited is delivered by the file; how many CDRs that are. What
        changed shortly before the file was begun goes on waiting."""
        if self._began is None:
            return 0
        return await self.hand_over_written(self._last, self._began)

    async def hand_over_written(self, last: int, began: datetime) -> int:
        """The same for who has read the pages one by one.

        Args:
            last: the last serial that was written.
            began: what `begin` said before the first page was read; what is later is not believed.
        """
        window = (self._window.since, self._window.until)
        known = min(began, await self.begin())
        async with change("cdr.hand_over", f"{self._cpo}/{self._emsp}") as noted:
            delivered = await self._store.hand_over(self._cpo, self._emsp, last, *window, known)
            noted.after = {"delivered": delivered}
        return delivered


class IncomingCdrs:
    """Implements `incoming.Incoming`: CDRs are taken in as if they were posted."""

    module = Module.CDRS.value
    table = CDRS
    unchangeable = True

    def __init__(self, access: OperatorAccess, owner: PartyId, directory: Directory) -> None:
        settings = access.settings
        self.owner = owner
        self._directory = directory
        self._custody = _custody(access, settings)
        self._existing = CdrFileStore(access.database)
        self._max_depth = settings.max_json_depth
        contexts = CheckContexts(
            access.database,
            SystemClock(),
            batch_rows=settings.batch_rows,
            batch_queue_rows=settings.batch_queue_rows,
        )
        self._examiner = CdrExaminer(contexts, configured_rules(settings), SystemClock())

    def check(self, record: Record) -> StagedRow:
        cdr = self._read(record.text)
        if cdr.owner != self.owner:
            raise InvalidRequest(f"belongs to {cdr.owner}, not to {self.owner}")
        require_keepable("id", cdr.id)
        receiving_platform(cdr.cdr_token.owner, self.owner, self._directory)
        key = ObjectKey(self.module, self.owner, cdr.id)
        return StagedRow(record.line, key.object_id, "", cdr.last_updated, record.text)

    async def conflicts(self, rows: Sequence[StagedRow]) -> Sequence[Fault]:
        repeats = await self._repeats(rows)
        text = "is not what the hub has under this id: a CDR cannot be changed"
        return [Fault(line, text) for line, repeat in repeats if repeat is Repeat.CONFLICT]

    async def preview(self, rows: Sequence[StagedRow]) -> Figures:
        return _figures([repeat for _, repeat in await self._repeats(rows)])

    async def apply(self, running: FileImport, rows: Sequence[StagedRow]) -> None:
        lines = [row.line for row in rows]

        async def settle(connection: Connection, taken: Sequence[TakenIn]) -> None:
            figures = _figures([each.repeat for each in taken])
            await settle_rows(connection, running.import_id, lines, figures)

        cdrs = [self._read(row.body) for row in rows]
        examined = await self._examiner.examine_listed(
            [(cdr, self._directory.relation(self.owner, cdr.cdr_token.owner)) for cdr in cdrs]
        )
        intakes = list(map(self._intake, rows, cdrs, examined))
        await self._custody.take_in_all(intakes, settle)

    async def conclude(self, connection: Connection, finished: FileImport) -> None:
        """What follows is up to custody."""

    async def _repeats(self, rows: Sequence[StagedRow]) -> Sequence[tuple[int, Repeat | None]]:
        """What each CDR means beside what is in custody; None: a new one."""
        # Nothing is taken in, so nothing has to be examined.
        read = [(row, self._read(row.body)) for row in rows]
        intakes = [self._intake(row, cdr, Examination(ledger_facts(cdr))) for row, cdr in read]
        there = await self._existing.find_all([intake.key for intake in intakes])
        return [
            (row.line, judge_repeat(existing, intake) if existing else None)
            for row, intake in zip(rows, intakes, strict=True)
            for existing in (there.get(intake.key),)
        ]

    def _read(self, text: str) -> CDR:
        return parse_object(text.encode(), CDR, max_depth=self._max_depth).value

    def _intake(self, row: StagedRow, cdr: CDR, examined: Examination) -> Intake:
        receiver = cdr.cdr_token.owner
        platform = self._directory.platform_of(receiver)
        pushable = platform is not None and (
            (self.module, InterfaceRole.RECEIVER) in platform.endpoints
        )
        reason = examined.hold_reason
        start = Start.WAIT if pushable else Start.PULL
        relation = self._directory.relation(self.owner, receiver)
        return Intake(
            key=ObjectKey(self.module, self.owner, cdr.id),
            receiver=receiver,
            body=row.body,
            fingerprint=fingerprint(row.body),
            last_updated=cdr.last_updated,
            correlation_id=str(uuid.uuid4()),
            start=Start.HOLD if reason else start,
            attempt_id=uuid.uuid4(),
            reason=reason,
            batch_due_at=batch_due(relation, datetime.now(UTC)),
            examined=examined,
        )


def _figures(repeats: Sequence[Repeat | None]) -> Figures:
    added = repeats.count(None)
    changed = sum(repeat in _TAKEN_AGAIN for repeat in repeats)
    conflicts = repeats.count(Repeat.CONFLICT)
    known = len(repeats) - added - changed - conflicts
    return Figures(added=added, changed=changed, known=known, errors=conflicts)


def _custody(access: OperatorAccess, settings: Settings) -> PostgresCustodyStore:
    """The store of custody, without its writers."""
    return PostgresCustodyStore(
        access.database,
        lease=timedelta(seconds=settings.lease_s),
        patience=Patience(
            settings.retry_min_s,
            settings.retry_max_s,
            timedelta(days=settings.retry_give_up_days),
        ),
        batch_rows=settings.batch_rows,
        batch_queue_rows=1,
    )
