"""cdr meter: what the signed meter data of a CDR in a file proves. Needs no database."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ocpi_hub.clearing.metering import as_json, as_text, verify
from ocpi_hub.cli.common import add_command
from ocpi_hub.cli.price import read_file
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

EXAMPLE = """\
  ocpi-hub cdr meter cdr.json
  ocpi-hub cdr meter cdr.json --json | jq .outcome

FILE holds a CDR, or {"cdr": ...}; - is stdin.
"""


def add_meter_parser(commands: Subparsers) -> None:
    """Add `cdr meter`."""
    text = "verify a CDR's signed meter data"
    parser = add_command(commands, "meter", text, EXAMPLE, run_meter)
    parser.add_argument("file", metavar="FILE", help="JSON of a CDR")


async def run_meter(args: argparse.Namespace, _settings: Settings) -> object:
    """The surface's object, or text for people."""
    cdr = read_file(args.file).cdr
    if cdr.signed_data is None:
        raise OperatorError(f"{args.file}: the CDR has no signed_data")
    result = verify(cdr.signed_data, total_energy_kwh=cdr.total_energy)
    return as_json(result) if getattr(args, "json", False) else as_text(result)
