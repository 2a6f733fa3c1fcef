"""cdr list, show, redrive, release, refuse, confirm.

`cli/cdr_affairs.py` adds dispute, conflicts and gaps, `cli/price.py` price, `cli/meter.py` meter,
`cli/cdr_files.py` export, import and runs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ocpi_hub.admin.actions import cdrs
from ocpi_hub.admin.views.cdr_life import cdr_line
from ocpi_hub.clearing.life import Stage
from ocpi_hub.clearing.pricing import Verdict
from ocpi_hub.cli.cdr_affairs import add_affair_commands
from ocpi_hub.cli.cdr_checks import add_check_command
from ocpi_hub.cli.cdr_files import add_file_commands
from ocpi_hub.cli.cdr_story import render_list, render_story
from ocpi_hub.cli.common import (
    add_command,
    moment_argument,
    operator_access,
    party_argument,
)
from ocpi_hub.cli.directed import PARTY, add_filters
from ocpi_hub.cli.meter import add_meter_parser
from ocpi_hub.cli.price import add_price_parser
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.cdr_life import CdrFilters

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

LIST_EXAMPLE = """\
  ocpi-hub cdr list --state dead --receiver "DE*MSP"
  ocpi-hub cdr list --flag price_differs --since 2026-10-01 --json | jq '.[].figures'

docs/cdrs.md tells the stages, docs/checks.md what checks note.
"""
SHOW_EXAMPLE = """\
  ocpi-hub cdr show CDR-2026-0815
  ocpi-hub cdr show "NL*CPO" CDR-2026-0815        where several CPOs have one of that id

Tells all about a CDR: what it says, its price line by line, what the checks found, its session and
authorization, credits, disputes, and each step of its life with every attempt to deliver it.
"""
REDRIVE_EXAMPLE = """\
  ocpi-hub cdr redrive "NL*CPO" CDR-2026-0815     one CDR, whatever it waits for
  ocpi-hub cdr redrive --receiver "DE*MSP"        all dead letters and waiting CDRs of an eMSP
  ocpi-hub cdr redrive --owner "NL*CPO" --receiver "DE*MSP" --state refused \\
      --since 2026-10-01 --until 2026-10-08       what a relation's receiver refused in a week

Tells how many CDRs are due now.
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
    _add_list(commands)
    showing = add_command(
        commands, "show", "tell all about one CDR", SHOW_EXAMPLE, run_show, render=render_story
    )
    showing.usage = f"{showing.prog} [-h] [--json] [--debug] [CC*PID] ID"
    showing.add_argument(
        "cdr",
        nargs="+",
        action=_NamesCdr,
        metavar="ID",
        help="the CDR's id, after its owner if need be",
    )
    _add_redrive(commands)
    for name, text, example, run in (
        ("release", "let a held CDR go", RELEASE_EXAMPLE, run_release),
        ("refuse", "close a CDR as refused", REFUSE_EXAMPLE, run_refuse),
        ("confirm", "close a CDR as delivered", CONFIRM_EXAMPLE, run_confirm),
    ):
        parser = add_command(commands, name, text, example, run)
        _one(parser)
        parser.add_argument("--reason", required=True, help="why; kept with the CDR")
    add_affair_commands(commands)
    add_price_parser(commands)
    add_meter_parser(commands)
    add_check_command(commands)
    add_file_commands(commands)


def _add_list(commands: Subparsers) -> None:
    listing = add_command(
        commands, "list", "list CDRs, newest first", LIST_EXAMPLE, run_list, render=render_list
    )
    add_filters(listing)
    listing.add_argument("--id", metavar="ID", help="of this id, whoever has one")
    listing.add_argument("--stage", choices=[*map(str, Stage)], help="where its life stands")
    listing.add_argument("--flag", metavar="CODE", help="a check noted it, and the CDR went on")
    listing.add_argument("--hold", metavar="CODE", help="a check noted it, and the CDR had to wait")
    listing.add_argument("--verdict", choices=[*map(str, Verdict)], help="of the recomputed price")
    listing.add_argument(
        "--disputed", action="store_true", default=None, help="only with an open dispute"
    )
    _add_times(listing)


def _add_redrive(commands: Subparsers) -> None:
    text = "try to deliver again now"
    driving = add_command(commands, "redrive", text, REDRIVE_EXAMPLE, run_redrive)
    driving.add_argument("owner", nargs="?", **PARTY, help="the CPO")
    driving.add_argument("id", nargs="?", help="the CDR's id")
    driving.add_argument("--owner", dest="of_owner", **PARTY, help="all of this CPO")
    driving.add_argument("--receiver", **PARTY, help="all for this eMSP")
    driving.add_argument(
        "--state",
        choices=["dead", "pending", "uncertain", "refused"],
        help="only these; without it dead and pending ones",
    )
    _add_times(driving)


def _add_times(parser: argparse.ArgumentParser) -> None:
    for name, text in (("--since", "arrived at this time or later"), ("--until", "arrived before")):
        parser.add_argument(
            name,
            type=moment_argument,
            metavar="TIME",
            help=f"{text}; a date or time, UTC unless it says otherwise",
        )


class _NamesCdr(argparse.Action):
    """An id, or its owner and the id."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        *owner, namespace.id = values
        namespace.owner = None
        if len(owner) > 1:
            parser.error("name one CDR: its id, or its owner and its id")
        for text in owner:
            try:
                namespace.owner = party_argument(text)
            except argparse.ArgumentTypeError as error:
                parser.error(str(error))


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("owner", **PARTY, help="the CPO")
    parser.add_argument("id", help="the CDR's id")


async def run_list(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Items as the surfaces of the hub define them."""
    filters = CdrFilters(
        object_id=args.id,
        state=DirectedState(args.state) if args.state else None,
        stage=Stage(args.stage) if args.stage else None,
        owner=args.owner,
        receiver=args.receiver,
        flag=args.flag,
        hold=args.hold,
        verdict=args.verdict,
        disputed=args.disputed,
        since=args.since,
        until=args.until,
    )
    async with operator_access(settings) as access:
        found = await cdrs.list_cdrs(access.cdrs, filters, limit=args.limit)
    return [cdr_line(cdr).shown() for cdr in found]


async def run_show(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """One CDR with all there is to tell."""
    async with operator_access(settings) as access:
        if args.owner is None:
            key = await cdrs.key_of(access.cdrs, args.id)
        else:
            key = cdrs.cdr_key(args.owner, args.id)
        return (await cdrs.show(access.cdrs, key)).shown()


async def run_redrive(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Make CDRs due now."""
    many = any((args.of_owner, args.receiver, args.since, args.until, args.state))
    if bool(args.id) == many or bool(args.owner) != bool(args.id):
        raise OperatorError(
            "name one CDR (CC*PID and id), or many: --owner, --receiver, --since, --until, --state"
        )
    async with operator_access(settings) as access:
        if args.id:
            redriven = await cdrs.redrive(access.cdrs, args.owner, args.id)
        else:
            redriven = await cdrs.redrive_all(
                access.cdrs,
                owner=args.of_owner,
                receiver=args.receiver,
                since=args.since,
                until=args.until,
                state=DirectedState(args.state) if args.state else None,
            )
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
