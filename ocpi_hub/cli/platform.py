"""platform invite, by-file, connect, list, show, quality, suspend, resume, set, rotate, remove."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ocpi_hub.admin.actions import platforms
from ocpi_hub.admin.views.platforms import platform_item
from ocpi_hub.admin.views.quality import quality_item
from ocpi_hub.cli.common import (
    add_command,
    not_negative,
    operator_access,
    party_argument,
)
from ocpi_hub.cli.onboarding import (
    expected_party,
    render_invitation,
    run_by_file,
    run_connect,
    run_invite,
    run_rotate,
)
from ocpi_hub.domain.party import PlatformId, Quirk
from ocpi_hub.routing.custom import custom_module
from ocpi_hub.settings import Settings
from ocpi_hub.store.quality import PostgresQualityStore

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

INVITE_EXAMPLE = """\
  ocpi-hub platform invite --name "Charge Co"
  ocpi-hub platform invite --renew p-3f9a1c02
  ocpi-hub platform invite --name "Charge Co" --party NL*CPO
  ocpi-hub platform invite --name "Mobility Co" --party DE*MSP:EMSP

Prints the versions URL and CREDENTIALS_TOKEN_A; hand both to the partner over a secure channel.
The token is shown once and opens one registration. --renew replaces an invitation that expired
or was lost, lets a partner back that had withdrawn, and repairs a handshake whose answer was
lost; what works at present goes on working. --party names parties whose objects the hub has, of a
platform that was removed as a rule: nobody else gets them. With a role, as in NL*CPO:CPO, it is a
party that the platform will have: those it has a relation with are told that it is PLANNED.
"""
CONNECT_EXAMPLE = """\
  ocpi-hub platform connect --versions-url https://partner.example/ocpi/versions --token T

The hub starts the handshake with what the partner gave it. A hub must be running (`serve`) under
public_url: the partner calls it back.
"""
BY_FILE_EXAMPLE = """\
  ocpi-hub platform by-file --name "Mobility Co" --party DE*MSP
  ocpi-hub platform by-file p-3f9a1c02

For a partner without OCPI: its token list and CDRs come and go by file (docs/files.md). With the ID
of a platform that is invited or has withdrawn, that one exchanges files; an invitation goes on
working, and `platform invite --renew` makes one: once the partner registers, messages take over.
"""
LIST_EXAMPLE = "  ocpi-hub platform list --json\n"
SHOW_EXAMPLE = """\
  ocpi-hub platform show p-3f9a1c02

Among other things the business details of its parties: partners cannot read them through the hub,
but need them for locations that name no operator.
"""
QUALITY_EXAMPLE = """\
  ocpi-hub platform quality
  ocpi-hub platform quality p-3f9a1c02 --json

Counts what breaks the specification mildly: it is accepted and passed on as it is, and the partner
should mend it. docs/data-quality.md explains the rules. Examples name a field and what is wrong,
never its content.
"""
SUSPEND_EXAMPLE = """\
  ocpi-hub platform suspend p-3f9a1c02

Stops all traffic from and to the platform's parties. Returns when no process of the hub lets
anything through any more. What others send to it is refused (4003), CDRs in custody wait.
"""
RESUME_EXAMPLE = "  ocpi-hub platform resume p-3f9a1c02\n"
SET_EXAMPLE = """\
  ocpi-hub platform set p-3f9a1c02 --quirk no_patch --quirk raw_token=false
  ocpi-hub platform set p-3f9a1c02 --page-limit 50 --catch-up pull
  ocpi-hub platform set p-3f9a1c02 --allow-party NL*CPO
  ocpi-hub platform set p-3f9a1c02 --custom-module nltnm-tokens

A custom module is one outside the specification, named as partners announce it. The hub lists it in
its version details for this platform, best before the partner registers, and forwards it between
parties of platforms that it is set for. A connected partner is asked to read the details again.
"""
ROTATE_EXAMPLE = """\
  ocpi-hub platform rotate p-3f9a1c02
  ocpi-hub platform rotate --now p-3f9a1c02

Sends PUT credentials: both sides get new tokens, and the partner reads the hub's endpoints again.
A hub must be running (`serve`) under public_url: the partner calls it back. The old token works for
token_grace_s after the first use of the new one.

With --now, for a token that leaked, the tokens that the partner has are void at once, whether or
not it answers; so are those of a suspended platform, which gets new ones by `rotate` after
`resume`.
"""
REMOVE_EXAMPLE = """\
  ocpi-hub platform remove p-3f9a1c02

