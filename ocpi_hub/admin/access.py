"""What an operator's action works with, whether it comes from a command or over the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ocpi_hub.admin.personal import Privacy
from ocpi_hub.clock import SystemClock
from ocpi_hub.directory.keeper import everyone_has
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import Module
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings
from ocpi_hub.store.accounts import LoginLife, PostgresAccounts
from ocpi_hub.store.custody_admin import CustodyAdmin
from ocpi_hub.store.database import Database
from ocpi_hub.store.directory import PostgresDirectoryStore
from ocpi_hub.store.platform_admin import PlatformAdmin
from ocpi_hub.store.registration import PostgresRegistrationStore
from ocpi_hub.store.secret_key import Keyring

_FOLLOW_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class OperatorAccess:
    """The hub's database, and what reads and changes it for operators."""

    settings: Settings
    database: Database
    keyring: Keyring
    directory: PostgresDirectoryStore

    @property
    def admin(self) -> PlatformAdmin:
        """Changes of platforms and relations."""
        overlap = timedelta(seconds=self.settings.catch_up_overlap_s)
        return PlatformAdmin(self.database, overlap=overlap)

    @property
    def registrations(self) -> PostgresRegistrationStore:
        """Who may register, and how."""
        overlap = timedelta(seconds=self.settings.catch_up_overlap_s)
        return PostgresRegistrationStore(self.database, self.keyring, overlap=overlap)

    @property
    def cdrs(self) -> CustodyAdmin:
        """CDRs in custody."""
        return CustodyAdmin(self.database, Module.CDRS.value)

    @property
    def sessions(self) -> CustodyAdmin:
        """Sessions in custody."""
        return CustodyAdmin(self.database, Module.SESSIONS.value)

    @property
    def accounts(self) -> PostgresAccounts:
        """Accounts of the console."""
        settings = self.settings
        life = LoginLife(
            idle=timedelta(minutes=settings.console_idle_minutes),
            longest=timedelta(hours=settings.console_session_hours),
        )
        return PostgresAccounts(self.database, life)

    @property
    def privacy(self) -> Privacy:
        """What hides drivers from those who only look; the same value everywhere."""
        more = frozenset(name.lower() for name in self.settings.message_hidden_fields)
        return Privacy(lambda text: self.keyring.mac("token uid", text), more)

    async def load(self) -> Directory:
        """The directory as the database has it now."""
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
