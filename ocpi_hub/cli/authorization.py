"""authorization list: the evidence of decisions."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.views.authorizations import authorization_item
from ocpi_hub.cli.common import (
    add_command,
    moment_argument,
    operator_access,
    party_argument,
    positive,
)
from ocpi_hub.settings import Settings
from ocpi_hub.store.authorization import DecisionFilter, PostgresDecisionStore

LIST_EXAMPLE = """\
  ocpi-hub authorization list --limit 20
  ocpi-hub authorization list --uid 04A1B2C3D4 --since 2026-01-31T08:00:00Z
  ocpi-hub authorization list --json | jq '.[] | select(.decided_by == "nobody")'

The newest decision comes first. docs/authorization.md explains decided_by and reason.
"""


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `authorization`; each sets `run`."""
    commands = group.add_subparsers(dest="authorization_command", required=True, metavar="COMMAND")
    parser = add_command(commands, "list", "list decisions", LIST_EXAMPLE, run_list)
    parser.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")
    parser.add_argument("--uid", metavar="U", help="only about this token; case does not matter")
    parser.add_argument("--cpo", type=party_argument, metavar="CC*PID", help="only asked by it")
    parser.add_argument(
        "--emsp", type=party_argument, metavar="CC*PID", help="only about its tokens"
    )
    parser.add_argument(
        "--since",
        type=moment_argument,
        metavar="TIME",
        help="a date or time; UTC unless it says otherwise",
    )


async def run_list(args: argparse.Namespace, settings: Settings) -> object:
    """The decisions that match, newest first."""
    wanted = DecisionFilter(args.uid, args.cpo, args.emsp, args.since)
    async with operator_access(settings) as access:
        store = PostgresDecisionStore(
            access.database, batch_rows=settings.batch_rows, batch_queue_rows=1
        )
        found = await store.list_decisions(args.limit, wanted)
    return [authorization_item(decision).shown() for decision in found]
