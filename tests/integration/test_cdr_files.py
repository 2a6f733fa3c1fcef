"""CDRs by file, on a real database: custody, conflicts, kills."""

from __future__ import annotations

import argparse
import base64
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.admin.actions import file_imports
from ocpi_hub.admin.actions.cdr_files import IncomingCdrs
from ocpi_hub.cli.main import build_parser
from ocpi_hub.delivery.files.imports import FileImport
from ocpi_hub.delivery.verdict import Delivered, Refused
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from tests.support.directory import KEY, insert_platform
from tests.support.factories import CPO, EMSP, cdr, text
from tests.support.postgres import make_settings
from tests.support.stores import (
    NO,
    OK,
    cdr_key,
    custody_store,
    ended,
    execute,
    make_intake,
    state_of,
    taken,
    value,
)

Run = Callable[..., Awaitable[Any]]
STRANGER = PartyId("FR", "OTH")
FOR_LATER = PartyId("AT", "PUL")

IMPORT = ("cdr", "import", "--cpo", str(CPO))
EXPORT = ("cdr", "export", "--cpo", str(CPO), "--emsp", str(EMSP))


@pytest_asyncio.fixture
async def run(address: DatabaseAddress, database: Database) -> Run:
    """A hub with a CPO, an eMSP that takes pushes and one that does not, and its commands."""
    await insert_platform(database, "p-cpo", roles=(("CPO", str(CPO)),))
    await insert_platform(
        database,
        "p-msp",
        roles=(("EMSP", str(EMSP)),),
        endpoints=(("cdrs", "RECEIVER", "https://partner.example/cdrs"),),
    )
    await insert_platform(database, "p-pul", roles=(("EMSP", str(FOR_LATER)),))
    await insert_platform(database, "p-oth", roles=(("EMSP", str(STRANGER)),))
    for emsp in (EMSP, FOR_LATER):
        await execute(
            database,
            "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code,"
            " emsp_party_id, mode) values ('NL', 'CPO', $1, $2, 'realtime')",
            emsp.country_code,
            emsp.party_id,
        )

    async def command(*arguments: str, **overrides: object) -> Any:
        args: argparse.Namespace = build_parser().parse_args(arguments)
        settings = make_settings(
            **{
                "database_url": address.as_dsn(),
                "secret_key": base64.b64encode(KEY).decode(),
                **overrides,
            }
        )
        return json.loads(json.dumps(await args.run(args, settings)))

    return command


@pytest_asyncio.fixture
async def store(database: Database) -> Any:
    async with custody_store(database) as store:
        yield store


def written(path: Path, bodies: list[str]) -> str:
    path.write_text("".join(f"{body}\n" for body in bodies), encoding="utf-8", newline="")
    return str(path)


def cdrs(*ids: str, **fields: object) -> list[str]:
    return [text(cdr(each) | fields) for each in ids]


async def test_imported_cdrs_are_due_like_posted_ones(
    run: Run, store: PostgresCustodyStore, tmp_path: Path
) -> None:
    bodies = [*cdrs("CDR-1"), text(cdr("CDR-2", payer=FOR_LATER))]
    result = await run(*IMPORT, written(tmp_path / "in.jsonl", bodies))
    assert (result["added"], result["errors"]) == (2, 0)
    assert await store.due_receivers([EMSP, FOR_LATER]) == [EMSP]
    (attempt,) = await store.claim(EMSP, 10)
    assert attempt.body == bodies[0]
    pulled = await store.find(cdr_key("CDR-2"))
    assert pulled is not None
    assert (pulled.state, pulled.next_attempt_at) == (DirectedState.PENDING, None)


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
async def test_what_is_exported_can_be_imported_and_is_known(
    run: Run, store: PostgresCustodyStore, database: Database, tmp_path: Path, suffix: str
) -> None:
    bodies = cdrs("CDR-1", "CDR-2", remark="=cmd|' /C calc'!A0", note={"x": None})
    await run(*IMPORT, written(tmp_path / "in.jsonl", bodies))
    out = tmp_path / f"out.{suffix}"
    assert (await run(*EXPORT, "--out", str(out)))["written"] == 2
    again = await run(*IMPORT, str(out))
    assert (again["known"], again["errors"]) == (2, 0)
    if suffix == "jsonl":
        assert out.read_text(encoding="utf-8").splitlines() == bodies
    await execute(database, "delete from directed_object")
    assert (await run(*IMPORT, str(out)))["added"] == 2


async def test_an_export_leaves_out_what_is_held_and_what_is_not_in_its_window(
    run: Run, store: PostgresCustodyStore, database: Database, tmp_path: Path
) -> None:
    await run(*IMPORT, written(tmp_path / "in.jsonl", cdrs("CDR-1", "CDR-2", "CDR-3")))
    await run(*IMPORT, written(tmp_path / "held.jsonl", cdrs("CDR-4")), hold_energy_kwh=1.0)
    assert await state_of(store, "CDR-4") is DirectedState.HELD
    await execute(
        database,
        "update directed_object set visible_at = last_updated + (right(object_id, 1)::int - 1)"
        " * interval '1 day'",
    )
    out = str(tmp_path / "out.jsonl")
    assert (await run(*EXPORT, "--out", out))["written"] == 3
    since = ("--since", "2026-10-02T09:31:00Z", "--until", "2026-10-03T09:31:00Z")
    assert (await run(*EXPORT, "--out", out, *since))["written"] == 1
    assert '"id":"CDR-2"' in Path(out).read_text(encoding="utf-8")  # noqa: ASYNC240  # a small file


