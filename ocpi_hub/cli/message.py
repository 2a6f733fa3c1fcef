"""message list: what went in and out."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.views.messages import message_item
from ocpi_hub.cli.common import add_command, operator_access, party_argument, positive
from ocpi_hub.delivery.message_privacy import MODULES, OTHER, VERSIONS
from ocpi_hub.domain.message_record import MessageFilter
from ocpi_hub.settings import Settings
from ocpi_hub.store.messages import PostgresMessages

LIST_EXAMPLE = """\
  ocpi-hub message list --platform p-3f9a1c02 --limit 20
  ocpi-hub message list --party "DE*MSP" --module cdrs
  ocpi-hub message list --correlation-id 6f1c0f3e-0d0c-4a5e-9f1b-0f3b7f6f2a10
  ocpi-hub message list --json | jq '.[] | select(.outcome != "answered")'

The newest request comes first; with --correlation-id the first one does, and what followed from it.
docs/messages.md says what is recorded, and what is not.
"""


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the command of `message`; it sets `run`."""
    commands = group.add_subparsers(dest="message_command", required=True, metavar="COMMAND")
    parser = add_command(commands, "list", "list requests", LIST_EXAMPLE, run_list)
    parser.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")
    parser.add_argument("--platform", metavar="ID", help="only from and to this platform")
    parser.add_argument(
        "--party", type=party_argument, metavar="CC*PID", help="only from or to this party"
    )
    parser.add_argument(
        "--module", choices=sorted({*MODULES, VERSIONS, OTHER}), help="only of this module"
    )
    parser.add_argument("--correlation-id", metavar="ID", help="only with this X-Correlation-ID")


async def run_list(args: argparse.Namespace, settings: Settings) -> object:
    """Items as the surfaces of the hub define them."""
    wanted = MessageFilter(
        platform_id=args.platform,
        party=args.party,
        module=args.module,
        correlation_id=args.correlation_id,
    )
    async with operator_access(settings) as access:
        page = await PostgresMessages(access.database).page(args.limit, wanted)
    records = page.items if args.correlation_id is None else reversed(page.items)
    return [message_item(record).shown() for record in records]
