"""Commands about files in a small hub, and what became of them."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ocpi_hub.cli.main import build_parser
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from tests.support.directory import KEY, insert_platform
from tests.support.factories import CPO, EMSP, text, token
from tests.support.postgres import make_settings
from tests.support.stores import execute, value

Run = Callable[..., Awaitable[Any]]
OTHER = PartyId("FR", "OTH")
IMPORT = ("whitelist", "import", "--emsp", str(EMSP))
EXPORT = ("whitelist", "export", "--cpo", str(CPO), "--emsp", str(EMSP))

RELATION = (
    "insert into relation (cpo_country_code, cpo_party_id, emsp_country_code, emsp_party_id, mode)"
    " values ('NL', 'CPO', $1, $2, $3)"
)


def commands(address: DatabaseAddress) -> Run:
    """Runs a command as the program does; its result has to be JSON."""

    async def command(*arguments: str, **overrides: object) -> Any:
        args: argparse.Namespace = build_parser().parse_args(arguments)
        key = base64.b64encode(KEY).decode()
        settings = make_settings(
            **{"database_url": address.as_dsn(), "secret_key": key, **overrides}
        )
        return json.loads(json.dumps(await args.run(args, settings)))

    return command


async def token_hub(address: DatabaseAddress, database: Database) -> Run:
    """A hub with a CPO and an eMSP that have a relation, and its commands."""
    await insert_platform(database, "p-cpo", roles=(("CPO", str(CPO)),))
    await insert_platform(database, "p-msp", roles=(("EMSP", str(EMSP)), ("EMSP", str(OTHER))))
    await execute(database, RELATION, EMSP.country_code, EMSP.party_id, "whitelist")
    return commands(address)


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


async def runs(database: Database) -> list[dict[str, Any]]:
    async with database.connection() as connection:
        rows = await connection.fetch("select * from whitelist_run order by run_id")
    return [dict(row) for row in rows]


async def staged(database: Database) -> int:
    return int(await value(database, "select count(*) from file_import_row"))
