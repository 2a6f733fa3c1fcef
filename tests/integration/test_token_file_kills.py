"""Imports of token lists that break off, and those that go on with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.admin.actions import file_imports
from ocpi_hub.admin.actions.token_files import IncomingTokens
from ocpi_hub.delivery.files.imports import FileImport, StagedRow
from ocpi_hub.errors import OperatorError, StoreUnavailable
from ocpi_hub.store import file_import
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.stores import value
from tests.support.token_files import (
    IMPORT,
    Run,
    runs,
    staged,
    stored,
    token_hub,
    tokens,
    written,
)


@pytest_asyncio.fixture
async def run(address: DatabaseAddress, database: Database) -> Run:
    return await token_hub(address, database)


class Killed(Exception):
    """The process is gone."""


async def test_who_dies_while_reading_leaves_nothing_behind(
    run: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_imports, "ROWS", 2)
    file = written(tmp_path / "in.jsonl", tokens(*(f"T{n}" for n in range(5))))
    with monkeypatch.context() as patch:

        def die(self: IncomingTokens, record: Any) -> StagedRow:
            if record.line == 5:
                raise Killed
            return whole(self, record)

        async def vanish(*_: object) -> None:
            """A killed process does not tidy up."""

        whole = IncomingTokens.check
        patch.setattr(IncomingTokens, "check", die)
        patch.setattr(file_imports, "_give_up", vanish)
        with pytest.raises(Killed):
            await run(*IMPORT, file)
    assert await stored(database) == {}
    assert await staged(database) == 4
    result = await run(*IMPORT, file)
    assert (result["added"], result["resumed"]) == (5, False)
    assert await staged(database) == 0
    notes = "select array_agg(state order by import_id) from file_import"
    assert await value(database, notes) == ["failed", "done"]


async def test_who_dies_while_taking_over_is_followed_by_the_next_import(
    run: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_imports, "ROWS", 2)
    uids = [f"T{n}" for n in range(5)]
    with monkeypatch.context() as patch:
        batches = 0

        async def die(self: IncomingTokens, running: FileImport, rows: Any) -> None:
            nonlocal batches
            batches += 1
            if batches == 2:
                raise Killed
            await whole(self, running, rows)

        whole = IncomingTokens.apply
        patch.setattr(IncomingTokens, "apply", die)
        with pytest.raises(Killed):
            await run(*IMPORT, written(tmp_path / "in.jsonl", tokens(*uids)), "--full")
    assert list(await stored(database)) == ["T0", "T1"]
    with pytest.raises(OperatorError, match="was interrupted: complete it first"):
        await run(*IMPORT, written(tmp_path / "other.jsonl", tokens("X1")), "--dry-run")
    assert list(await stored(database)) == ["T0", "T1"]
    result = await run(*IMPORT, written(tmp_path / "other.jsonl", tokens("X1")))
    assert result["resumed"] is True
    assert list(await stored(database)) == [*uids, "X1"]
    first, second = await runs(database)
    assert (first["extent"], first["added"], second["extent"]) == ("full", 5, "partial")


async def test_a_batch_counts_once_however_often_it_is_tried(
    run: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose_the_answer(self: PostgresSharedStore, changes: Any, also: Any) -> Any:
        await whole(self, changes, also)
        raise StoreUnavailable("the connection was lost")

    whole = PostgresSharedStore.change_all
    file = written(tmp_path / "in.jsonl", tokens("A1", "B2"))
    with monkeypatch.context() as patch:
        patch.setattr(PostgresSharedStore, "change_all", lose_the_answer)
        with pytest.raises(StoreUnavailable, match=r"completed by the next import of DE\*MSP"):
            await run(*IMPORT, file)
    again = await run(*IMPORT, file)
    assert (again["resumed"], again["known"]) == (True, 2)
    assert [each["added"] for each in await runs(database)] == [2, 0]


async def test_two_imports_of_one_owner_do_not_run_at_once(
    run: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_import, "LOCK_WAIT_S", 0.0)
    file = written(tmp_path / "in.jsonl", tokens("A1"))
    refused: list[str] = []

    async def meanwhile(self: IncomingTokens, running: FileImport, rows: Any) -> None:
        with pytest.raises(OperatorError) as error:
            await run(*IMPORT, file)
        refused.append(str(error.value))
        await whole(self, running, rows)

    whole = IncomingTokens.apply
    monkeypatch.setattr(IncomingTokens, "apply", meanwhile)
    await run(*IMPORT, file)
    assert refused == ["another import of tokens of DE*MSP is under way"]
