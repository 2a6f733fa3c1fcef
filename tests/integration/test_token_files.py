"""Token lists by file, on a real database: commands, effects, atomicity, kills."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ocpi_hub.admin.actions import file_imports
from ocpi_hub.admin.actions.token_files import IncomingTokens
from ocpi_hub.cli.main import build_parser
from ocpi_hub.delivery.files.imports import FileImport, StagedRow
from ocpi_hub.delivery.shared import Change
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import OperatorError, StoreUnavailable
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.authorization import PostgresTokenLookup
from ocpi_hub.store.database import Database
from ocpi_hub.store.shared import PostgresSharedStore
from tests.support.directory import KEY, insert_platform
from tests.support.factories import CPO, EMSP, text, token
from tests.support.postgres import make_settings
from tests.support.stores import execute, shared_store, value, writing

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


def tokens(*uids: str, **fields: object) -> list[str]:
    return [text(token(uid, **fields)) for uid in uids]


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
