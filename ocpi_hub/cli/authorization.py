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
from ocpi_hub.domain.objects import ObjectKey
from ocpi_hub.domain.party import Module, PartyId
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.authorization import DecisionFilter, PostgresDecisionStore

LIST_EXAMPLE = """\
  ocpi-hub authorization list --limit 20
  ocpi-hub authorization list --uid 04A1B2C3D4 --since 2026-01-31T08:00:00Z
  ocpi-hub authorization list --json | jq '.[] | select(.decided_by == "nobody")'
  ocpi-hub authorization list --cdr "NL*CPO" CDR-2026-0815

With --session or --cdr: the decisions that it rests on; linked_by says whether both name the same
authorization_reference, or token, parties, location and time suggest it. The newest comes first.
docs/authorization.md explains decided_by and reason.
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
    parser.add_argument("--reference", metavar="R", help="only with this authorization_reference")
    for name in ("session", "cdr"):
        parser.add_argument(
            f"--{name}",
            nargs=2,
            metavar=("CC*PID", "ID"),
            help=f"those that this {name} rests on; other filters do not count",
        )
    parser.add_argument(
        "--since",
        type=moment_argument,
        metavar="TIME",
        help="a date or time; UTC unless it says otherwise",
    )


async def run_list(args: argparse.Namespace, settings: Settings) -> object:
    """The decisions that match, newest first."""
    charged = _charged(args)
    wanted = DecisionFilter(args.uid, args.cpo, args.emsp, args.since, reference=args.reference)
    async with operator_access(settings) as access:
        store = PostgresDecisionStore(
            access.database, batch_rows=settings.batch_rows, batch_queue_rows=1
        )
        if charged is not None:
            linked = await store.of(charged)
            return [authorization_item(each.decision, each.linked_by).shown() for each in linked]
        found = await store.list_decisions(args.limit, wanted)
    return [authorization_item(decision).shown() for decision in found]


def _charged(args: argparse.Namespace) -> ObjectKey | None:
    """The session or CDR that is asked about.

    Raises:
        OperatorError: its owner is not written as CC*PID.
    """
    named = args.session or args.cdr
    if named is None:
        return None
    module = Module.SESSIONS if args.session else Module.CDRS
    try:
        return ObjectKey(module.value, PartyId.parse(named[0]), named[1])
    except ValueError as error:
        raise OperatorError(str(error)) from None
