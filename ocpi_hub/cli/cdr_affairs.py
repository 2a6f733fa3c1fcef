"""cdr dispute open, answer, close, list; cdr conflicts; cdr gaps."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ocpi_hub.admin.actions import cdr_disputes
from ocpi_hub.admin.actions.cdr_gaps import gap_report
from ocpi_hub.admin.actions.cdrs import cdr_key
from ocpi_hub.admin.views.cdr_affairs import conflict_item, dispute_view
from ocpi_hub.cli.common import (
    add_command,
    add_group,
    moment_argument,
    not_negative,
    operator_access,
    positive,
)
from ocpi_hub.cli.directed import PARTY
from ocpi_hub.cli.table import render_plain
from ocpi_hub.cli.terminal import clean
from ocpi_hub.settings import Settings
from ocpi_hub.store.cdr_gaps import ALL
from ocpi_hub.store.cdr_life import CdrLife
from ocpi_hub.store.disputes import Disputes, Outcome, Side

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

OPEN_EXAMPLE = """\
  ocpi-hub cdr dispute open "NL*CPO" CDR-2026-0815 --by EMSP --amount 4.20 \\
      --reason "the driver left at 14:00"

The CDR stays as it is; while the dispute is open, it goes on no statement.
"""
ANSWER_EXAMPLE = """\
  ocpi-hub cdr dispute answer "NL*CPO" CDR-2026-0815 --text "the cable was locked until 15:10"
"""
CLOSE_EXAMPLE = """\
  ocpi-hub cdr dispute close "NL*CPO" CDR-2026-0815 --outcome accepted --note "a credit follows"

accepted: the CPO sends a Credit CDR, and `cdr gaps` tells while it does not.
"""
DISPUTES_EXAMPLE = """\
  ocpi-hub cdr dispute list --open
  ocpi-hub cdr dispute list --receiver "DE*MSP" --json
"""
CONFLICTS_EXAMPLE = """\
  ocpi-hub cdr conflicts --owner "NL*CPO"

A CDR never changes. What its owner sent later under the same id, with another content, was refused
and is listed here with the fields that differ.
"""
GAPS_EXAMPLE = """\
  ocpi-hub cdr gaps --since 2026-10-01
  ocpi-hub cdr gaps --owner "NL*CPO" --hours 12 --json | jq .counts

docs/cdrs.md tells the kinds.
"""


def add_affair_commands(commands: Subparsers) -> None:
    """Add `dispute`, `conflicts` and `gaps` to the commands of `cdr`."""
    dispute = add_group(commands, "dispute", "note that a party does not agree with a CDR")
    deeds = dispute.add_subparsers(dest="dispute_command", required=True, metavar="COMMAND")
    opening = add_command(deeds, "open", "open a dispute", OPEN_EXAMPLE, run_open)
    _one(opening)
    opening.add_argument(
        "--by", required=True, type=str.upper, choices=[*map(str, Side)], help="whose word it is"
    )
    opening.add_argument("--reason", required=True, type=_words, help="why")
    opening.add_argument("--amount", type=_money, metavar="SUM", help="in dispute, without VAT")
    answering = add_command(
        deeds, "answer", "note the other party's answer", ANSWER_EXAMPLE, run_answer
    )
    _one(answering)
    answering.add_argument("--text", required=True, type=_words, help="what it says")
    closing = add_command(deeds, "close", "note how a dispute ended", CLOSE_EXAMPLE, run_close)
    _one(closing)
    closing.add_argument(
        "--outcome",
        required=True,
        choices=[*map(str, Outcome)],
        help="accepted: a Credit CDR is due; else the CDR stays as it is",
    )
    closing.add_argument("--note", required=True, type=_words, help="why it ended so")
    listing = add_command(
        deeds, "list", "list disputes, newest first", DISPUTES_EXAMPLE, run_disputes
    )
    _parties(listing)
    which = listing.add_mutually_exclusive_group()
    which.add_argument(
        "--open", dest="is_open", action="store_true", default=None, help="only those"
    )
    which.add_argument("--closed", dest="is_open", action="store_false", help="only those")
    conflicts = add_command(
        commands, "conflicts", "list contents that conflict", CONFLICTS_EXAMPLE, run_conflicts
    )
    _parties(conflicts)
    gaps = add_command(
        commands, "gaps", "tell what is missing", GAPS_EXAMPLE, run_gaps, render=_render_gaps
    )
    _parties(gaps)
    gaps.add_argument(
        "--since", type=moment_argument, metavar="TIME", help="what came since; 35 days otherwise"
    )
    gaps.add_argument(
        "--hours", type=not_negative, metavar="N", help="until the CDR of a session is missed"
    )


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("owner", **PARTY, help="the CPO")
    parser.add_argument("id", help="the CDR's id")


def _parties(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--owner", **PARTY, help="only this CPO's")
    parser.add_argument("--receiver", **PARTY, help="only for this eMSP")
    parser.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")


def _words(text: str) -> str:
    """Something to read, for argparse."""
    if not text.strip() or "\0" in text or len(text) > 1000:
        raise argparse.ArgumentTypeError("say it in words, in at most 1000 characters")
    return text.strip()


def _money(text: str) -> Decimal:
    """A sum, for argparse."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no sum: write 4.20") from None


async def run_open(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The dispute."""
    key = cdr_key(args.owner, args.id)
    async with operator_access(settings) as access:
        found = await cdr_disputes.open_dispute(
            access.cdrs, key, Side(args.by), args.reason, args.amount
        )
    return found.shown()


async def run_answer(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The dispute."""
    key = cdr_key(args.owner, args.id)
    async with operator_access(settings) as access:
        return (await cdr_disputes.answer_dispute(access.cdrs, key, args.text)).shown()


async def run_close(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The dispute."""
    key, outcome = cdr_key(args.owner, args.id), Outcome(args.outcome)
    async with operator_access(settings) as access:
        return (await cdr_disputes.close_dispute(access.cdrs, key, outcome, args.note)).shown()


async def run_disputes(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Disputes, newest first."""
    async with operator_access(settings) as access:
        found = await Disputes(access.database).list(
            owner=args.owner, receiver=args.receiver, is_open=args.is_open, limit=args.limit
        )
    return [dispute_view(each).shown() for each in found]


async def run_conflicts(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Conflicting contents, newest first."""
    async with operator_access(settings) as access:
        found = await CdrLife(access.database).conflicts(
            owner=args.owner, receiver=args.receiver, limit=args.limit
        )
    return [conflict_item(each).shown() for each in found]


async def run_gaps(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The report."""
    async with operator_access(settings) as access:
        report = await gap_report(
            access,
            since=args.since,
            expected_after_h=args.hours,
            owner=args.owner,
            receiver=args.receiver,
            limit=args.limit,
            looked_at=ALL,
        )
    return report.shown()


def _render_gaps(result: Any) -> str:
    """How many of each kind, and what they are."""
    counts = ", ".join(
        f"{kind} {number}{' or more' if kind in result['cut'] else ''}"
        for kind, number in result["counts"].items()
    )
    return clean(f"since {result['since']}: {counts}\n{render_plain(list(result['gaps']))}")
