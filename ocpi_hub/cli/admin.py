"""admin create, account, audit, key: who may log in and use the admin API."""

from __future__ import annotations

import argparse

from ocpi_hub.admin.actions import keys
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.views.keys import key_item
from ocpi_hub.cli.admin_accounts import add_account_arguments
from ocpi_hub.cli.common import add_command, add_group, operator_access
from ocpi_hub.settings import Settings
from ocpi_hub.store.admin_keys import PostgresAdminKeys

CREATE_EXAMPLE = """\
  ocpi-hub admin key create --scope read --name "Prometheus"
  ocpi-hub admin key create --scope admin

Prints the key once; the hub keeps its digest only. Send it as `Authorization: Bearer KEY`. Scope
`read` looks, `operate` also suspends platforms and decides about CDRs, `admin` also invites and
removes platforms, sets relations and makes keys.
"""
LIST_EXAMPLE = "  ocpi-hub admin key list --json\n"
REVOKE_EXAMPLE = """\
  ocpi-hub admin key revoke k-3f9a1c02

Within five seconds no process of the hub accepts the key any more.
"""
NAME_LENGTH = 100
MOST_KEYS = 10_000


def add_arguments(group: argparse.ArgumentParser) -> None:
    """Add the commands of `admin`; each sets `run`."""
    things = group.add_subparsers(dest="admin_thing", required=True, metavar="COMMAND")
    add_account_arguments(things)
    key = add_group(things, "key", "make, list and end keys of the admin API")
    commands = key.add_subparsers(dest="admin_command", required=True, metavar="COMMAND")
    create = add_command(
        commands, "create", "make a key", CREATE_EXAMPLE, run_create, render=render_key
    )
    create.add_argument(
        "--scope",
        required=True,
        action="append",
        choices=[scope.value for scope in Scope],
        help="what it is good for; each includes those before it",
    )
    create.add_argument("--name", type=_name, default="unnamed", help="who is going to use it")
    add_command(commands, "list", "all keys, revoked ones too", LIST_EXAMPLE, run_list)
    revoke = add_command(commands, "revoke", "end a key", REVOKE_EXAMPLE, run_revoke)
    revoke.add_argument("id", metavar="ID", help="as `admin key list` tells it")


async def run_create(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The key with its secret."""
    async with operator_access(settings) as access:
        scopes = [Scope(name) for name in args.scope]
        made = await keys.create(PostgresAdminKeys(access.database), args.name, scopes)
    return made.shown()


def render_key(result: object) -> str:
    """A new key for people."""
    if not isinstance(result, dict):
        raise TypeError("a key is an object")
    return (
        f"key:    {result['key']} ({result['name']}: {', '.join(result['scopes'])})\n"
        f"secret: {result['secret']}\n"
        "The secret is shown this once. Send it as `Authorization: Bearer <secret>`."
    )


async def run_list(_: argparse.Namespace, settings: Settings) -> list[dict[str, object]]:
    """All keys by id, without secrets."""
    async with operator_access(settings) as access:
        found = await PostgresAdminKeys(access.database).list(after=None, limit=MOST_KEYS)
    return [key_item(key).shown() for key in found]


async def run_revoke(args: argparse.Namespace, settings: Settings) -> dict[str, object]:
    """The key, revoked."""
    async with operator_access(settings) as access:
        return (await keys.revoke(PostgresAdminKeys(access.database), args.id)).shown()


def _name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise argparse.ArgumentTypeError(f"a name has 1 to {NAME_LENGTH} printable characters")
    return name
