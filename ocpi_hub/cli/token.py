"""token search, erase."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.actions import tokens
from ocpi_hub.admin.views.tokens import token_item
from ocpi_hub.cli.common import add_command, operator_access, party_argument, positive
from ocpi_hub.settings import Settings
from ocpi_hub.store.token_admin import TokenFilter

SEARCH_EXAMPLE = """\
  ocpi-hub token search --uid 04A1B2C3D4
  ocpi-hub token search --contract DE-MSP-C00012345-X --json
  ocpi-hub token search --group FLEET-7 --emsp "DE*MSP"

Case does not matter. Several eMSPs may have a token with the same uid: all are shown. Who searches
on this machine sees uids in clear; it is logged that somebody did.
"""
ERASE_EXAMPLE = """\
  ocpi-hub token erase 04A1B2C3D4
  ocpi-hub token erase 04A1B2C3D4 --type RFID

Erases the uid from the evidence of decisions, its keyed hash from message records, and examples of
data quality. Sessions and CDRs stay as they are: they are owed money. The Token itself is its
eMSP's, and stays until that takes it back.
"""


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `token`; each sets `run`."""
    commands = group.add_subparsers(dest="token_command", required=True, metavar="COMMAND")
    parser = add_command(commands, "search", "find stored tokens", SEARCH_EXAMPLE, run_search)
    parser.add_argument("--uid", metavar="U", help="case does not matter")
    parser.add_argument("--visual-number", metavar="V", help="what is printed on the card")
    parser.add_argument("--contract", metavar="C", help="its contract_id")
    parser.add_argument("--group", metavar="G", help="its group_id")
    parser.add_argument("--issuer", metavar="I", help="as the token names it")
    parser.add_argument("--emsp", type=party_argument, metavar="CC*PID", help="only its tokens")
    parser.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")
    parser = add_command(
        commands, "erase", "erase the records of one token", ERASE_EXAMPLE, run_erase
    )
    parser.add_argument("uid", metavar="UID", help="case does not matter")
    parser.add_argument("--type", metavar="T", help="only of this TokenType")


async def run_search(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Tokens in the order in which they arrived."""
    wanted = TokenFilter(
        args.uid, args.visual_number, args.contract, args.group, args.issuer, args.emsp
    )
    async with operator_access(settings) as access:
        found = await tokens.search(access, wanted, args.limit)
    return [token_item(token).shown() for token in found]


async def run_erase(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """What was erased, and what stays."""
    async with operator_access(settings) as access:
        return (await tokens.erase(access, args.uid, args.type)).shown()
