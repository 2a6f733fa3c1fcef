"""cdr check and relation rules: what holds CDRs, and having them examined again."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from ocpi_hub.admin.actions.cdr_rules import RulesChange, check_again, set_rules, show_rules
from ocpi_hub.cli.common import (
    add_command,
    moment_argument,
    operator_access,
    party_argument,
)
from ocpi_hub.domain.cdr_rules import Weight
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.cdr_rechecks import RecheckScope

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

CHECK_EXAMPLE = """\
  ocpi-hub cdr check --owner "NL*CPO" --since 2026-10-01 --until 2026-11-01

After rules or tariffs have changed. What is delivered only gets flags; what waits may be held or
let go, but what an operator released stays released. Returns at once; the hub examines them soon.
"""
RULES_EXAMPLE = """\
  ocpi-hub relation rules "NL*CPO" "DE*MSP"
  ocpi-hub relation rules "NL*CPO" "DE*MSP" --hold price_differs --limit price_tolerance=0.05
  ocpi-hub relation rules "NL*CPO" "DE*MSP" --usual price_differs --limit price_tolerance=

Shows what is in force, after the changes. CDRs that are there already: see `cdr check`.
"""


def add_check_command(commands: Subparsers) -> None:
    """`cdr check`."""
    text = "have CDRs examined again"
    parser = add_command(commands, "check", text, CHECK_EXAMPLE, run_check)
    parser.add_argument("--owner", type=party_argument, metavar="CC*PID", help="of this CPO")
    parser.add_argument("--receiver", type=party_argument, metavar="CC*PID", help="for this eMSP")
    for name, about in (("--since", "at this time or later"), ("--until", "before this time")):
        parser.add_argument(
            name, type=moment_argument, metavar="TIME", help=f"of sessions that ended {about}"
        )


def add_rules_command(commands: Subparsers) -> None:
    """`relation rules`."""
    text = "say what holds the CDRs of a relation"
    parser = add_command(commands, "rules", text, RULES_EXAMPLE, run_rules)
    parser.add_argument("cpo", type=party_argument, metavar="CPO", help="CC*PID")
    parser.add_argument("emsp", type=party_argument, metavar="EMSP", help="CC*PID")
    for name, about in (
        ("--hold", "a CDR with this finding waits for an operator"),
        ("--flag", "the finding is shown, and the CDR goes on"),
        ("--off", "the finding is not even shown"),
        ("--usual", "the finding weighs what the hub says"),
    ):
        parser.add_argument(name, action="append", default=[], metavar="CODE", help=about)
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        type=limit_argument,
        metavar="NAME=NUMBER",
        help="0 switches it off; without a number, what the hub says",
    )


def limit_argument(text: str) -> tuple[str, Decimal | None]:
    """NAME=NUMBER or NAME=, for argparse."""
    name, equals, number = text.partition("=")
    try:
        if not equals:
            raise InvalidOperation
        return name, Decimal(number) if number else None
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER") from None


async def run_check(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """How many CDRs are examined again."""
    scope = RecheckScope(args.owner, args.receiver, args.since, args.until)
    async with operator_access(settings) as access:
        return (await check_again(access, scope)).shown()


async def run_rules(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """What is in force for a relation, after the changes."""
    weights: dict[str, Weight | None] = {}
    for codes, weight in (
        (args.hold, Weight.HOLD),
        (args.flag, Weight.FLAG),
        (args.off, Weight.OFF),
        (args.usual, None),
    ):
        for code in codes:
            if code in weights:
                raise OperatorError(f"{code} is named twice")
            weights[code] = weight
    wanted = RulesChange(weights, dict(args.limit))
    async with operator_access(settings) as access:
        if not weights and not wanted.limits:
            return (await show_rules(access, args.cpo, args.emsp)).shown()
        return (await set_rules(access, args.cpo, args.emsp, wanted)).shown()
