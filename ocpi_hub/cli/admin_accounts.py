"""admin create, admin account ..., admin audit: who may log in, and what was changed by whom."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from typing import TYPE_CHECKING

from ocpi_hub.admin.accounts import AccountRole, Passwords
from ocpi_hub.admin.actions import accounts
from ocpi_hub.admin.views.accounts import account_item
from ocpi_hub.admin.views.audit import audit_item
from ocpi_hub.cli.common import add_command, add_group, moment_argument, operator_access, positive
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.audit import AuditFilter, AuditLog

if TYPE_CHECKING:
    from ocpi_hub.cli.common import Subparsers

ADMIN_EXAMPLE = """\
  ocpi-hub admin create anna

Makes an admin's account of the console, the first one as a rule. The password is asked for, or read
from standard input.
"""
CREATE_EXAMPLE = """\
  ocpi-hub admin account create otto --role operator
  ocpi-hub admin account create "charge co" --role partner --platform p-3f9a1c02

Prints a password once; it has to be changed at the first login. An admin may do everything, an
operator keeps things running, a viewer looks, a partner sees what concerns its own platform.
"""
LIST_EXAMPLE = "  ocpi-hub admin account list --json\n"
DISABLE_EXAMPLE = """\
  ocpi-hub admin account disable otto

Ends the account's sessions, too, at once. The last admin cannot be disabled.
"""
ENABLE_EXAMPLE = "  ocpi-hub admin account enable otto\n"
RESET_EXAMPLE = """\
  ocpi-hub admin account reset otto

Prints a new password once, ends the account's sessions, and forgets its failed logins.
"""
AUDIT_EXAMPLE = """\
  ocpi-hub admin audit
  ocpi-hub admin audit --object p-3f9a1c02 --since 2026-01-31 --json
  ocpi-hub admin audit --what account.login

Every change by an account, a key or a command, newest first, with the object before and after.
Logins are in it, refused ones too: those of a minute are one entry.
"""
MOST_ACCOUNTS = 10_000


def add_account_arguments(things: Subparsers) -> None:
    """Add the commands; each sets `run`."""
    create = add_command(
        things, "create", "make an admin who may log in", ADMIN_EXAMPLE, run_create_admin
    )
    create.add_argument("name", metavar="NAME", help="what the admin logs in with")
    account = add_group(things, "account", "make and look after accounts of the console")
    commands = account.add_subparsers(dest="admin_command", required=True, metavar="COMMAND")
    make = add_command(commands, "create", "make an account", CREATE_EXAMPLE, run_create)
    make.add_argument("name", metavar="NAME", help="what its owner logs in with")
    make.add_argument(
        "--role", required=True, choices=[role.value for role in AccountRole], help="what it may do"
    )
    make.add_argument("--platform", metavar="ID", help="of a partner's account: whose data it sees")
    add_command(commands, "list", "all accounts, disabled ones too", LIST_EXAMPLE, run_list)
    for name, text, example, run in (
        ("disable", "end an account", DISABLE_EXAMPLE, run_disable),
        ("enable", "let an account in again", ENABLE_EXAMPLE, run_enable),
        ("reset", "give an account another password", RESET_EXAMPLE, run_reset),
    ):
        deed = add_command(commands, name, text, example, run)
        deed.add_argument("account", metavar="ACCOUNT", help="its name or id")
    audit = add_command(things, "audit", "what was changed by whom", AUDIT_EXAMPLE, run_audit)
    audit.add_argument("--actor", metavar="ACTOR", help="an id or a name")
    audit.add_argument("--what", metavar="DEED", help="for instance platform.suspend")
    audit.add_argument("--object", metavar="OBJECT", help="an id, or CC*PID/id")
    for bound, text in (("since", "at this time or later"), ("until", "before")):
        audit.add_argument(f"--{bound}", type=moment_argument, metavar="TIME", help=text)
    audit.add_argument("--limit", type=positive, default=100, metavar="N", help="at most")


async def run_create_admin(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The account."""
    password = await asyncio.to_thread(_read_password)
    async with operator_access(settings) as access:
        made = await accounts.create(
            access.accounts, Passwords(), args.name, AccountRole.ADMIN, password=password
        )
    return made.shown()


async def run_create(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The account with its password."""
    async with operator_access(settings) as access:
        made = await accounts.create(
            access.accounts,
            Passwords(),
            args.name,
            AccountRole(args.role),
            platform_id=PlatformId(args.platform) if args.platform else None,
        )
    return made.shown()


async def run_list(_: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """All accounts by id."""
    async with operator_access(settings) as access:
        found = await access.accounts.list(after=None, limit=MOST_ACCOUNTS)
    return [account_item(account).shown() for account in found]


async def run_disable(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The account."""
    async with operator_access(settings) as access:
        return (await accounts.disable(access.accounts, args.account)).shown()


async def run_enable(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The account."""
    async with operator_access(settings) as access:
        return (await accounts.enable(access.accounts, args.account)).shown()


async def run_reset(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The account with its new password."""
    async with operator_access(settings) as access:
        return (await accounts.reset(access.accounts, Passwords(), args.account)).shown()


async def run_audit(args: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """Entries, newest first."""
    wanted = AuditFilter(
        what=args.what,
        object_name=args.object,
        actor=args.actor,
        since=args.since,
        until=args.until,
    )
    async with operator_access(settings) as access:
        found = await AuditLog(access.database).list(args.limit, wanted)
    return [audit_item(entry).shown() for entry in found]


def _read_password() -> str:
    """From the terminal, twice; else a line of standard input. Never an argument: others see those.

    Raises:
        OperatorError: the two differ.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("password: ")
    if getpass.getpass("again: ") != password:
        raise OperatorError("these are two different passwords")
    return password
