"""What operators' commands share: the database, and waiting until all processes follow."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ocpi_hub.clock import SystemClock
from ocpi_hub.directory.keeper import everyone_has
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PartyId, RelationMode
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.database import Database
from ocpi_hub.store.directory import PostgresDirectoryStore
from ocpi_hub.store.locate import database_address
from ocpi_hub.store.migrate import migrate, pending
from ocpi_hub.store.platform_admin import PlatformAdmin
from ocpi_hub.store.secret_key import Keyring, load_keyring

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

Command = Callable[[argparse.Namespace, Settings], Awaitable[object]]
Render = Callable[[object], str]

_FOLLOW_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class OperatorAccess:
    """What a command works with."""

    settings: Settings
    database: Database
    keyring: Keyring
    directory: PostgresDirectoryStore

    @property
    def admin(self) -> PlatformAdmin:
        """Changes of platforms and relations."""
        overlap = timedelta(seconds=self.settings.catch_up_overlap_s)
        return PlatformAdmin(self.database, overlap=overlap)

    async def load(self) -> Directory:
        return await self.directory.load()

    async def until_everyone_follows(self) -> None:
        """Return when every process acts on what was changed before.

        A process that cannot read the directory any more refuses requests by itself, which takes
        `directory_max_age_s` at most.

        Raises:
            OperatorError: a process reaches the database, but does not follow.
        """
        left = await everyone_has(
            self.directory,
            await self.directory.version(),
            max_age_s=self.settings.directory_max_age_s,
            timeout_s=self.settings.directory_max_age_s + _FOLLOW_MARGIN_S,
            clock=SystemClock(),
        )
        if left:
            names = ", ".join(f"{process.pid} on {process.host}" for process in left)
            raise OperatorError(
                f"the change is stored, but these processes do not act on it yet: {names};"
                " look at their logs"
            )


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
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    if render is not None:
        parser.set_defaults(render=render)
    return parser


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


def moment(value: datetime | None) -> str | None:
    """A time in results."""
    return timestamp(value) if value is not None else None
