"""whitelist runs: the exchange of token lists."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.views.whitelist import run_item
from ocpi_hub.cli.common import add_command, operator_access, positive
from ocpi_hub.settings import Settings
from ocpi_hub.store.whitelist import WhitelistAdmin

RUNS_EXAMPLE = """\
  ocpi-hub whitelist runs
  ocpi-hub whitelist runs p-4f1c --json

The newest run comes first. docs/whitelist.md explains the figures.
"""


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `whitelist`; each sets `run`."""
    commands = group.add_subparsers(dest="whitelist_command", required=True, metavar="COMMAND")
    listing = add_command(commands, "runs", "list what was read", RUNS_EXAMPLE, run_runs)
    listing.add_argument("platform", nargs="?", metavar="ID", help="only of this platform")
    listing.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")


async def run_runs(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Runs, newest first."""
    async with operator_access(settings) as access:
        found = await WhitelistAdmin(access.database).list(args.platform, args.limit)
    return [run_item(run).shown() for run in found]
