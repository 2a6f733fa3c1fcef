"""`python -m tests.bench [ROW ...]`: measure, print a table, fail past a gate."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench import report, targets
from tests.bench.figures import Figure, Quantity
from tests.bench.programs import MissingTool
from tests.bench.rows import (
    client,
    console,
    evse,
    fan_out,
    intake,
    lists,
    pages,
    pricing,
    pull,
    relay,
    statement,
    whitelist,
    workers,
)
from tests.bench.world import Bench, open_bench


@dataclass(frozen=True, slots=True)
class Row:
    """Something that can be measured alone.

    Attributes:
        quantities: shown as not measured when a tool is missing.
    """

    run: Callable[[Bench], Awaitable[Sequence[Figure]]]
    quantities: Sequence[Quantity]


ROWS: Mapping[str, Row] = {
    "relay": Row(relay.run, (targets.RELAY, targets.ADDED_P50, targets.P99)),
    "whitelist": Row(whitelist.run, (targets.WHITELIST,)),
    "intake": Row(intake.run, (targets.INTAKE,)),
    "fan-out": Row(fan_out.run, (targets.FAN_OUT, targets.FEED_READS)),
    "evse": Row(evse.run, (targets.EVSE_ROWS, targets.EVSE_BYTES)),
    "pages": Row(pages.run, (targets.PAGES, targets.DEEP)),
    "lists": Row(lists.run, (targets.LISTS, targets.LISTS_SIZE)),
    "pull": Row(pull.run, (targets.PULL, targets.PULL_TO_INSERT)),
    "workers": Row(workers.run, (targets.WORKERS,)),
    "pricing": Row(pricing.run, (targets.PRICING,)),
    "client": Row(client.run, (targets.CLIENT_WARM, targets.CLIENT_NEW)),
    "console": Row(
        console.run,
        (
            targets.CONSOLE,
            targets.CONSOLE_MS,
            targets.CONSOLE_LATER,
            targets.ADMIN_LISTS,
            targets.ADMIN_LISTS_MS,
        ),
    ),
    "statement": Row(
        statement.run, (targets.STATEMENT, targets.STATEMENT_CLOSE, targets.STATEMENT_MEMORY)
    ),
}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def take_priority(*others: int) -> None:
    """Let this process, what it starts and other sessions go before everything else.

    Linux shares CPU time among sessions first: niceness counts within one only.
    """
    os.nice(-15)
    for pid in ("self", *others):
        with suppress(FileNotFoundError):
            Path(f"/proc/{pid}/autogroup").write_text("-15")


async def measure(names: Sequence[str], args: argparse.Namespace) -> list[Figure]:
    """Run rows one after the other."""
    figures: list[Figure] = []
    async with open_bench(
        repeats=args.repeats, seconds=args.seconds, full=args.full, profiles=args.profile
    ) as bench:
        if args.priority:
            take_priority(bench.postgres_pid)
        for name in names:
            began = time.monotonic()
            say(f"{name} ...")
            try:
                found = list(await ROWS[name].run(bench))
            except MissingTool as error:
                found = [Figure(each, (), note=str(error)) for each in ROWS[name].quantities]
            except (AssertionError, TimeoutError) as error:
                # What the hub does wrong in one row is no reason to leave out the others.
                why = str(error) or type(error).__name__
                found = [Figure(q, (), note=why, broken=True) for q in ROWS[name].quantities]
            for figure in found:
                say(f"  {figure.quantity.name}: {report.details(figure)}")
            say(f"  ({time.monotonic() - began:.0f} s)")
            figures += found
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each quantity")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement under load")
    parser.add_argument(
        "--full", action="store_true", help="a million tokens, and ten million message records"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the table for a page")
    parser.add_argument(
        "--allow-missing", action="store_true", help="do not fail when nginx or wrk is missing"
    )
    parser.add_argument(
        "--priority",
        action="store_true",
        help="run before everything else on the machine (as root): for figures on a busy one",
    )
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="DIRECTORY",
        help="write there in which functions the hub's CPU time went (py-spy); costs time itself",
    )
    args = parser.parse_args()
    unknown = set(args.rows) - ROWS.keys()
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    say(f"Python {platform.python_version()}, {os.path.realpath(sys.executable)}")
    figures = asyncio.run(measure(args.rows or list(ROWS), args))
    if args.json:
        args.json.write_text(json.dumps(report.as_json(figures), indent=2) + "\n")
    if args.markdown:
        args.markdown.write_text(report.markdown(figures))
    say(f"\n{report.table(figures)}")
    return report.exit_status(figures, allow_missing=args.allow_missing)


if __name__ == "__main__":
    sys.exit(main())
