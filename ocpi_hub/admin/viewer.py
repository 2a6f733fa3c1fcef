"""Whose eyes see a page: every query of the console is made for a viewer.

An operator sees everything; a partner sees what its own platform has part in.
"""

from __future__ import annotations

from dataclasses import dataclass

from ocpi_hub.admin.accounts import Account, AccountRole
from ocpi_hub.admin.keys import Scope
from ocpi_hub.directory.snapshot import Directory
from ocpi_hub.domain.party import PartyId, PlatformId


@dataclass(frozen=True, slots=True)
class Viewer:
    """An account that is logged in.

    Attributes:
        platform_id: a partner's; None: an operator.
        parties: of that platform.
    """

    account_id: str
    name: str
    role: AccountRole
    platform_id: PlatformId | None = None
    parties: frozenset[PartyId] = frozenset()

    @classmethod
    def of(cls, account: Account, directory: Directory) -> Viewer:
        platform = directory.platforms.get(account.platform_id) if account.platform_id else None
        return cls(
            account.account_id,
            account.name,
            account.role,
            account.platform_id,
            frozenset(held.party for held in platform.roles) if platform else frozenset(),
        )

    @property
    def is_partner(self) -> bool:
        return self.role is AccountRole.PARTNER

    def may(self, needed: Scope) -> bool:
        """Whether it may do what a key with this scope may."""
        scope = self.role.scope
        order = list(Scope)
        return scope is not None and order.index(scope) >= order.index(needed)

    def sees_platform(self, platform_id: str | None) -> bool:
        return not self.is_partner or (platform_id is not None and platform_id == self.platform_id)

    def sees_party(self, *parties: PartyId | str | None) -> bool:
        """Whether one of these parties is of its platform; texts are written CC*PID."""
        return not self.is_partner or any(_known(each, self.parties) for each in parties)


def _known(party: PartyId | str | None, parties: frozenset[PartyId]) -> bool:
    if isinstance(party, str):
        try:
            return PartyId.parse(party) in parties
        except ValueError:
            return False
    return party is not None and party in parties
