"""cdr list, show, redrive, release, refuse, confirm."""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ocpi_hub.cli.common import add_command, moment, operator_access, party_argument, positive
from ocpi_hub.delivery.custody import answer_text
from ocpi_hub.domain.objects import DirectedObject, DirectedState, ObjectKey
from ocpi_hub.domain.party import Module
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.custody_admin import CustodyAdmin

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

S = DirectedState

LIST_EXAMPLE = """\
  ocpi-hub cdr list --state dead --receiver "DE*MSP"
  ocpi-hub cdr list --json | jq '.[] | select(.state == "refused")'
"""
SHOW_EXAMPLE = """\
  ocpi-hub cdr show "NL*CPO" CDR-2026-0815

Shows the CDR, every attempt to deliver it, and content that was replaced or conflicts.
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


def add_cdr_parser(subparsers: Subparsers) -> None:
    """Add the `cdr` commands."""
    group = subparsers.add_parser("cdr", help="see the CDRs in custody, and decide about them")
    commands = group.add_subparsers(dest="cdr_command", required=True, metavar="COMMAND")
    party: dict[str, Any] = {"type": party_argument, "metavar": "CC*PID"}
    listing = add_command(commands, "list", "list CDRs, newest first", LIST_EXAMPLE, run_list)
    listing.add_argument("--state", choices=[state.value for state in S])
    listing.add_argument("--owner", **party, help="only this CPO's")
    listing.add_argument("--receiver", **party, help="only for this eMSP")
    listing.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")
    _one(add_command(commands, "show", "show one CDR with its history", SHOW_EXAMPLE, run_show))
    text = "try to deliver again now"
    driving = add_command(commands, "redrive", text, REDRIVE_EXAMPLE, run_redrive)
    driving.add_argument("owner", nargs="?", **party, help="the CPO")
    driving.add_argument("id", nargs="?", help="the CDR's id")
    driving.add_argument("--receiver", **party, help="all for this eMSP")
    for name, text, example, run in (
        ("release", "let a held CDR go", RELEASE_EXAMPLE, run_release),
        ("refuse", "close a CDR as refused", REFUSE_EXAMPLE, run_refuse),
        ("confirm", "close a CDR as delivered", CONFIRM_EXAMPLE, run_confirm),
    ):
        parser = add_command(commands, name, text, example, run)
        _one(parser)
        parser.add_argument("--reason", required=True, help="why; kept with the CDR")


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("owner", type=party_argument, metavar="CC*PID", help="the CPO")
    parser.add_argument("id", help="the CDR's id")


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[CustodyAdmin]:
    async with operator_access(settings) as access:
        yield CustodyAdmin(access.database, Module.CDRS.value)


async def run_list(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Items as the surfaces of the hub define them."""
    async with _admin(settings) as admin:
        rows = await admin.list(
            state=S(args.state) if args.state else None,
            owner=args.owner,
            receiver=args.receiver,
            limit=args.limit,
        )
    return [item(row) for row in rows]


def item(row: DirectedObject) -> dict[str, object]:
    """A CDR as lists show it."""
    answer = row.last_answer
    return {
        "owner": str(row.key.owner),
        "id": _spelled_id(row),
        "receiver": str(row.receiver),
        "state": row.state.value,
        "attempts": row.attempts,
        "next_attempt_at": moment(row.next_attempt_at),
        "last_answer": {"http": answer.http, "ocpi": answer.ocpi, "message": answer.message}
        if answer
        else None,
    }


def _spelled_id(row: DirectedObject) -> str:
    """The id as its owner spells it; keys are folded."""
    return str(json.loads(row.body)["id"])


async def run_show(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """One CDR, its attempts and other contents."""
    async with _admin(settings) as admin:
        return await story(admin, ObjectKey(Module.CDRS.value, args.owner, args.id))


async def story(admin: CustodyAdmin, key: ObjectKey) -> dict[str, object]:
    """A CDR with all that happened to it.

    Raises:
        OperatorError: there is no such CDR.
    """
    row = await admin.find(key)
    if row is None:
        raise OperatorError(f"there is no CDR {key.object_id} of {key.owner}: see `cdr list`")
    attempts, others = await admin.history(key)
    return item(row) | {
        "status": answer_text(row.last_answer),
        "reason": row.reason,
        "version": row.version,
        "unknown_outcomes": row.unknown_outcomes,
        "refused_after_ack": row.refused_after_ack,
        "received_at": moment(row.received_at),
        "correlation_id": row.correlation_id,
        "attempt_history": [
            {
                "at": moment(attempt.ended_at),
                "version": attempt.version,
                "outcome": attempt.outcome,
                "http": attempt.http,
                "ocpi": attempt.ocpi,
                "message": attempt.message,
            }
            for attempt in attempts
        ],
        "other_contents": [
            {
                "at": moment(other.at),
                "kind": other.kind,
                "version": other.version,
                "body": other.body,
            }
            for other in others
        ],
        "body": row.body,
    }


async def run_redrive(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Make CDRs due now."""
    if bool(args.id) == bool(args.receiver):
        raise OperatorError("name one CDR (CC*PID and id), or --receiver for all of an eMSP")
    one = (S.DEAD, S.PENDING, S.UNCERTAIN, S.REFUSED)
    async with _admin(settings) as admin:
        keys = await admin.send_again(
            one if args.id else (S.DEAD, S.PENDING),
            owner=args.owner,
            object_id=args.id,
            receiver=args.receiver,
        )
    if args.id and not keys:
        raise OperatorError(
            f"CDR {args.id} of {args.owner} cannot be sent again: it is unknown, delivered, held"
            " or being sent; see `cdr show`"
        )
    return {"redriven": len(keys)}


async def run_release(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Let a held CDR go."""
    async with _admin(settings) as admin:
        keys = await admin.send_again(
            (S.HELD,), owner=args.owner, object_id=args.id, reason=args.reason
        )
    if not keys:
        raise OperatorError(f"CDR {args.id} of {args.owner} is not held; see `cdr show`")
    return {"owner": str(args.owner), "id": args.id, "state": S.PENDING.value}


async def run_refuse(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Close a CDR as refused."""
    return await _decide(args, settings, (S.HELD, S.DEAD, S.UNCERTAIN), S.REFUSED)


async def run_confirm(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Close a CDR as delivered."""
    return await _decide(args, settings, (S.UNCERTAIN, S.DEAD), S.DELIVERED)


async def _decide(
    args: argparse.Namespace, settings: Settings, states: tuple[S, ...], state: S
) -> dict[str, object]:
    key = ObjectKey(Module.CDRS.value, args.owner, args.id)
    async with _admin(settings) as admin:
        if not await admin.decide(key, states, state, args.reason):
            names = ", ".join(states)
            raise OperatorError(
                f"CDR {args.id} of {args.owner} is not one of: {names}; see `cdr show`"
            )
    return {"owner": str(args.owner), "id": args.id, "state": state.value}
