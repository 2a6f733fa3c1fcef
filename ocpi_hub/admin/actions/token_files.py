"""Token lists by file: import and export (docs/files.md)."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import change
from ocpi_hub.admin.actions.file_imports import run_import
from ocpi_hub.admin.actions.incoming import ImportPlan, Watch
from ocpi_hub.admin.views.files import TokenImportItem, token_import_item
from ocpi_hub.authorization.candidates import TOKEN_OWNERS
from ocpi_hub.delivery.files.imports import Figures, FileImport, StagedRow
from ocpi_hub.delivery.files.lines import Fault, Source
from ocpi_hub.delivery.files.records import Record
from ocpi_hub.delivery.files.tables import TOKENS
from ocpi_hub.delivery.kinds import KINDS
from ocpi_hub.delivery.shared import Change, Changed, Page
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import Module, PartyId, PlatformId
from ocpi_hub.errors import InvalidRequest, OperatorError
from ocpi_hub.ocpi.paging import Cursor, PageRequest
from ocpi_hub.store.database import Connection
from ocpi_hub.store.file_import import FileImportStore, settle_rows
from ocpi_hub.store.liveness import note_listed
from ocpi_hub.store.shared import PostgresSharedStore
from ocpi_hub.store.token_file import NotedRun, note_token_file

PAGE: Final = 1000
PAGE_BYTES: Final = 8 * 1024 * 1024

_AS_IT_IS: Final = frozenset({Changed.UNCHANGED, Changed.STALE})


async def import_tokens(
    access: OperatorAccess, emsp: PartyId, source: Source, plan: ImportPlan, watch: Watch
) -> TokenImportItem:
    """Take over an eMSP's token list.

    Raises:
        OperatorError: the eMSP is not on board, or see `run_import`.
    """
    directory = await access.load()
    platform_id = _platform_of(directory, emsp)
    incoming = IncomingTokens(access, emsp, platform_id)
    store = FileImportStore(access.database)
    async with change("token.import", str(emsp)) as noted:
        imported = await run_import(store, incoming, source, plan, watch)
        item = token_import_item(emsp, plan.file_format, imported, incoming.noted)
        return noted.became(item)


async def related_tokens(access: OperatorAccess, cpo: PartyId, emsp: PartyId) -> AsyncIterator[str]:
    """An eMSP's tokens as a CPO may see them, as JSON texts, one page in memory.

    Raises:
        OperatorError: the two have no relation.
    """
    after: int | None = 0
    while after is not None:
        page = await token_page(access, cpo, emsp, after, PAGE)
        for text in page.texts:
            yield text
        after = page.last_serial


async def token_page(
    access: OperatorAccess, cpo: PartyId, emsp: PartyId, after: int, limit: int
) -> Page:
    """The next of these tokens after a serial; arguments and errors as of `related_tokens`."""
    directory = await access.load()
    _platform_of(directory, emsp)
    if not directory.related(cpo, emsp):
        raise OperatorError(f"{cpo} and {emsp} have no relation: see `relation list`")
    request = PageRequest(None, None, 0, limit, Cursor(after, 0), PAGE_BYTES)
    return await shared_store(access).page(Module.TOKENS.value, cpo, [emsp], request)


def shared_store(access: OperatorAccess) -> PostgresSharedStore:
    """The store of shared objects, without its writer."""
    settings = access.settings
    return PostgresSharedStore(
        access.database,
        relay_time=timedelta(seconds=settings.lease_s),
        batch_rows=settings.batch_rows,
        batch_queue_rows=1,
    )


class IncomingTokens:
    """Implements `incoming.Incoming`: tokens come as from a list of their owner's.

    Attributes:
        noted: the run that the last import became.
    """

    module = Module.TOKENS.value
    table = TOKENS
    unchangeable = False

    def __init__(self, access: OperatorAccess, owner: PartyId, platform_id: PlatformId) -> None:
        self.owner = owner
        self._platform_id = platform_id
        self._store = shared_store(access)
        self._max_depth = access.settings.max_json_depth
        self._max_bytes = access.settings.max_object_bytes
        self._hold_above = access.settings.whitelist_hold_share
        self.noted: NotedRun | None = None
        self._correlation_id = str(uuid.uuid4())

    def check(self, record: Record) -> StagedRow:
        identity = KINDS[self.module].read(record.text, self._max_depth)
        key = identity.key
        if key.owner != self.owner:
            raise InvalidRequest(f"belongs to {key.owner}, not to {self.owner}")
        if len(record.text.encode()) > self._max_bytes:
            raise InvalidRequest(f"is larger than {self._max_bytes} bytes")
        return StagedRow(
            record.line, key.object_id, key.object_type, identity.last_updated, record.text
        )

    async def conflicts(self, _rows: Sequence[StagedRow]) -> Sequence[Fault]:
        return ()

    async def preview(self, rows: Sequence[StagedRow]) -> Figures:
        return _figures(await self._store.preview(list(map(self._change, rows))))

    async def apply(self, running: FileImport, rows: Sequence[StagedRow]) -> None:
        changes = list(map(self._change, rows))
        lines = [row.line for row in rows]

        async def settle(
            connection: Connection, results: Sequence[Changed | InvalidRequest]
        ) -> None:
            await settle_rows(connection, running.import_id, lines, _figures(results))
            if running.full:
                listed = [
                    change.key
                    for change, result in zip(changes, results, strict=True)
                    if result in _AS_IT_IS
                ]
                await note_listed(connection, listed)

        await self._store.change_all(changes, settle)

    async def conclude(self, connection: Connection, finished: FileImport) -> None:
        self.noted = await note_token_file(
            connection, finished, self._platform_id, hold_above=self._hold_above
        )

    def _change(self, row: StagedRow) -> Change:
        return Change(
            key=ObjectKey(self.module, self.owner, row.object_id, row.object_type),
            body=row.body,
            partial=False,
            last_updated=row.last_updated,
            origin=Origin.PULL,
            correlation_id=self._correlation_id,
            max_bytes=self._max_bytes,
        )


def _figures(results: Sequence[Changed | InvalidRequest]) -> Figures:
    count = Counter(results)
    added, changed = count.pop(Changed.CREATED, 0), count.pop(Changed.UPDATED, 0)
    known, older = count.pop(Changed.UNCHANGED, 0), count.pop(Changed.STALE, 0)
    return Figures(added, changed, known, older, errors=count.total())


def _platform_of(directory: Directory, emsp: PartyId) -> PlatformId:
    """The platform of a party that may own tokens.

    Raises:
        OperatorError: it has none, or is something else.
    """
    platform = directory.platform_of(emsp)
    if platform is None:
        raise OperatorError(f"{emsp} is not on board: see `platform list`")
    if directory.roles_of(emsp).isdisjoint(TOKEN_OWNERS):
        raise OperatorError(f"{emsp} is no eMSP: its tokens would count for nobody")
    return platform.platform_id
