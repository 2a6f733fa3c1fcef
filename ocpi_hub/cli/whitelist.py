"""whitelist schedule, pull, runs, confirm, discard: the exchange of token lists."""

from __future__ import annotations

import argparse
import asyncio

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.actions import whitelist
from ocpi_hub.admin.views.whitelist import run_item
from ocpi_hub.cli.common import add_command, not_negative, operator_access, positive
from ocpi_hub.cli.whitelist_files import add_file_commands
from ocpi_hub.delivery.whitelist_runs import RunId, RunState
from ocpi_hub.settings import Settings
from ocpi_hub.store.whitelist import WhitelistAdmin

SCHEDULE_EXAMPLE = """\
  ocpi-hub whitelist schedule p-4f1c --pull "30 2 * * *"
  ocpi-hub whitelist schedule p-4f1c --none

Minute, hour, day, month, weekday, in UTC. Without an option: shows the schedule. Each platform is
asked a while later, at most whitelist_splay_s, so that not all are asked at once.
"""
PULL_EXAMPLE = """\
  ocpi-hub whitelist pull p-4f1c
  ocpi-hub whitelist pull p-4f1c --full --wait

Asks for what changed since the last run, or for all tokens when that was too long ago. The running
hub reads the list; --wait returns when it is done, or held.
"""
RUNS_EXAMPLE = """\
  ocpi-hub whitelist runs
  ocpi-hub whitelist runs p-4f1c --json

The newest run comes first. docs/whitelist.md explains the figures.
"""
DECIDE_EXAMPLE = """\
  ocpi-hub whitelist runs
  ocpi-hub whitelist {name} 17
"""
POLL_S = 0.5


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `whitelist`; each sets `run`."""
    commands = group.add_subparsers(dest="whitelist_command", required=True, metavar="COMMAND")
    schedule = add_command(
        commands, "schedule", "say when a token list is read", SCHEDULE_EXAMPLE, run_schedule
    )
    schedule.add_argument("platform", metavar="ID", help="as `platform list` tells it")
    which = schedule.add_mutually_exclusive_group()
    which.add_argument("--pull", metavar="CRON", help="a cron expression, UTC")
    which.add_argument("--none", action="store_true", help="read it no more")
    pull = add_command(commands, "pull", "read a token list now", PULL_EXAMPLE, run_pull)
    pull.add_argument("platform", metavar="ID", help="as `platform list` tells it")
    pull.add_argument("--full", action="store_true", help="all of it, not only what changed")
    pull.add_argument("--wait", action="store_true", help="until it is done, or held")
    listing = add_command(commands, "runs", "list what was read", RUNS_EXAMPLE, run_runs)
    listing.add_argument("platform", nargs="?", metavar="ID", help="only of this platform")
    listing.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")
    for name, text, run in (
        ("confirm", "withdraw what the list of a held run lacks", run_confirm),
        ("discard", "let stand what the list of a held run lacks, or stop a run", run_discard),
    ):
        decide = add_command(commands, name, text, DECIDE_EXAMPLE.format(name=name), run)
        decide.add_argument(
            "run_id", type=not_negative, metavar="RUN", help="as `whitelist runs` tells it"
        )
    add_file_commands(commands)


async def run_schedule(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The schedule of a platform."""
    async with operator_access(settings) as access:
        if args.pull is None and not args.none:
            return (await whitelist.show_schedule(access, args.platform)).shown()
        return (await whitelist.set_schedule(access, args.platform, args.pull)).shown()


async def run_pull(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The run."""
    async with operator_access(settings) as access:
        started = await whitelist.pull(access, args.platform, full=args.full)
        if args.wait:
            return await _ended(access, RunId(started.run))
        return started.shown()


async def _ended(access: OperatorAccess, run_id: RunId) -> dict[str, object]:
    admin = WhitelistAdmin(access.database)
    while True:
        run = await admin.find(run_id)
        if run.state is not RunState.RUNNING:
            return run_item(run).shown()
        await asyncio.sleep(POLL_S)


async def run_runs(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Runs, newest first."""
    async with operator_access(settings) as access:
        found = await WhitelistAdmin(access.database).list(args.platform, args.limit)
    return [run_item(run).shown() for run in found]


async def run_confirm(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The run, which goes on."""
    async with operator_access(settings) as access:
        return (await whitelist.confirm(access, args.run_id)).shown()


async def run_discard(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The run, which is over."""
    async with operator_access(settings) as access:
        return (await whitelist.discard(access, args.run_id)).shown()
