"""statement: what a CPO and an eMSP settle by for a month."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.actions import statements
from ocpi_hub.admin.statement_files import (
    PRINTED_LINES,
    first_lines,
    party_names,
    statement_csv,
    statement_page,
)
from ocpi_hub.admin.views.statements import StatementView
from ocpi_hub.clearing.statement import Month, Relation
from ocpi_hub.cli.common import operator_access, party_argument
from ocpi_hub.cli.files import made
from ocpi_hub.domain.party import PartyId
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.settings import Settings

EPILOG = """\
example:
  ocpi-hub statement --month 2026-10
  ocpi-hub statement --month 2026-10 --cpo "NL*CPO" --emsp "DE*MSP" --html october.html
  ocpi-hub statement --month 2026-10 --cpo "NL*CPO" --emsp "DE*MSP" --close --csv october.csv
  ocpi-hub statement --month 2026-10 --recheck

Without --cpo and --emsp: all relations that have something to settle; what is closed with its sums,
the others with the end of their first CDR that waits. A closed statement never changes: what is
delivered later goes on the next one. --recheck sums up the CDRs' own texts again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Make `statement` complete; it sets `run`."""
    parser.epilog = EPILOG
    parser.set_defaults(run=run_statement)
    parser.add_argument(
        "--month", required=True, type=_month, metavar="YYYY-MM", help="by statement_time_zone"
    )
    parser.add_argument("--cpo", type=party_argument, metavar="CC*PID", help="only with this CPO")
    parser.add_argument("--emsp", type=party_argument, metavar="CC*PID", help="only with this eMSP")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--close", action="store_true", help="settle the month, once")
    what.add_argument("--recheck", action="store_true", help="prove what was closed")
    parser.add_argument("--csv", metavar="FILE", help="write the lines, one CDR each")
    parser.add_argument("--html", metavar="FILE", help="write a page to print")


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def run_statement(args: argparse.Namespace, settings: Settings) -> object:
    """A list for all relations, an object for one."""
    if (args.csv or args.html) and not (args.cpo and args.emsp):
        raise OperatorError("a file is of one statement: name --cpo and --emsp")
    async with operator_access(settings) as access:
        if args.cpo and args.emsp:
            return await _one(access, Relation(args.cpo, args.emsp), args)
        return await _all(access, args)


async def _one(
    access: OperatorAccess, relation: Relation, args: argparse.Namespace
) -> dict[str, object]:
    if args.recheck:
        return await _recheck(access, relation, args.month)
    if args.close:
        view = await statements.close(access, relation, args.month)
    else:
        view = await statements.show(access, relation, args.month)
    await _write(access, relation, args, view)
    return view.shown()


async def _write(
    access: OperatorAccess, relation: Relation, args: argparse.Namespace, view: StatementView
) -> None:
    if args.csv:
        with made(args.csv) as stream:
            async for text in statement_csv(statements.lines(access, relation, args.month)):
                stream.write(text.encode())
    if args.html:
        lines = await first_lines(statements.lines(access, relation, args.month), PRINTED_LINES)
        names = await party_names(access, relation)
        with made(args.html) as stream:
            stream.write(statement_page(view, lines, names).encode())


async def _recheck(access: OperatorAccess, relation: Relation, month: Month) -> dict[str, object]:
    view = await statements.recheck(access, relation, month)
    if not view.reproduced:
        shown = "; ".join([*view.differences, *(f"CDR {each}" for each in view.differing)])
        raise OperatorError(
            f"the statement of {month} between {relation.cpo} and {relation.emsp} cannot be"
            f" reproduced: {shown}"
        )
    return view.shown()


async def _all(access: OperatorAccess, args: argparse.Namespace) -> list[dict[str, object]]:
    """What one relation is refused keeps no other from being closed or proved.

    Raises:
        OperatorError: some were refused, after all have been gone through.
    """
    result: list[dict[str, object]] = []
    refused: list[str] = []
    for item in await statements.overview(access, args.month):
        relation = Relation(PartyId.parse(item.cpo), PartyId.parse(item.emsp))
        chosen = args.cpo in (None, relation.cpo) and args.emsp in (None, relation.emsp)
        if not chosen or (args.recheck and item.closed_at is None):
            continue
        try:
            if args.recheck:
                result.append(await _recheck(access, relation, args.month))
            elif args.close and item.closed_at is None:
                result += await _closed(access, relation, args.month)
            else:
                result.append(item.shown())
        except OperatorError as error:
            refused.append(str(error))
    if not result and not refused:
        told = await statements.elsewhere(access, args.month)
        args.render = lambda _: told  # for people; others get the empty list
    if refused:
        raise OperatorError(f"{len(result)} done, {len(refused)} not: {'; '.join(refused)}")
    return result


async def _closed(
    access: OperatorAccess, relation: Relation, month: Month
) -> list[dict[str, object]]:
    try:
        view = await statements.close(access, relation, month)
    except NoSuchObject:
        return []  # what there is is not delivered yet
    return [view.shown()]
