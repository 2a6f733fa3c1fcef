"""report thg, energy, ledger: files for accountants and analysts."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from ocpi_hub.admin.actions import reports
from ocpi_hub.admin.views.base import View
from ocpi_hub.admin.views.reports import DayEnergyView, PointEnergyView
from ocpi_hub.admin.views.statements import amount
from ocpi_hub.clearing.reports import Visibility
from ocpi_hub.clearing.statement import Month
from ocpi_hub.clearing.tabular import csv_head, csv_row
from ocpi_hub.cli.common import add_command, moment_argument, operator_access, party_argument
from ocpi_hub.cli.files import made
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.settings import Settings

THG_EXAMPLE = """\
  ocpi-hub report thg --year 2025 --csv quota-2025.csv
  ocpi-hub report thg --year 2026 --cpo "DE*CPO" --allow-incomplete

kWh of each public charge point in the calendar year. A year of which something is missing, as far
as the hub knows, is reported with --allow-incomplete only, and its rows say so.
"""
ENERGY_EXAMPLE = """\
  ocpi-hub report energy --month 2026-10
  ocpi-hub report energy --month 2026-10 --csv october.csv
"""
LEDGER_EXAMPLE = """\
  ocpi-hub report ledger --since 2026-10-01 --until 2026-11-01 --csv ledger.csv

Every CDR that ended in that time, with its figures, checks and where it stands. Names no token.
"""


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `report`; each sets `run`."""
    commands = group.add_subparsers(dest="report_command", required=True, metavar="COMMAND")
    thg = add_command(
        commands, "thg", "yearly energy of public charge points", THG_EXAMPLE, run_thg
    )
    thg.add_argument("--year", required=True, type=_year, metavar="YYYY", help="calendar year")
    thg.add_argument(
        "--locations",
        choices=[each.value for each in Visibility],
        default=Visibility.PUBLISHED.value,
        help="whether those count, too, that are not published (published)",
    )
    thg.add_argument("--allow-incomplete", action="store_true", help="mark what may be too small")
    energy = add_command(
        commands, "energy", "CDRs and energy by relation and day", ENERGY_EXAMPLE, run_energy
    )
    energy.add_argument(
        "--month", required=True, type=_month, metavar="YYYY-MM", help="calendar month"
    )
    for parser in (thg, energy):
        parser.add_argument("--cpo", type=party_argument, metavar="CC*PID", help="only of this CPO")
        parser.add_argument("--csv", metavar="FILE", help="write the rows, for a spreadsheet")
    ledger = add_command(commands, "ledger", "the CDR ledger as a file", LEDGER_EXAMPLE, run_ledger)
    ledger.add_argument("--csv", required=True, metavar="FILE", help="what is written")
    for bound, text in (("since", "ended at this time or later"), ("until", "ended before")):
        ledger.add_argument(f"--{bound}", type=moment_argument, metavar="TIME", help=text)


def _year(text: str) -> int:
    if not (len(text) == 4 and text.isascii() and text.isdigit() and 2000 <= int(text) < 9999):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a year: write 2026")
    return int(text)


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def run_thg(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The report; with --csv its rows are in the file."""
    async with operator_access(settings) as access:
        report = await reports.yearly_energy(
            access,
            args.year,
            cpo=args.cpo,
            visibility=Visibility(args.locations),
            allow_incomplete=args.allow_incomplete,
        )
    shown = report.shown()
    if args.csv:
        _write_views(args.csv, PointEnergyView, report.items)
        del shown["items"]
    return shown


async def run_energy(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """A row for each relation and day."""
    async with operator_access(settings) as access:
        days = await reports.daily_energy(access, args.month, cpo=args.cpo)
    if args.csv:
        _write_views(args.csv, DayEnergyView, days)
    return [day.shown() for day in days]


async def run_ledger(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """How many entries were written."""
    async with operator_access(settings) as access:
        written = await _write_entries(args.csv, reports.ledger(access, args.since, args.until))
    return {"file": args.csv, "written": written}


async def _write_entries(name: str, entries: AsyncIterator[Mapping[str, object]]) -> int:
    written = 0
    with made(name) as stream:
        async for entry in entries:
            if not written:
                stream.write(csv_head(list(entry)).encode())
            stream.write(csv_row([_cell(each) for each in entry.values()]).encode())
            written += 1
    return written


def _write_views(name: str, kind: type[View], rows: Iterable[View]) -> None:
    columns = tuple(kind.model_fields)
    with made(name) as stream:
        stream.write(csv_head(columns).encode())
        for row in rows:
            stream.write(csv_row([_cell(getattr(row, each)) for each in columns]).encode())


def _cell(value: object) -> object:
    match value:
        case Decimal():
            return amount(value)
        case datetime():
            return timestamp(value)
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return " ".join(map(str, value))
        case _:
            return value
