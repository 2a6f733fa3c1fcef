"""whitelist export, import: token lists as files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ocpi_hub.admin.actions.token_files import import_tokens, related_tokens
from ocpi_hub.cli.common import add_command, operator_access
from ocpi_hub.cli.directed import PARTY
from ocpi_hub.cli.files import (
    add_as_of,
    add_export_arguments,
    add_import_arguments,
    import_plan,
    looking_on,
    opened,
    write_all,
)
from ocpi_hub.delivery.files.tables import TOKENS
from ocpi_hub.settings import Settings

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

EXPORT_EXAMPLE = """\
  ocpi-hub whitelist export --cpo "NL*CPO" --emsp "DE*MSP" --out tokens.csv
  ocpi-hub whitelist export --cpo "NL*CPO" --emsp "DE*MSP" | gzip > tokens.jsonl.gz

The tokens of the eMSP that the CPO may see. docs/files.md explains the formats.
"""
IMPORT_EXAMPLE = """\
  ocpi-hub whitelist import --emsp "DE*MSP" tokens.csv --dry-run
  ocpi-hub whitelist import --emsp "DE*MSP" tokens.jsonl --full

Nothing of the file counts unless all of it is good. Faulty lines are named on stderr. With --full
the tokens that the file lacks are withdrawn. docs/files.md explains the formats.
"""


def add_file_commands(commands: Subparsers) -> None:
    """Add `export` and `import` to the commands of `whitelist`."""
    export = add_command(
        commands, "export", "write an eMSP's tokens to a file", EXPORT_EXAMPLE, run_export
    )
    export.add_argument("--cpo", required=True, **PARTY, help="who gets the list")
    export.add_argument("--emsp", required=True, **PARTY, help="whose tokens")
    add_export_arguments(export)
    importing = add_command(
        commands, "import", "take over an eMSP's tokens from a file", IMPORT_EXAMPLE, run_import
    )
    importing.add_argument("--emsp", required=True, **PARTY, help="whose tokens")
    importing.add_argument(
        "--full", action="store_true", help="withdraw the tokens that the file lacks"
    )
    add_as_of(importing)
    add_import_arguments(importing)


async def run_export(args: argparse.Namespace, settings: Settings) -> dict[str, object] | None:
    """Write the list; says what was written unless it went to stdout."""
    async with operator_access(settings) as access:
        return await write_all(related_tokens(access, args.cpo, args.emsp), TOKENS, args)


async def run_import(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Take the list over; what came of it."""
    plan = import_plan(args, settings)
    with opened(args.file) as source, looking_on() as watch:
        async with operator_access(settings) as access:
            return (await import_tokens(access, args.emsp, source, plan, watch)).shown()
