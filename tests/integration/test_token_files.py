"""Token lists by file, on a real database: commands, effects, atomicity, kills."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.admin.actions import file_imports
from ocpi_hub.admin.actions.token_files import IncomingTokens
from ocpi_hub.cli.main import build_parser
from ocpi_hub.delivery.files.imports import FileImport, StagedRow
from ocpi_hub.delivery.shared import Change
from ocpi_hub.delivery.whitelist_lists import Withdrawing
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import OperatorError, StoreUnavailable
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.authorization import PostgresTokenLookup
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from ocpi_hub.store.whitelist_runs import PostgresWhitelistRuns
from tests.support.directory import KEY, insert_platform
from tests.support.factories import CPO, EMSP, text, token
from tests.support.postgres import make_settings
from tests.support.stores import LEASE, execute, shared_store, value, writing

Run = Callable[..., Awaitable[Any]]
OTHER = PartyId("FR", "OTH")


@pytest_asyncio.fixture
async def run(address: DatabaseAddress, database: Database) -> Run:
    """A hub with a CPO and an eMSP that have a relation, and its commands."""
    await insert_platform(database, "p-cpo", roles=(("CPO", str(CPO)),))
    await insert_platform(database, "p-msp", roles=(("EMSP", str(EMSP)), ("EMSP", str(OTHER))))
    await execute(
        database,
        "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id,"
        " mode) values ('NL', 'CPO', 'DE', 'MSP', 'whitelist')",
    )

    async def command(*arguments: str, **overrides: object) -> Any:
        args: argparse.Namespace = build_parser().parse_args(arguments)
        settings: Settings = make_settings(
            **{
                "database_url": address.as_dsn(),
                "secret_key": base64.b64encode(KEY).decode(),
                **overrides,
            }
        )
        result = await args.run(args, settings)
        return json.loads(json.dumps(result))

    return command


def tokens(*uids: str, owner: PartyId = EMSP, **fields: object) -> list[str]:
    return [text(token(uid, owner=owner, **fields)) for uid in uids]


def written(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
    return str(path)


async def stored(database: Database, owner: PartyId = EMSP) -> dict[str, str]:
    """Text by uid of an owner's tokens."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select object_id, body::text as body from shared_object where module = 'tokens'"
            " and not deleted and (country_code, party_id) = ($1, $2) order by serial",
            owner.country_code,
            owner.party_id,
        )
    return {row["object_id"]: row["body"] for row in rows}


async def push(database: Database, body: str, *, at: datetime | None = None) -> None:
    """A token as its owner pushes it."""
    fields = json.loads(body)
    key = ObjectKey("tokens", EMSP, fields["uid"], fields["type"])
    moment = at or datetime.fromisoformat(fields["last_updated"])
    async with shared_store(database) as store:
        await store.change(Change(key, body, False, moment, Origin.BROADCAST, "pushed"))


IMPORT = ("whitelist", "import", "--emsp", str(EMSP))
EXPORT = ("whitelist", "export", "--cpo", str(CPO), "--emsp", str(EMSP))


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


async def runs(database: Database) -> list[dict[str, Any]]:
    async with database.connection() as connection:
        rows = await connection.fetch("select * from whitelist_run order by run_id")
    return [dict(row) for row in rows]


async def staged(database: Database) -> int:
    return int(await value(database, "select count(*) from file_import_row"))


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
