"""cdr price: what a CDR in a file should cost. Needs no database."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocpi_hub.clearing.pricing import Source, as_json, as_text, check_price, read_source
from ocpi_hub.clearing.pricing.zones import find_zone
from ocpi_hub.cli.common import add_command
from ocpi_hub.errors import InvalidRequest, OperatorError
from ocpi_hub.settings import Settings

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

MAX_FILE_BYTES: Final = 256 * 1024 * 1024

EXAMPLE = """\
  ocpi-hub cdr price cdr.json --time-zone Europe/Amsterdam
  ocpi-hub cdr price cdr.json --json | jq .verdict

FILE holds a CDR, or {"cdr": ..., "tariffs": [...]} with tariffs that the CDR lacks; - is stdin.
The time zone is the Location's; without it, it is taken from the country where that tells.
"""


def add_price_parser(commands: Subparsers) -> None:
    """Add `cdr price`."""
    text = "recompute what a CDR costs, and compare"
    parser = add_command(commands, "price", text, EXAMPLE, run_price)
    parser.add_argument("file", metavar="FILE", help="JSON of a CDR")
    parser.add_argument("--time-zone", type=_zone, metavar="Z", help="of the Location")


def _zone(text: str) -> str:
    """The name of a time zone, for argparse."""
    if find_zone(text) is None:
        raise argparse.ArgumentTypeError(f"there is no time zone {text!r}")
    return text


async def run_price(args: argparse.Namespace, _settings: Settings) -> object:
    """The surface's object, or text for people."""
    source = read_file(args.file)
    check = check_price(source.cdr, tariffs=source.tariffs, time_zone=args.time_zone)
    return as_json(check) if getattr(args, "json", False) else as_text(check)


def read_file(name: str) -> Source:
    """A CDR in a file.

    Raises:
        OperatorError: it cannot be read, or is none.
    """
    try:
        return read_source(_read(name))
    except InvalidRequest as error:
        raise OperatorError(f"{name}: {error.message.removeprefix('The body ')}") from None


def _read(name: str) -> bytes:
    try:
        if name == "-":
            text = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise OperatorError(f"{name}: {error.strerror}") from None
    if len(text) > MAX_FILE_BYTES:
        raise OperatorError(f"{name}: larger than {MAX_FILE_BYTES} bytes")
    return text
