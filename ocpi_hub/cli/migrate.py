"""migrate: the database's schema, ahead of `serve`."""

from __future__ import annotations

import argparse

from ocpi_hub.settings import Settings
from ocpi_hub.store.locate import database_address
from ocpi_hub.store.migrate import migrate

EXAMPLE = """\
example:
  OCPI_HUB_DATABASE_URL=postgresql://hub@db/hub ocpi-hub migrate
  ocpi-hub migrate --patient

`serve` migrates by itself; run this first to do it ahead of a roll-out.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sets `run`, too."""
    parser.epilog = EXAMPLE
    parser.add_argument(
        "--patient",
        action="store_true",
        help="let each statement take as long as it takes, not five minutes; what writes waits",
    )
    parser.set_defaults(run=run_migrate)


async def run_migrate(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Apply what is missing."""
    async with database_address(settings) as address:
        return {"applied": await migrate(address, settings, patient=args.patient)}
