"""An import of a file: read and checked to its end, then taken over bit by bit.

Objects are staged in the database while the file is read, a batch at a time. When one of them is
wrong, nothing of the file counts, unless its errors are allowed. Once all is good the import is
approved, and from then on it is only a matter of time: each batch is one transaction that takes
objects over and unstages them, and whoever imports for the same owner next goes on with what a
process that died has left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from ocpi_hub.admin.actions.incoming import Imported, ImportPlan, Incoming, Watch
from ocpi_hub.delivery.files.imports import Figures, FileImport, ImportState, StagedRow
from ocpi_hub.delivery.files.lines import Fault, Source, UnusableFile
from ocpi_hub.delivery.files.records import Record, read_records, words
from ocpi_hub.errors import OcpiError, OperatorError, StoreError, StoreUnavailable
from ocpi_hub.store.file_import import FileImportStore

ROWS: Final = 1000
"""Objects of a transaction: others wait for it."""
BATCH_BYTES: Final = 8 * 1024 * 1024
"""What is held in memory at once, give or take an object."""
_NOTHING: Final = "nothing was imported"


async def run_import(
    store: FileImportStore, incoming: Incoming, source: Source, plan: ImportPlan, watch: Watch
) -> Imported:
    """Import a file.

    Raises:
        UnusableFile: nothing can be made of it.
        OperatorError: something in it is wrong, or another import is under way.
        StoreError: an import that was approved is not complete yet; the next one completes it.
    """
    async with store.alone(incoming.module, incoming.owner):
        resumed = await _resume(store, incoming, watch, plan)
        running = await store.begin(
            incoming.module, incoming.owner, plan.as_of, full=plan.full and not plan.dry_run
        )
        count = _Count(watch)
        try:
            await _stage(store, incoming, running, _records(source, incoming, plan), plan, count)
            if incoming.unchangeable:
                await _drop_conflicts(store, incoming, running, count)
            if plan.dry_run:
                return await _preview(store, incoming, running, plan, count)
            if count.errors and not plan.allow_errors:
                raise OperatorError(_refusal(count))
            running = await store.approve(running, count.seen, count.errors)
        except BaseException as error:
            with suppress(StoreError):
                await _give_up(store, running, count, error)
            raise
        watch.approved(count.seen - count.errors)
        try:
            ended = await _apply(store, incoming, running, watch, _at_once(plan))
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error}; what is left is completed by the next import of {incoming.owner}"
            ) from error
    return Imported(ended, ended.figures, dry_run=False, resumed=resumed)


def _at_once(plan: ImportPlan) -> int:
    return plan.at_once or ROWS


class _Count:
    """What was seen so far."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.seen = 0
        self.errors = 0

    def fault(self, fault: Fault) -> None:
        self.errors += 1
        self._watch.faulty(fault)


def _refusal(count: _Count) -> str:
    lines = "1 line cannot" if count.errors == 1 else f"{count.errors} lines cannot"
    return f"{_NOTHING}: {lines} be taken; --allow-errors imports the rest of the file"


async def _give_up(
    store: FileImportStore, running: FileImport, count: _Count, error: BaseException
) -> None:
    if isinstance(error, OperatorError):
        note = " ".join(str(error).split())
        await store.fail(running, count.seen, count.errors, note)
    else:
        await store.discard(running)


def _records(source: Source, incoming: Incoming, plan: ImportPlan) -> Iterator[Record | Fault]:
    return read_records(source, incoming.table, plan.file_format, max_bytes=plan.max_bytes)


async def _stage(
    store: FileImportStore,
    incoming: Incoming,
    running: FileImport,
    records: Iterable[Record | Fault],
    plan: ImportPlan,
    count: _Count,
) -> None:
    for batch in _batches(_checked(records, incoming, count), _at_once(plan), BATCH_BYTES):
        for line, first in await store.stage(running.import_id, batch):
            count.fault(Fault(line, f"has the same object as line {first}"))
    if not count.seen:
        raise UnusableFile("the file has no objects")


def _checked(
    records: Iterable[Record | Fault], incoming: Incoming, count: _Count
) -> Iterator[StagedRow]:
    """The good objects of a file, one at a time."""
    for record in records:
        count.seen += 1
        if isinstance(record, Fault):
            count.fault(record)
            continue
        try:
            row = incoming.check(record)
        except OcpiError as error:
            count.fault(Fault(record.line, words(error.message)))
        else:
            yield row


def _batches(rows: Iterator[StagedRow], most: int, max_bytes: int) -> Iterator[list[StagedRow]]:
    """Rows in groups that are full with so many rows, or so many bytes."""
    batch: list[StagedRow] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.body.encode())
        if len(batch) >= most or size >= max_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _staged(
    store: FileImportStore, running: FileImport
) -> AsyncIterator[Sequence[StagedRow]]:
    after = 0
    while rows := await store.rows(running.import_id, after, ROWS, BATCH_BYTES):
        yield rows
        after = rows[-1].line


async def _drop_conflicts(
    store: FileImportStore, incoming: Incoming, running: FileImport, count: _Count
) -> None:
    async for rows in _staged(store, running):
        faults = await incoming.conflicts(rows)
        for fault in faults:
            count.fault(fault)
        await store.drop(running.import_id, [fault.line for fault in faults])


async def _preview(
    store: FileImportStore,
    incoming: Incoming,
    running: FileImport,
    plan: ImportPlan,
    count: _Count,
) -> Imported:
    figures = Figures(errors=count.errors)
    async for rows in _staged(store, running):
        figures = figures.plus(await incoming.preview(rows))
    absent = await store.absent(running) if plan.full and not count.errors else None
    await store.discard(running)
    return Imported(running.with_seen(count.seen), figures, dry_run=True, absent=absent)


async def _apply(
    store: FileImportStore,
    incoming: Incoming,
    running: FileImport,
    watch: Watch,
    at_once: int,
) -> FileImport:
    while rows := await store.rows(running.import_id, 0, at_once, BATCH_BYTES):
        await _take_over(store, incoming, running, rows, watch)
        watch.applied(len(rows))
    return await store.finish(running, incoming.conclude)


async def _take_over(
    store: FileImportStore,
    incoming: Incoming,
    running: FileImport,
    rows: Sequence[StagedRow],
    watch: Watch,
) -> None:
    """Take objects over; what the database refuses costs the others nothing."""
    try:
        await incoming.apply(running, rows)
    except StoreUnavailable:
        raise
    except StoreError as error:
        if len(rows) > 1:
            for row in rows:
                await _take_over(store, incoming, running, [row], watch)
            return
        watch.faulty(Fault(rows[0].line, f"cannot be stored: {error}"))
        await store.leave_out(running.import_id, rows[0].line)


async def _resume(
    store: FileImportStore, incoming: Incoming, watch: Watch, plan: ImportPlan
) -> bool:
    """Bring to its end what a process that died has left; whether anything was taken over.

    Raises:
        OperatorError: there is something, and this is a dry run.
    """
    left = await store.unfinished(incoming.module, incoming.owner)
    if left is None:
        return False
    if left.state is ImportState.APPLYING and plan.dry_run:
        raise OperatorError(
            f"an import of {left.module} of {left.owner} was interrupted: complete it first,"
            " with any import of them that is no dry run"
        )
    if left.state is ImportState.APPLYING:
        await _apply(store, incoming, left, Watch(watch.faulty), _at_once(plan))
        return True
    await store.fail(left, left.seen, 0, f"{_NOTHING}: its process ended while it read the file")
    return False
