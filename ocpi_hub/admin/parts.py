"""What the admin API is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from ocpi_hub.admin.access import OperatorAccess
from ocpi_hub.admin.accounts import Passwords
from ocpi_hub.admin.errands import Errands
from ocpi_hub.admin.overview import OverviewFigures
from ocpi_hub.clock import Clock
from ocpi_hub.directory.keeper import DirectoryKeeper
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.errors import Overloaded
from ocpi_hub.registration.onboarding import Onboarding
from ocpi_hub.store.accounts import PostgresAccounts
from ocpi_hub.store.admin_keys import PostgresAdminKeys
from ocpi_hub.store.audit import AuditLog
from ocpi_hub.store.authorization import PostgresDecisionStore
from ocpi_hub.store.lane_admin import LaneAdmin
from ocpi_hub.store.messages import PostgresMessages
from ocpi_hub.store.quality import PostgresQualityStore


@dataclass(frozen=True, slots=True)
class AdminParts:
    """The parts of the process that operators reach."""

    access: OperatorAccess
    onboarding: Onboarding
    keeper: DirectoryKeeper
    keys: PostgresAdminKeys
    decisions: PostgresDecisionStore
    lanes: LaneAdmin
    messages: PostgresMessages
    quality: PostgresQualityStore
    accounts: PostgresAccounts
    passwords: Passwords
    audit: AuditLog
    overview: OverviewFigures
    clock: Clock
    errands: Errands = field(default_factory=Errands)

    def directory(self) -> Directory:
        """The snapshot of this process.

        Raises:
            Overloaded: it was not verified lately.
        """
        if not self.keeper.fresh():
            raise Overloaded("The hub cannot read its directory at the moment")
        return self.keeper.current