async def test_a_file_that_is_handed_over_delivers_what_is_in_it(
    run: Run, store: PostgresCustodyStore, database: Database, tmp_path: Path
) -> None:
    out = ("--out", str(tmp_path / "out.jsonl"))
    await run(*IMPORT, written(tmp_path / "in.jsonl", cdrs("CDR-1", "CDR-2")))
    assert (await run(*EXPORT, *out, "--delivered"))["delivered"] == 0
    await execute(database, "update directed_object set changed_at = now() - interval '1 hour'")
    await run(*IMPORT, written(tmp_path / "held.jsonl", cdrs("CDR-3")), hold_energy_kwh=1.0)
    await run(*IMPORT, written(tmp_path / "new.jsonl", cdrs("CDR-4")))
    await execute(
        database, "update directed_object set state = 'refused' where object_id = 'CDR-2'"
    )
    result = await run(*EXPORT, *out, "--delivered")
    assert (result["written"], result["delivered"]) == (3, 1)
    states = [await state_of(store, f"CDR-{number}") for number in range(1, 5)]
    assert states == [
        DirectedState.DELIVERED,
        DirectedState.REFUSED,
        DirectedState.HELD,
        DirectedState.PENDING,
    ]
    with pytest.raises(OperatorError, match="needs --out"):
        await run(*EXPORT, "--delivered")


async def test_other_content_under_a_known_id_keeps_the_whole_file_out(
    run: Run, store: PostgresCustodyStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (body,) = cdrs("CDR-1")
    await store.record(ended(await taken(store, make_intake("CDR-1", body=body)), Delivered(OK)))
    file = written(tmp_path / "in.jsonl", [*cdrs("CDR-2"), *cdrs("CDR-1", total_energy=1)])
    with pytest.raises(OperatorError, match="nothing was imported: 1 line cannot be taken"):
        await run(*IMPORT, file)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "line 2: is not what the hub has under this id: a CDR cannot be changed"
    )
    assert await store.find(cdr_key("CDR-2")) is None
    dry = await run(*IMPORT, file, "--dry-run")
    assert (dry["added"], dry["errors"]) == (1, 1)
    result = await run(*IMPORT, file, "--allow-errors")
    assert (result["added"], result["errors"]) == (1, 1)
    assert await state_of(store, "CDR-1") is DirectedState.DELIVERED


async def test_a_refused_cdr_is_replaced_by_a_corrected_one(
    run: Run, store: PostgresCustodyStore, tmp_path: Path
) -> None:
    (body,) = cdrs("CDR-1")
    await store.record(ended(await taken(store, make_intake("CDR-1", body=body)), Refused(NO)))
    file = written(tmp_path / "in.jsonl", cdrs("CDR-1", total_energy=21))
    assert (await run(*IMPORT, file))["changed"] == 1
    assert await state_of(store, "CDR-1") is DirectedState.PENDING


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (cdr("X", owner=EMSP), r"line 1: belongs to DE\*MSP, not to NL\*CPO"),
        (cdr("X", payer=STRANGER), r"line 1: NL\*CPO and FR\*OTH have no relation"),
        (cdr("X", payer=PartyId("IT", "XXX")), r"line 1: this hub does not know IT\*XXX"),
        (cdr("X", total_energy="much"), "line 1: total_energy: "),
    ],
    ids=["foreign", "unrelated", "unknown", "invalid"],
)
async def test_a_cdr_that_a_post_would_not_bring_is_named(
    run: Run,
    database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    body: dict[str, object],
    reason: str,
) -> None:
    with pytest.raises(OperatorError):
        await run(*IMPORT, written(tmp_path / "in.jsonl", [text(body)]))
    shown = capsys.readouterr().err
    assert re.match(reason, shown)
    assert await value(database, "select count(*) from directed_object") == 0


async def test_cdrs_of_a_relation_with_batches_wait_for_its_period(
    run: Run, store: PostgresCustodyStore, database: Database, tmp_path: Path
) -> None:
    await execute(database, "update relation set cdrs = 'batch', cdr_schedule = '0 0 1 1 *'")
    await run(*IMPORT, written(tmp_path / "in.jsonl", cdrs("CDR-1")))
    row = await store.find(cdr_key("CDR-1"))
    assert row is not None
    assert row.next_attempt_at == row.batch_due_at is not None
    assert await store.due_receivers([EMSP]) == []


async def test_who_dies_in_the_middle_is_followed_and_nothing_comes_twice(
    run: Run,
    store: PostgresCustodyStore,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(Exception):
        pass

    monkeypatch.setattr(file_imports, "ROWS", 2)
    file = written(tmp_path / "in.jsonl", cdrs(*(f"CDR-{n}" for n in range(5))))
    with monkeypatch.context() as patch:
        batches = 0

        async def die(self: IncomingCdrs, running: FileImport, rows: Any) -> None:
            nonlocal batches
            batches += 1
            await whole(self, running, rows)
            if batches == 2:
                raise Killed

        whole = IncomingCdrs.apply
        patch.setattr(IncomingCdrs, "apply", die)
        with pytest.raises(Killed):
            await run(*IMPORT, file)
    assert await value(database, "select count(*) from directed_object") == 4
    result = await run(*IMPORT, file)
    assert (result["resumed"], result["known"], result["added"]) == (True, 5, 0)
    assert await value(database, "select array_agg(added order by import_id) from file_import") == [
        5,
        0,
    ]


async def test_only_a_cpo_has_cdrs(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "in.jsonl", cdrs("CDR-1"))
    with pytest.raises(OperatorError, match="not on board as a CPO"):
        await run("cdr", "import", "--cpo", str(EMSP), file)
