"""What operators' commands share: the database, parsers, kinds of arguments."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.acting import acting, acting_command
from ocpi_hub.cli.terminal import sentence
from ocpi_hub.domain.party import PartyId, RelationMode
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.audit import AuditLog
from ocpi_hub.store.database import Database
from ocpi_hub.store.directory import PostgresDirectoryStore
from ocpi_hub.store.locate import database_address
from ocpi_hub.store.migrate import migrate, pending
from ocpi_hub.store.secret_key import load_keyring

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

Command = Callable[[argparse.Namespace, Settings], Awaitable[object]]
Render = Callable[[object], str]


@asynccontextmanager
async def operator_access(settings: Settings) -> AsyncIterator[OperatorAccess]:
    """The hub's database: the configured one, the running embedded one, or one just for this.

    Raises:
        OperatorError: its schema is not that of this release.
        StoreError: it cannot be reached or started.
        ConfigError: the secret key is missing.
    """
    async with database_address(settings) as address:
        database = await Database.open(address, settings, application_name="ocpi-hub command")
        try:
            await _require_schema(database, address, settings)
            keyring = load_keyring(settings)
            hub = PartyId(settings.hub_country_code, settings.hub_party_id)
            default = RelationMode(settings.default_relation)
            directory = PostgresDirectoryStore(database, keyring, hub, default)
            with acting(acting_command(), AuditLog(database)):
                yield OperatorAccess(settings, database, keyring, directory)
        finally:
            await database.close()


async def _require_schema(database: Database, address: DatabaseAddress, settings: Settings) -> None:
    async with database.connection() as connection:
        missing = await pending(connection)
    if not missing:
        return
    if settings.database_url.get_secret_value():
        raise OperatorError(
            f"the database's schema is not up to date ({', '.join(missing)} missing):"
            " run `ocpi-hub migrate`"
        )
    await migrate(address, settings)  # the embedded database belongs to this installation


def add_command(
    commands: Subparsers,
    name: str,
    text: str,
    example: str,
    run: Command,
    *,
    render: Render | None = None,
) -> argparse.ArgumentParser:
    """A command's parser with its help and what it runs.

    Args:
        text: one line; it also opens the command's own help.
        example: stands below the options.
    """
    parser = commands.add_parser(
        name,
        help=text,
        description=sentence(text),
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    if render is not None:
        parser.set_defaults(render=render)
    return parser


def add_group(commands: Subparsers, name: str, text: str) -> argparse.ArgumentParser:
    """The parser of commands that belong together.

    Args:
        text: one line; it also opens the group's own help.
    """
    return commands.add_parser(name, help=text, description=sentence(text))


def party_argument(text: str) -> PartyId:
    """An argument like NL*CPO, for argparse."""
    try:
        return PartyId.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    number = not_negative(text)
    if number == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def not_negative(text: str) -> int:
    """A whole number from 0 on that the database can hold, for argparse."""
    if not text.isascii() or not text.isdigit() or int(text) > 2**31 - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2147483647")
    return int(text)


def moment_argument(text: str) -> datetime:
    """A date or time for argparse; UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write 2026-01-31 or 2026-01-31T08:00:00Z"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
