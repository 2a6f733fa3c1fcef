"""restore: fill an empty database from a backup."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocpi_hub.errors import ConfigError, OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.backup import restore
from ocpi_hub.store.database import Database
from ocpi_hub.store.locate import database_address
from ocpi_hub.store.migrate import migrate
from ocpi_hub.store.secret_key import Keyring, load_keyring

ANALYZE_S = 600.0
FAILED = 1
SEALED = (
    "select platform_id, our_token_sealed from platform where our_token_sealed is not null"
    " order by platform_id"
)

EXAMPLE = """\
example:
  OCPI_HUB_DATA_DIR=/srv/hub-restored ocpi-hub restore hub-2026-11-22.dump

The hub must not run, and the database must be empty: nothing is overwritten. Put the secret key in
place first (secret_key, or the file secret.key in data_dir). A backup of an older release is
brought up to date. Exit status 1, too, if all is restored but the key opens no credentials.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Make `restore` complete; it sets `run`."""
    parser.epilog = EXAMPLE
    parser.set_defaults(run=run_restore)
    parser.add_argument("file", metavar="FILE", help="what `backup` has written")


async def run_restore(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """What there is afterwards."""
    file = Path(args.file)
    async with database_address(settings) as address:
        database = await Database.open(address, settings, application_name="ocpi-hub restore")
        try:
            async with database.connection() as connection:
                tables = await connection.fetchval(
                    "select count(*) from pg_tables where schemaname = 'public'"
                )
            if tables:
                raise OperatorError(
                    f"the database is not empty, it has {tables} tables: restore into another one"
                )
            await restore(address, file)
            applied = await migrate(address, settings, patient=True)
            async with database.connection() as connection:
                # A copy holds no statistics; without them questions about many CDRs take minutes.
                await connection.execute("set statement_timeout = 0")
                await connection.execute("analyze", timeout=ANALYZE_S)
                platforms = await connection.fetchval("select count(*) from platform")
                cdrs = await connection.fetchval("select count(*) from cdr_ledger")
                sealed = await connection.fetch(SEALED)
        finally:
            await database.close()
    result = {"file": str(file), "platforms": platforms, "cdrs": cdrs, "applied": applied}
    if closed := _closed(load_keyring(settings), [(row[0], row[1]) for row in sealed]):
        args.status = FAILED
        result |= {"credentials_that_do_not_open": closed, "remedy": _remedy(settings)}
    return result


def _closed(keyring: Keyring, sealed: list[tuple[str, bytes]]) -> list[str]:
    """Platforms whose credentials this hub cannot present."""
    closed = []
    for platform, token in sealed:
        try:
            keyring.open(token, context=platform)
        except (ConfigError, ValueError):
            closed.append(platform)
    return closed


def _remedy(settings: Settings) -> str:
    where = (
        "secret_key"
        if settings.secret_key.get_secret_value()
        else f"{settings.data_path}/secret.key"
    )
    return (
        f"all is restored; put the key that was used with the copy into {where} before the hub"
        " starts: without it these platforms have to be invited again"
    )
