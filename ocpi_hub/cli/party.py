"""`party run`: a small OCPI platform, until SIGTERM or Ctrl-C. `party invite`: who may join it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import uvloop

from ocpi_hub.domain.party import InterfaceRole, Module, PartyId, PartyRole, Role
from ocpi_hub.errors import HubError, OperatorError
from ocpi_hub.party.config import PartyConfig
from ocpi_hub.party.platform import PartyPlatform
from ocpi_hub.party.simulation import Simulation
from ocpi_hub.settings import Settings

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

INVITE_TIMEOUT_S = 10.0
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - refused below unless others get another address


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `party`; `run` sets `run_service`, `invite` sets `run`."""
    commands = group.add_subparsers(dest="party_command", required=True, metavar="COMMAND")
    _add_run(commands)
    invite = commands.add_parser(
        "invite",
        help="let another platform register with a platform that runs here",
        description="Make a credentials token with which one other platform may register, without"
        "\nany hub in between. It is shown this once and voids an older one.",
        epilog="example:\n  ocpi-hub party invite --control-port 9101",
    )
    where = invite.add_mutually_exclusive_group(required=True)
    where.add_argument("--control-port", type=int, metavar="P", help="of `party run`")
    where.add_argument("--control-url", metavar="U", help="as `party run` printed it")
    invite.set_defaults(run=run_invite, render=render_invitation)


def _add_run(commands: Subparsers) -> None:
    run = commands.add_parser(
        "run",
        help="run a platform until SIGTERM",
        description="Run one OCPI 2.2.1 platform and print one line of JSON once it is ready.",
        epilog="example:\n  ocpi-hub party run --role CPO --party 'NL*CPO' --port 9001 --simulate"
        "\n  ocpi-hub party run --role EMSP --party 'DE*MSP' --versions-url U --token T",
    )
    run.add_argument(
        "--role", action="append", required=True, choices=["CPO", "EMSP"], help="may be repeated"
    )
    run.add_argument(
        "--party",
        action="append",
        required=True,
        type=_party_id,
        metavar="CC*PID",
        help="one for each --role, in the same order",
    )
    run.add_argument("--name", help="name in the credentials object")
    run.add_argument(
        "--versions-url",
        "--hub-versions-url",
        metavar="U",
        help="register with this hub or platform before being ready",
    )
    run.add_argument("--token", metavar="T", help="credentials token that came with the invitation")
    run.add_argument("--token-a", metavar="T", help="accept one registration with this token")
    run.add_argument("--raw-token", action="store_true", help="credentials tokens without Base64")
    run.add_argument(
        "--no-module",
        action="append",
        default=[],
        type=_interface,
        metavar="MODULE:SENDER|RECEIVER",
        help="leave an endpoint out",
    )
    run.add_argument("--host", default="127.0.0.1", help="address of the OCPI side")
    run.add_argument("--port", type=int, default=0, help="0: a free one")
    run.add_argument(
        "--public-url",
        default="",
        metavar="U",
        help="base of the URLs handed out; needed where --host is no address others can call",
    )
    run.add_argument(
        "--control-port", type=int, default=0, help="0: a free one; always on 127.0.0.1"
    )
    run.add_argument("--page-limit", type=int, default=100, help="objects on a page, at most")
    run.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="authorities (PEM) that are trusted besides those that are anyway",
    )
    run.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="keep the credentials there: registered again after a restart on the same port",
    )
    run.add_argument(
        "--simulate", action="store_true", help="charge points of the CPO act on commands"
    )
    run.set_defaults(run_service=run_party)


def _party_id(text: str) -> PartyId:
    try:
        return PartyId.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _interface(text: str) -> tuple[str, InterfaceRole]:
    module, _, role = text.partition(":")
    try:
        return Module(module.lower()), InterfaceRole(role.upper())
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write for instance cdrs:RECEIVER") from None


def run_party(args: argparse.Namespace) -> int:
    """Exit status: 0 after SIGTERM, 1 when it could not start, 2 for wrong arguments."""
    if len(args.role) != len(args.party):
        print("party run: --role and --party go together, pair by pair", file=sys.stderr)
        return 2
    if bool(args.versions_url) != bool(args.token):
        print("party run: --versions-url and --token go together", file=sys.stderr)
        return 2
    if args.host in _ANYWHERE and not args.public_url:
        print("party run: --public-url and a --host for all addresses go together", file=sys.stderr)
        return 2
    parties = tuple(
        PartyRole(party, Role(role), args.name or f"{role} {party}")
        for role, party in zip(args.role, args.party, strict=True)
    )
    config = PartyConfig(
        parties=parties,
        host=args.host,
        port=args.port,
        control_port=args.control_port,
        public_url=args.public_url,
        token_a=args.token_a,
        raw_token=args.raw_token,
        left_out=frozenset(args.no_module),
        page_limit=args.page_limit,
        ca_file=args.ca_file,
        state_file=args.state,
        simulation=Simulation() if args.simulate else None,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(config, args.versions_url, args.token))


async def _run(config: PartyConfig, versions_url: str | None, token: str | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with PartyPlatform(config) as platform:
            # Who starts again from a state file may still have its invitation on the command line.
            if versions_url and token and platform.credentials.peer is None:
                await platform.register(versions_url, token)
            print(json.dumps(_ready_line(platform)), flush=True)
            await stop.wait()
    except (HubError, OSError) as error:
        print(f"party run: {error}", file=sys.stderr)
        return 1
    return 0


def _ready_line(platform: PartyPlatform) -> dict[str, object]:
    line: dict[str, object] = {
        "versions_url": platform.versions_url,
        "control_url": platform.control_url,
        "parties": [
            {"party": str(party.party), "role": party.role.value, "name": party.name}
            for party in platform.config.parties
        ],
    }
    if platform.credentials.peer is not None:
        line["registered"] = True
    return line


async def run_invite(args: argparse.Namespace, _settings: Settings) -> dict[str, str]:
    """{"versions_url", "token"}.

    Raises:
        OperatorError: no platform runs there, or it does not invite.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # this request is no news to anybody
    base = args.control_url or f"http://127.0.0.1:{args.control_port}"
    async with httpx.AsyncClient(trust_env=False, timeout=INVITE_TIMEOUT_S) as http:
        try:
            answer = await http.post(f"{base.rstrip('/')}/invite")
            answered = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise OperatorError(f"no platform answers at {base} ({reason})") from None
    if not answer.is_success:
        raise OperatorError(f"the platform does not invite: {answered.get('error')}")
    return {"versions_url": str(answered["versions_url"]), "token": str(answered["token"])}


def render_invitation(result: object) -> str:
    """An invitation for people."""
    if not isinstance(result, dict):
        raise TypeError("an invitation is an object")
    return (
        f"versions url: {result['versions_url']}\n"
        f"token:        {result['token']}\n"
        "The token is shown this once. Hand it over together with the URL, over a secure channel."
    )
