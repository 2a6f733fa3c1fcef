"""cdr export, import, runs: CDRs as files, and those that go together."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ocpi_hub.admin.actions.cdr_files import CdrExport, Window, import_cdrs
from ocpi_hub.admin.views.files import cdr_run_item, file_import_item
from ocpi_hub.cli.common import add_command, moment_argument, operator_access, positive
from ocpi_hub.cli.directed import PARTY
from ocpi_hub.cli.files import (
    add_export_arguments,
    add_import_arguments,
    import_plan,
    looking_on,
    opened,
    write_all,
)
from ocpi_hub.delivery.files.tables import CDRS
from ocpi_hub.domain.party import Module
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.cdr_batches import CdrBatches
from ocpi_hub.store.file_import import FileImportStore

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

EXPORT_EXAMPLE = """\
  ocpi-hub cdr export --cpo "NL*CPO" --emsp "DE*MSP" --since 2026-10-01 --until 2026-11-01 \\
      --out october.csv
  ocpi-hub cdr export --cpo "NL*CPO" --emsp "DE*MSP" | gzip > cdrs.jsonl.gz

The CDRs that the eMSP may have: what is held is left out. docs/files.md explains the formats.
"""
IMPORT_EXAMPLE = """\
  ocpi-hub cdr import --cpo "NL*CPO" cdrs.jsonl --dry-run
  ocpi-hub cdr import --cpo "NL*CPO" cdrs.csv

The CDRs enter custody as if they were posted, and the running hub delivers them. Nothing of the
file counts unless all of it is good. Faulty lines are named on stderr.
"""
RUNS_EXAMPLE = """\
  ocpi-hub cdr runs --cpo "NL*CPO" --emsp "DE*MSP"

What relations with --cdrs batch deliver at the end of each period, newest first.
"""


IMPORTS_EXAMPLE = """\
  ocpi-hub cdr imports --cpo "NL*CPO"

What imports came to, newest first; those of tokens are in `whitelist runs`.
"""


def add_file_commands(commands: Subparsers) -> None:
    """Add `export`, `import`, `imports` and `runs` to the commands of `cdr`."""
    export = add_command(
        commands, "export", "write CDRs of a relation to a file", EXPORT_EXAMPLE, run_export
    )
    export.add_argument("--cpo", required=True, **PARTY, help="whose CDRs")
    export.add_argument("--emsp", required=True, **PARTY, help="who pays them")
    for name, text in (("--since", "changed at this time or later"), ("--until", "before")):
        export.add_argument(
            name,
            type=moment_argument,
            metavar="TIME",
            help=f"{text}; a date or time, UTC unless it says otherwise",
        )
    export.add_argument(
        "--delivered",
        action="store_true",
        help="what waits for the eMSP counts as delivered by the file",
    )
    add_export_arguments(export)
    importing = add_command(
        commands, "import", "take a CPO's CDRs into custody from a file", IMPORT_EXAMPLE, run_import
    )
    importing.add_argument("--cpo", required=True, **PARTY, help="whose CDRs")
    add_import_arguments(importing)
    imports = add_command(
        commands, "imports", "list imports of files", IMPORTS_EXAMPLE, run_imports
    )
    imports.add_argument("--cpo", **PARTY, help="only of this CPO")
    imports.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")
    runs = add_command(commands, "runs", "list what was due together", RUNS_EXAMPLE, run_runs)
    runs.add_argument("--cpo", **PARTY, help="only of this CPO")
    runs.add_argument("--emsp", **PARTY, help="only for this eMSP")
    runs.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")


async def run_export(args: argparse.Namespace, settings: Settings) -> dict[str, object] | None:
    """Write the CDRs; says what was written unless it went to stdout."""
    if args.delivered and args.out is None:
        raise OperatorError("--delivered needs --out FILE: a stream may end anywhere")
    async with operator_access(settings) as access:
        export = CdrExport(access, args.cpo, args.emsp, Window(args.since, args.until))
        written = await write_all(export.texts(), CDRS, args)
        if written is not None and args.delivered:
            written["delivered"] = await export.hand_over()
        return written


async def run_import(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """Take the CDRs in; what came of it."""
    plan = import_plan(args, settings)
    with opened(args.file) as source, looking_on() as watch:
        async with operator_access(settings) as access:
            return (await import_cdrs(access, args.cpo, source, plan, watch)).shown()


async def run_runs(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Runs, newest first."""
    async with operator_access(settings) as access:
        found = await CdrBatches(access.database).runs(args.cpo, args.emsp, args.limit)
    return [cdr_run_item(run).shown() for run in found]


async def run_imports(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Imports of CDRs, newest first."""
    async with operator_access(settings) as access:
        store = FileImportStore(access.database)
        found = await store.list(Module.CDRS.value, args.cpo, args.limit)
    return [file_import_item(each).shown() for each in found]
