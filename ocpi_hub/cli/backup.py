"""backup: a copy of the database in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocpi_hub.settings import Settings
from ocpi_hub.store.backup import dump
from ocpi_hub.store.locate import database_address

EXAMPLE = """\
example:
  ocpi-hub backup hub-2026-11-22.dump
  ocpi-hub backup hub.dump --without-messages

The hub may run. Keep the secret key with the file, and in another place: without the key, the
credentials tokens that partners gave cannot be opened. Everything else is in the file.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Make `backup` complete; it sets `run`."""
    parser.epilog = EXAMPLE
    parser.set_defaults(run=run_backup)
    parser.add_argument(
        "file", metavar="FILE", help="what is written, for instance hub-2026-11-22.dump"
    )
    parser.add_argument(
        "--without-messages", action="store_true", help="leave out the message records"
    )


async def run_backup(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """What was written."""
    file = Path(args.file)
    async with database_address(settings) as address:
        size = await dump(address, file, messages=not args.without_messages)
    result: dict[str, object] = {"file": str(file), "bytes": size}
    if not settings.secret_key.get_secret_value():
        result["keep_with_it"] = str(settings.data_path / "secret.key")
    return result
