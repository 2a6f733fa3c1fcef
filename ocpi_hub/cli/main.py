"""The program `ocpi-hub`: its commands, their output and their exit status.

A command is a parser with one of two defaults:

- `run`: `async (args, settings) -> object`. The result is a JSON value. With `--json` it is printed
  as one, else as text by `render` (a default of the parser too: `result -> str`) or as a table.
  One that tells of a failure with its result sets `args.status`.
- `run_service`: `(args) -> int`, for what runs until it is stopped; it writes its own output.

stdout carries results only; logs and errors go to stderr. Exit status: 0 done, 1 failed, 2 wrong
usage or a configuration that cannot work, 130 interrupted (SIGINT), 143 terminated (SIGTERM).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import cast

import uvloop

from ocpi_hub import __version__
from ocpi_hub.cli.table import render_plain
from ocpi_hub.cli.terminal import clean, escaped, sentence
from ocpi_hub.errors import ConfigError, HubError
from ocpi_hub.settings import Settings, load_settings
from ocpi_hub.telemetry import configure_logging

PROGRAM = "ocpi-hub"

DONE = 0
FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
TERMINATED = 143

Run = Callable[[argparse.Namespace, Settings], Awaitable[object]]
RunService = Callable[[argparse.Namespace], int]
Render = Callable[[object], str]

Add = Callable[[argparse.ArgumentParser], None]

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "serve": "run the hub",
        "migrate": "bring the database's schema up to date",
        "backup": "copy the database into a file",
        "restore": "fill an empty database from a backup",
        "check-config": "check the configuration and show it",
        "ready": "whether the hub on this machine can serve",
        "platform": "bring partners on board, look after them",
        "relation": "decide who works with whom, and how",
        "authorization": "see who was allowed to charge, and why",
        "whitelist": "exchange token lists with partners",
        "token": "find tokens, erase what is on record about one",
        "cdr": "see the CDRs in custody, and decide about them",
        "statement": "what a CPO and an eMSP settle by for a month",
        "report": "energy for quotas and analysts, the ledger as a file",
        "session": "see the sessions in custody",
        "check": "check whether a partner's platform speaks OCPI as it should",
        "message": "see which requests went in and out",
        "admin": "decide who may log in and use the admin API, see what was changed",
        "party": "a small OCPI platform: CPO, eMSP or both",
    }
)
"""What the program does: each name is a module beside this one."""

EXAMPLE = """\
example:
  ocpi-hub serve &
  ocpi-hub platform invite --name "Charge Co"
  ocpi-hub relation set "NL*CCO" "DE*MSP" --mode realtime

Party ids are written CC*PID (quote them in a shell). Settings come from OCPI_HUB_<KEY> variables
and from the TOML file named by OCPI_HUB_CONFIG.
exit status: 0 done, 1 failed, 2 wrong usage or configuration
"""


class CommandParser(argparse.ArgumentParser):
    """A parser whose sub-commands all take the common options, before or after their names.

    Args:
        module: its `add_arguments` adds the rest. It is imported when the command is chosen: a
            command must not wait for what only others need.
        options: as argparse takes them.
    """

    def __init__(self, *, module: str = "", **options: object) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)  # type: ignore[arg-type]  # handed through unchanged
        # Suppressed defaults: a sub-command must not reset what stands before its name.
        self.add_argument(
            "--json",
            action="store_true",
            default=argparse.SUPPRESS,
            help="print the result as one JSON value",
        )
        self.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show where an unexpected error came from",
        )
        self._module = module

    def complete(self) -> None:
        """Have the module add what it knows, once."""
        name, self._module = self._module, ""
        if not name:
            return
        # All that imports make stays: looking for garbage among it costs a tenth of the start.
        gc.disable()
        try:
            module = importlib.import_module(name)
        finally:
            gc.enable()
        cast(Add, module.add_arguments)(self)

    def parse_known_args(  # type: ignore[override]  # argparse declares it once per kind of namespace
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does, which hands the arguments of the chosen command to its parser here."""
        self.complete()
        return super().parse_known_args(args, namespace)


def build_parser() -> argparse.ArgumentParser:
    """The program with all its commands; what they take is added when one is chosen."""
    parser: argparse.ArgumentParser = CommandParser(
        prog=PROGRAM,
        description="An OCPI roaming hub: one connection for each platform.",
        epilog=EXAMPLE,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        module = f"ocpi_hub.cli.{name.replace('-', '_')}"
        commands.add_parser(name, help=text, description=sentence(text), module=module)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; None takes the process's own.

    Returns:
        The exit status (see the top of this module).
    """
    parser = build_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said why, or has shown the help
        return stop.code if isinstance(stop.code, int) else WRONG_USAGE
    try:
        return _dispatch(args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output has gone; closing stdout at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ConfigError as error:
        return _say(error, WRONG_USAGE)
    except HubError as error:
        return _say(error, FAILED)
    except Exception as error:  # noqa: BLE001 - the outermost frame: nobody else can report it
        if getattr(args, "debug", False) or _logs_debug():
            traceback.print_exc()
        text = f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        return _say(text, FAILED)


def _dispatch(args: argparse.Namespace) -> int:
    if "run_service" in args:
        return cast(RunService, args.run_service)(args)
    settings = load_settings()
    configure_logging(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            result = runner.run(_run(cast(Run, args.run), args, settings))
        except asyncio.CancelledError:  # by SIGTERM: nothing else cancels the command
            return TERMINATED
    if getattr(args, "json", False):
        text = escaped(json.dumps(result, ensure_ascii=False))
    else:
        text = clean(cast(Render, getattr(args, "render", render_plain))(result))
    if text:
        _print(text)
    return cast(int, getattr(args, "status", DONE))


async def _run(run: Run, args: argparse.Namespace, settings: Settings) -> object:
    """The command, cancelled by SIGTERM so that it can clean up what it started."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(args, settings)


def _print(text: str) -> None:
    """One result on stdout, all of it: a stream without a buffer (PYTHONUNBUFFERED) may take a part
    of what it is given."""
    sys.stdout.flush()
    stream = sys.stdout.buffer
    rest = memoryview(f"{text}\n".encode(sys.stdout.encoding, sys.stdout.errors or "strict"))
    while rest:
        rest = rest[stream.write(rest) :]
    stream.flush()


def _say(error: object, status: int) -> int:
    """One line on stderr, also when the text has several."""
    print(f"{PROGRAM}: {clean(' '.join(str(error).split()))}", file=sys.stderr)
    return status


def _logs_debug() -> bool:
    try:
        return load_settings().log_level == "debug"
    except ConfigError:
        return False
