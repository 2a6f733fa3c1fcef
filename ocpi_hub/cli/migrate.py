"""migrate: the database's schema, ahead of `serve`."""

from __future__ import annotations

import argparse

from ocpi_hub.settings import Settings
from ocpi_hub.store.locate import database_address
from ocpi_hub.store.migrate import migrate

EXAMPLE = """\
example:
  OCPI_HUB_DATABASE_URL=postgresql://hub@db/hub ocpi-hub migrate

`serve` migrates by itself; run this first to do it ahead of a roll-out.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none of its own; sets `run`."""
    parser.epilog = EXAMPLE
    parser.set_defaults(run=run_migrate)


async def run_migrate(_: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Apply what is missing."""
    async with database_address(settings) as address:
        return {"applied": await migrate(address, settings)}
