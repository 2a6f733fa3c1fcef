"""`python -m ocpi_hub.demo`: the hub at work, in numbers, and whether it kept its promises."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
import sys
import time
from collections import deque
from pathlib import Path

from ocpi_hub.demo import keeping
from ocpi_hub.demo.acts import play
from ocpi_hub.demo.admin import Login
from ocpi_hub.demo.checks import run_checks
from ocpi_hub.demo.closing import collect, figures
from ocpi_hub.demo.evidence import Check
from ocpi_hub.demo.plan import make_plan
from ocpi_hub.demo.report import Report
from ocpi_hub.demo.story import Story
from ocpi_hub.demo.world import ON_LOOPBACK, World
from ocpi_hub.errors import HubError

FAILED = 1
INTERRUPTED = 130
TERMINATED = 143
SHOWN_LOG_LINES = 15
MIN_SCALE, MAX_SCALE = 0.02, 4.0


def main(argv: list[str] | None = None) -> int:
    """The exit status: 0 when every check held, 1 otherwise."""
    args = _parser().parse_args(argv)
    if args.stop is not None:
        return _stop(args.stop)
    try:
        return asyncio.run(_run(args.scale, keep=args.keep))
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return INTERRUPTED
    except asyncio.CancelledError:
        print("\ndemo: terminated", file=sys.stderr)
        return TERMINATED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ocpi_hub.demo",
        description="A hub, CPOs and eMSPs on this machine: what the hub does, in numbers.",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument(
        "--stop", type=Path, metavar="FOLDER", help="end what --keep left running there"
    )
    parser.add_argument(
        "--scale",
        type=_scale,
        default=1.0,
        metavar="X",
        help=f"that many times the usual numbers, {MIN_SCALE:g} to {MAX_SCALE:g}",
    )
    return parser


def _stop(folder: Path) -> int:
    try:
        keeping.end(folder)
    except HubError as error:
        print(f"demo: {error}", file=sys.stderr)
        return FAILED
    return 0


def _scale(text: str) -> float:
    value = float(text)
    if not MIN_SCALE <= value <= MAX_SCALE:
        raise argparse.ArgumentTypeError(f"must be {MIN_SCALE:g} to {MAX_SCALE:g}")
    return value


async def _run(scale: float, *, keep: bool) -> int:
    _cancel_on(signal.SIGTERM, signal.SIGHUP)
    began = time.monotonic()
    world = World.create()
    kept, logs_matter = False, True
    try:
        ok = await _perform(Story(world, make_plan(scale), Report()))
        login = await world.admin.make_login() if ok and keep else None
        kept, logs_matter = login is not None, not ok
    except asyncio.CancelledError:
        logs_matter = False
        raise
    finally:
        if not kept:
            await world.stop()
        if not kept and not logs_matter:
            world.remove()
    if not ok:
        _show_logs(world)
        print("demo: failed", flush=True)
        return FAILED
    if login is not None:
        await world.let_go()
        _tell_how_to_stop(world, login)
    print(f"\n{time.monotonic() - began:.0f} s in all\ndemo: ok", flush=True)
    return 0


def _cancel_on(*signals: signal.Signals) -> None:
    task = asyncio.current_task()
    if task is not None:
        for number in signals:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _perform(story: Story) -> bool:
    """The story and its checks; whether all went well."""
    story.report.title("OCPI hub: three CPOs and two eMSPs roam")
    try:
        evidence = await collect(story, await play(story))
    except HubError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return False
    figures(story, evidence)
    return _judge(story.report, run_checks(evidence))


def _judge(report: Report, checks: list[Check]) -> bool:
    report.section("Checks, from the parties' own records")
    for check in checks:
        report.line(check.name, "ok" if check.ok else f"FAILED: {check.told()}")
    return all(check.ok for check in checks)


def _tell_how_to_stop(world: World, login: Login) -> None:
    print(f"\nEverything is left running. The hub: {world.hub.url}/ocpi/versions")
    print(f"   console: {world.hub.url}/console, log in as {login.name} with {login.password}")
    print("      (shown this once; it asks for a password of your own first)")
    for company, party in world.parties.items():
        print(f"   {company.role.value} {company.name}: control at {party.control_url}")
    command = f"{sys.executable} -m ocpi_hub cdr list"
    print(f"   admin API: {world.hub.url}/admin/openapi.json, with the key {world.admin.secret}")
    settings = {"data_dir": str(world.hub.data_dir)} | ON_LOOPBACK
    given = " ".join(
        f"OCPI_HUB_{key.upper()}={shlex.quote(value)}" for key, value in settings.items()
    )
    print(f"   look around: {given} {command}")
    print(f"   data and logs: {world.folder}")
    print(
        f"   to stop it, and delete these: {sys.executable} -m ocpi_hub.demo --stop {world.folder}"
    )


def _show_logs(world: World) -> None:
    """The end of every log, and where they are."""
    for child in world.children:
        lines = _last_lines(child.log)
        if lines:
            print(f"\n--- {child.name}: {child.log}", file=sys.stderr)
            print("".join(lines), end="", file=sys.stderr)
    print(f"\nlogs: {world.logs}", file=sys.stderr, flush=True)


def _last_lines(log: Path) -> list[str]:
    if not log.exists():
        return []
    with log.open(errors="replace") as lines:
        return list(deque(lines, SHOWN_LOG_LINES))


if __name__ == "__main__":
    sys.exit(main())
