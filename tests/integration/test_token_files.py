"""Token lists by file, on a real database: commands, effects, atomicity, kills."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.delivery.shared import Change
from ocpi_hub.delivery.whitelist_lists import Withdrawing
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.errors import OperatorError, StoreUnavailable
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.authorization import PostgresTokenLookup
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from ocpi_hub.store.whitelist_runs import PostgresWhitelistRuns
from tests.support.factories import CPO, EMSP, text, token
from tests.support.stores import LEASE, execute, shared_store, value, writing
from tests.support.token_files import (
    EXPORT,
    IMPORT,
    OTHER,
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


async def push(database: Database, body: str, *, at: datetime | None = None) -> None:
    """A token as its owner pushes it."""
    fields = json.loads(body)
    key = ObjectKey("tokens", EMSP, fields["uid"], fields["type"])
    moment = at or datetime.fromisoformat(fields["last_updated"])
    async with shared_store(database) as store:
        await store.change(Change(key, body, False, moment, Origin.BROADCAST, "pushed"))


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
async def test_what_is_exported_is_imported_the_same(
    run: Run, database: Database, tmp_path: Path, suffix: str
) -> None:
    bodies = tokens("A1", "B2", visual_number="=SUM(1)", number=1.50)
    source = written(tmp_path / "in.jsonl", bodies)
    result = await run(*IMPORT, source)
    assert (result["seen"], result["added"], result["errors"]) == (2, 2, 0)
    before = await stored(database)
    assert list(before.values()) == bodies
    out = str(tmp_path / f"out.{suffix}")
    assert await run(*EXPORT, "--out", out) == {"file": out, "format": suffix, "written": 2}
    again = await run(*IMPORT, out)
    assert (again["known"], again["changed"], again["added"]) == (2, 0, 0)
    await execute(database, "delete from shared_object")
    await run(*IMPORT, out)
    after = await stored(database)
    if suffix == "jsonl":
        assert after == before
    assert [json.loads(body) for body in after.values()] == list(map(json.loads, before.values()))


async def knowledge_age_s(database: Database, uid: str) -> float | None:
    lookup = PostgresTokenLookup(database, batch_rows=10, batch_queue_rows=10)
    async with writing(lookup.questions):
        (known,) = await lookup.find(uid, "RFID", CPO)
    return known.knowledge_age_s


async def test_one_faulty_line_keeps_the_whole_file_out_and_is_named(
    run: Run, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        *tokens("A1"),
        "{not json",
        *tokens("B2", owner=OTHER),
        *tokens("a1", type="RFID"),
        text({"country_code": "DE", "party_id": "MSP", "uid": "C3"}),
        *tokens("D4"),
    ]
    file = written(tmp_path / "bad.jsonl", lines)
    with pytest.raises(OperatorError, match=r"nothing was imported: 4 lines cannot be taken"):
        await run(*IMPORT, file)
    assert await stored(database) == {}
    assert await staged(database) == 0
    assert await runs(database) == []
    shown = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in shown] == ["line 2", "line 3", "line 5", "line 4"]
    assert shown[1] == "line 3: belongs to FR*OTH, not to DE*MSP"
    assert shown[3] == "line 4: has the same object as line 1"
    result = await run(*IMPORT, file, "--allow-errors", "--full")
    assert (result["seen"], result["added"], result["errors"]) == (6, 2, 4)
    assert result["note"] == "nothing is withdrawn: 4 lines could not be taken"
    assert list(await stored(database)) == ["A1", "D4"]


async def test_a_list_with_errors_is_no_knowledge(
    run: Run, database: Database, tmp_path: Path
) -> None:
    await run(*IMPORT, written(tmp_path / "one.jsonl", tokens("A1")), "--as-of", "2026-10-02")
    age = await knowledge_age_s(database, "A1")
    assert age is not None
    file = written(tmp_path / "two.jsonl", [*tokens("A1"), "?"])
    await execute(database, "update shared_object set changed_at = now() - interval '9 days'")
    await execute(database, "update party set tokens_known_at = now() - interval '8 days'")
    await run(*IMPORT, file, "--allow-errors")
    assert await knowledge_age_s(database, "A1") >= timedelta(days=8).total_seconds()  # type: ignore[operator]  # it is known
    await run(*IMPORT, written(tmp_path / "three.jsonl", tokens("A1")))
    assert await knowledge_age_s(database, "A1") < timedelta(days=1).total_seconds()  # type: ignore[operator]  # likewise


async def test_nothing_newer_is_replaced_by_something_older(
    run: Run, database: Database, tmp_path: Path
) -> None:
    newer = token("A1", valid=False, last_updated="2026-10-05T08:00:00Z")
    await push(database, text(newer))
    result = await run(*IMPORT, written(tmp_path / "old.jsonl", tokens("A1", "B2")))
    assert (result["older"], result["added"]) == (1, 1)
    assert json.loads((await stored(database))["A1"])["valid"] is False


async def test_an_import_moves_the_feed_as_a_push_does(
    run: Run, database: Database, tmp_path: Path
) -> None:
    before = await value(database, "select last_value from shared_object_position")
    await run(*IMPORT, written(tmp_path / "in.jsonl", tokens("A1", "B2")))
    positions = await value(
        database,
        "select array_agg(position order by position) from shared_object where position > $1",
        before - 1,
    )
    assert len(set(positions)) == 2
    again = await run(*IMPORT, written(tmp_path / "in.jsonl", tokens("A1", "B2")))
    assert again["known"] == 2
    assert positions == await value(
        database, "select array_agg(position order by position) from shared_object"
    )


async def test_a_full_list_has_withdrawn_what_it_lacks(
    run: Run, database: Database, tmp_path: Path
) -> None:
    everything = [f"T{number}" for number in range(10)]
    first = await run(*IMPORT, written(tmp_path / "all.jsonl", tokens(*everything)), "--full")
    assert (first["absent"], first["state"]) == (0, "done")
    fewer = written(tmp_path / "fewer.jsonl", tokens(*everything[1:]))
    dry = await run(*IMPORT, fewer, "--full", "--dry-run")
    assert (dry["dry_run"], dry["absent"], dry["known"], dry["run"]) == (True, 1, 9, None)
    assert len(await runs(database)) == 1
    second = await run(*IMPORT, fewer, "--full")
    assert (second["absent"], second["state"], second["known"]) == (1, "running", 9)
    last = (await runs(database))[-1]
    assert (last["source"], last["step"], last["owners"]) == ("file", "withdraw", [str(EMSP)])
    async with shared_store(database) as shared:
        withdrawal = PostgresWhitelistRuns(database, lease=LEASE)
        await Withdrawing(withdrawal, shared).sweep(asyncio.Event())
    assert list(await stored(database)) == everything[1:]
    assert [(each["state"], each["withdrawn"]) for each in await runs(database)] == [
        ("done", 0),
        ("done", 1),
    ]
    back = await run(*IMPORT, written(tmp_path / "all.jsonl", tokens(*everything)), "--full")
    assert (back["known"], back["absent"]) == (9, 0)
    assert len(await stored(database)) == 10


async def test_a_full_list_that_lacks_too_much_is_held(
    run: Run, database: Database, tmp_path: Path
) -> None:
    everything = [f"T{number}" for number in range(10)]
    await run(*IMPORT, written(tmp_path / "all.jsonl", tokens(*everything)), "--full")
    half = written(tmp_path / "half.jsonl", tokens(*everything[:5]))
    result = await run(*IMPORT, half, "--full")
    assert (result["state"], result["absent"]) == ("held", 5)
    assert result["note"] == "the list lacks 5 of 10 tokens: confirm or discard"
    assert len(await stored(database)) == 10


async def test_a_full_list_from_before_leaves_what_came_since(
    run: Run, database: Database, tmp_path: Path
) -> None:
    await push(database, text(token("NEW")))
    file = written(tmp_path / "old.jsonl", tokens("A1"))
    result = await run(*IMPORT, file, "--full", "--as-of", "2026-10-02T08:00:00Z")
    assert (result["absent"], result["state"]) == (0, "done")


async def test_tokens_of_others_and_of_strangers_are_refused(
    run: Run, database: Database, tmp_path: Path
) -> None:
    file = written(tmp_path / "in.jsonl", tokens("A1"))
    with pytest.raises(OperatorError, match=r"XX\*XXX is not on board"):
        await run("whitelist", "import", "--emsp", "XX*XXX", file)
    with pytest.raises(OperatorError, match=r"NL\*CPO is no eMSP"):
        await run("whitelist", "import", "--emsp", str(CPO), file)
    with pytest.raises(OperatorError, match="have no relation"):
        await run("whitelist", "export", "--cpo", str(CPO), "--emsp", str(OTHER))
    assert await stored(database) == {}


async def test_a_dry_run_changes_nothing(run: Run, database: Database, tmp_path: Path) -> None:
    await push(database, text(token("A1")))
    lines = [*tokens("A1", issuer="Another"), *tokens("B2")]
    result = await run(*IMPORT, written(tmp_path / "in.jsonl", lines), "--dry-run")
    assert (result["changed"], result["added"], result["run"]) == (1, 1, None)
    assert list(await stored(database)) == ["A1"]
    assert await value(database, "select count(*) from file_import") == 0
    assert await staged(database) == 0


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.jsonl", b"", "no objects"),
        ("x.csv", b"", "no objects"),
        ("x.csv", b"uid;colour\r\n", "no column 'colour'"),
        ("x.csv", b"uid,uid\n", "comes twice"),
        ("x.csv", b"country_code,uid\n", "party_id is missing"),
        ("x.csv", "uid,type".encode("utf-16"), "UTF-16"),
        ("x.jsonl", b"[{}]", "JSON list"),
        ("x.txt", b"{}", "--format"),
    ],
)
async def test_a_file_of_which_nothing_can_be_made_is_refused_as_a_whole(
    run: Run, database: Database, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OperatorError, match=reason):
        await run(*IMPORT, str(tmp_path / name))
    with pytest.raises(OperatorError, match="cannot be read"):
        await run(*IMPORT, str(tmp_path / "missing.csv"))
    assert await stored(database) == {}


async def test_an_export_that_fails_leaves_the_old_file(
    run: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before", encoding="utf-8")
    await run(*IMPORT, written(tmp_path / "in.jsonl", tokens("A1")))

    async def break_off(*_: object, **__: object) -> Any:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(PostgresSharedStore, "page", break_off)
        with pytest.raises(StoreUnavailable):
            await run(*EXPORT, "--out", str(out))
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.jsonl"]
    assert out.read_text(encoding="utf-8") == "before"
    await run(*EXPORT, "--out", str(out))
    assert out.stat().st_mode & 0o077 == 0


async def test_standard_output_holds_the_tokens_alone(
    run: Run, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    bodies = tokens("A1", "B2")
    await run(*IMPORT, written(tmp_path / "in.jsonl", bodies))
    assert await run(*EXPORT) is None
    assert capfdbinary.readouterr().out.decode().splitlines() == bodies
    with pytest.raises(OperatorError, match="--out"):
        await run(*EXPORT, "--json")
