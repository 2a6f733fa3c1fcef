"""cdr list, show, redrive, release, refuse, confirm; `cli/price.py` adds price, `cli/meter.py`
meter, `cli/cdr_files.py` export, import and runs."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.actions import cdrs
from ocpi_hub.cli.cdr_files import add_file_commands
from ocpi_hub.cli.common import add_command, operator_access
from ocpi_hub.cli.directed import PARTY, add_filters, items
from ocpi_hub.cli.meter import add_meter_parser
from ocpi_hub.cli.price import add_price_parser
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings

LIST_EXAMPLE = """\
  ocpi-hub cdr list --state dead --receiver "DE*MSP"
  ocpi-hub cdr list --json | jq '.[] | select(.state == "refused")'
"""
SHOW_EXAMPLE = """\
  ocpi-hub cdr show "NL*CPO" CDR-2026-0815

Shows the CDR, its session, the authorization it rests on (who decided, and why), every attempt to
deliver it, and content that was replaced or conflicts.
"""
REDRIVE_EXAMPLE = """\
  ocpi-hub cdr redrive "NL*CPO" CDR-2026-0815     one CDR, whatever it waits for
  ocpi-hub cdr redrive --receiver "DE*MSP"        all dead letters and waiting CDRs of an eMSP
"""
RELEASE_EXAMPLE = """\
  ocpi-hub cdr release "NL*CPO" CDR-2026-0815 --reason "checked with the CPO: a truck"

A held CDR goes on to its eMSP.
"""
REFUSE_EXAMPLE = """\
  ocpi-hub cdr refuse "NL*CPO" CDR-2026-0815 --reason "meter fault, the CPO sends a new one"

A CDR that is held, dead or uncertain is closed as refused; the CPO may send it again, corrected.
"""
CONFIRM_EXAMPLE = """\
  ocpi-hub cdr confirm "NL*CPO" CDR-2026-0815 --reason "the eMSP found it in its books"

An uncertain or dead CDR is closed as delivered, on the receiver's word.
"""


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `cdr`; each sets `run`."""
    commands = group.add_subparsers(dest="cdr_command", required=True, metavar="COMMAND")
    listing = add_command(commands, "list", "list CDRs, newest first", LIST_EXAMPLE, run_list)
    add_filters(listing)
    _one(add_command(commands, "show", "show one CDR with its history", SHOW_EXAMPLE, run_show))
    text = "try to deliver again now"
    driving = add_command(commands, "redrive", text, REDRIVE_EXAMPLE, run_redrive)
    driving.add_argument("owner", nargs="?", **PARTY, help="the CPO")
    driving.add_argument("id", nargs="?", help="the CDR's id")
    driving.add_argument("--receiver", **PARTY, help="all for this eMSP")
    for name, text, example, run in (
        ("release", "let a held CDR go", RELEASE_EXAMPLE, run_release),
        ("refuse", "close a CDR as refused", REFUSE_EXAMPLE, run_refuse),
        ("confirm", "close a CDR as delivered", CONFIRM_EXAMPLE, run_confirm),
    ):
        parser = add_command(commands, name, text, example, run)
        _one(parser)
        parser.add_argument("--reason", required=True, help="why; kept with the CDR")
    add_price_parser(commands)
    add_meter_parser(commands)
    add_file_commands(commands)


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("owner", **PARTY, help="the CPO")
    parser.add_argument("id", help="the CDR's id")


async def run_list(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Items as the surfaces of the hub define them."""
    async with operator_access(settings) as access:
        return await items(access.cdrs, args)


async def run_show(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """One CDR, its attempts and other contents."""
    async with operator_access(settings) as access:
        return (await cdrs.show(access.cdrs, cdrs.cdr_key(args.owner, args.id))).shown()


async def run_redrive(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Make CDRs due now."""
    if bool(args.id) == bool(args.receiver):
        raise OperatorError("name one CDR (CC*PID and id), or --receiver for all of an eMSP")
    async with operator_access(settings) as access:
        if args.id:
            redriven = await cdrs.redrive(access.cdrs, args.owner, args.id)
        else:
            redriven = await cdrs.redrive_all(access.cdrs, receiver=args.receiver)
    return redriven.shown()


async def run_release(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Let a held CDR go."""
    async with operator_access(settings) as access:
        decided = await cdrs.release(access.cdrs, args.owner, args.id, reason=args.reason)
    return decided.shown()


async def run_refuse(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Close a CDR as refused."""
    async with operator_access(settings) as access:
        decided = await cdrs.refuse(access.cdrs, args.owner, args.id, reason=args.reason)
    return decided.shown()


async def run_confirm(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Close a CDR as delivered."""
    async with operator_access(settings) as access:
        decided = await cdrs.confirm(access.cdrs, args.owner, args.id, reason=args.reason)
    return decided.shown()