Deletes the platform and the relations of its parties. Their objects stay: another platform gets
the parties only with `platform invite --party` or `platform set --allow-party`. Refused while
objects in custody come from or go to it, unless --force is given.
"""

KNOWN = "as `platform list` tells it"


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `platform`; each sets `run`."""
    commands = group.add_subparsers(dest="platform_command", required=True, metavar="COMMAND")
    invite = add_command(
        commands, "invite", "invite a partner to register", INVITE_EXAMPLE, run_invite,
        render=render_invitation,
    )  # fmt: skip
    invite.add_argument("--name", type=_name, help="what the platform is called here")
    invite.add_argument("--renew", metavar="ID", help="a platform that is known already")
    invite.add_argument(
        "--party",
        action="append",
        default=[],
        type=expected_party,
        metavar="CC*PID[:ROLE]",
        help="a party it may claim although the hub knows it already; with a role, one that is"
        " PLANNED until it does; may be repeated",
    )
    connect = add_command(
        commands, "connect", "register with a partner that invited us", CONNECT_EXAMPLE, run_connect
    )
    connect.add_argument(
        "--versions-url", required=True, metavar="U", help="where the partner's versions are"
    )
    connect.add_argument("--token", required=True, metavar="T", help="CREDENTIALS_TOKEN_A")
    connect.add_argument("--name", type=_name, help="what the platform is called here")
    _add_permit(connect, "--party")
    add_command(commands, "list", "all platforms with their parties", LIST_EXAMPLE, run_list)
    by_file = add_command(
        commands, "by-file", "a partner that exchanges files", BY_FILE_EXAMPLE, run_by_file
    )
    by_file.add_argument("id", metavar="ID", nargs="?", help="a platform that is known already")
    by_file.add_argument("--name", type=_name, help="what a new platform is called here")
    by_file.add_argument(
        "--party",
        action="append",
        default=[],
        type=expected_party,
        metavar="CC*PID[:ROLE]",
        help="a party that it has, EMSP unless a role is given; may be repeated",
    )
    simple = (
        ("show", "one platform in detail; never its tokens", SHOW_EXAMPLE, run_show),
        ("suspend", "stop all traffic of a platform", SUSPEND_EXAMPLE, run_suspend),
        ("resume", "undo suspend", RESUME_EXAMPLE, run_resume),
    )
    for name, text, example, run in simple:
        parser = add_command(commands, name, text, example, run)
        parser.add_argument("id", metavar="ID", help=KNOWN)
    rotate = add_command(
        commands, "rotate", "renew the credentials on both sides", ROTATE_EXAMPLE, run_rotate
    )
    rotate.add_argument("id", metavar="ID", help=KNOWN)
    rotate.add_argument("--now", action="store_true", help="the old tokens are void at once")
    quality = add_command(
        commands, "quality", "what partners should mend in what they send", QUALITY_EXAMPLE,
        run_quality,
    )  # fmt: skip
    quality.add_argument("id", metavar="ID", nargs="?", help="only this platform")
    remove = add_command(commands, "remove", "delete a platform", REMOVE_EXAMPLE, run_remove)
    remove.add_argument("id", metavar="ID", help=KNOWN)
    remove.add_argument("--force", action="store_true", help="even with objects in custody")
    _add_set(commands)


def _add_set(commands: Subparsers) -> None:
    parser = add_command(
        commands, "set", "change how the hub treats a platform", SET_EXAMPLE, run_set
    )
    parser.add_argument("id", metavar="ID", help=KNOWN)
    parser.add_argument(
        "--quirk",
        action="append",
        default=[],
        type=_quirk,
        metavar="NAME[=true|false]",
        help=f"a known deviation: {', '.join(quirk.value for quirk in Quirk)}; may be repeated",
    )
    parser.add_argument(
        "--page-limit", type=not_negative, metavar="N", help="objects on a page; 0: the hub's own"
    )
    parser.add_argument(
        "--catch-up",
        choices=("push", "pull", "none"),
        help="after an absence the hub pushes what was missed, waits to be asked, or does nothing",
    )
    parser.add_argument(
        "--custom-module",
        action="append",
        default=[],
        type=_custom_module,
        metavar="NAME[=true|false]",
        help="a module outside the specification that is agreed on with it; may be repeated",
    )
    _add_permit(parser, "--allow-party")


def _add_permit(parser: argparse.ArgumentParser, option: str) -> None:
    parser.add_argument(
        option,
        dest="party",
        action="append",
        default=[],
        type=party_argument,
        metavar="CC*PID",
        help="a party it may claim although the hub knows it already; may be repeated",
    )


async def run_list(_: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Items as the surfaces of the hub define them."""
    async with operator_access(settings) as access:
        directory = await access.load()
    return [platform_item(platform).shown() for platform in directory.platforms.values()]


async def run_show(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """One platform; tokens are never shown."""
    async with operator_access(settings) as access:
        return (await platforms.show(access, PlatformId(args.id))).shown()


async def run_quality(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Items as the surfaces of the hub define them."""
    platform_id = PlatformId(args.id) if args.id else None
    async with operator_access(settings) as access:
        rows = await PostgresQualityStore(access.database).list(platform_id)
    return [quality_item(row).shown() for row in rows]


async def run_suspend(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The platform, once no process lets anything through."""
    async with operator_access(settings) as access:
        return (await platforms.suspend(access, PlatformId(args.id))).shown()


async def run_resume(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The platform, once every process knows."""
    async with operator_access(settings) as access:
        return (await platforms.resume(access, PlatformId(args.id))).shown()


async def run_set(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The platform with its new settings."""
    change = platforms.PlatformChange(
        quirks=dict(args.quirk),
        page_limit=args.page_limit,
        catch_up=args.catch_up,
        permit=tuple(args.party),
        custom_modules=dict(args.custom_module),
    )
    async with operator_access(settings) as access:
        return (await platforms.configure(access, PlatformId(args.id), change)).shown()


async def run_remove(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """{"platform", "removed": true}."""
    async with operator_access(settings) as access:
        return (await platforms.remove(access, PlatformId(args.id), force=args.force)).shown()


def _name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise argparse.ArgumentTypeError("a name has 1 to 100 printable characters")
    return name


def _custom_module(text: str) -> tuple[str, bool]:
    name, _, value = text.partition("=")
    if value not in ("", "true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME or NAME=false")
    try:
        return custom_module(name), value != "false"
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _quirk(text: str) -> tuple[Quirk, bool]:
    name, _, value = text.partition("=")
    if name not in frozenset(Quirk) or value not in ("", "true", "false"):
        names = ", ".join(quirk.value for quirk in Quirk)
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME or NAME=false; names are {names}")
    return Quirk(name), value != "false"
