"""session list, show."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.actions import sessions
from ocpi_hub.cli.common import add_command, operator_access
from ocpi_hub.cli.directed import PARTY, add_filters, items
from ocpi_hub.settings import Settings

LIST_EXAMPLE = """\
  ocpi-hub session list --receiver "DE*MSP"
  ocpi-hub session list --state pending --json
"""
SHOW_EXAMPLE = """\
  ocpi-hub session show "NL*CPO" SES-2026-0815

Shows the session as it stands, and every attempt to deliver a version of it.
"""


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `session`; each sets `run`."""
    commands = group.add_subparsers(dest="session_command", required=True, metavar="COMMAND")
    listing = add_command(commands, "list", "list sessions, newest first", LIST_EXAMPLE, run_list)
    add_filters(listing)
    showing = add_command(
        commands, "show", "show one session with its history", SHOW_EXAMPLE, run_show
    )
    showing.add_argument("owner", **PARTY, help="the CPO")
    showing.add_argument("id", help="the session's id")


async def run_list(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Items of the shape that CDRs have."""
    async with operator_access(settings) as access:
        return await items(access.sessions, args)


async def run_show(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """One session and its attempts."""
    async with operator_access(settings) as access:
        return (await sessions.show(access.sessions, args.owner, args.id)).shown()
