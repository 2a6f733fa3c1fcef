"""The directory: everything the hot path must know about partners, immutable.

A snapshot is built from the database and swapped as a whole (`directory/keeper.py`), so that one
request sees one state of the world.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ocpi_hub.domain.party import (
    PartyId,
    Platform,
    PlatformId,
    PlatformState,
    Relation,
    RelationMode,
    Role,
)

CPO_SIDE = frozenset({Role.CPO, Role.NAP})
EMSP_SIDE = frozenset({Role.EMSP, Role.NSP, Role.OTHER, Role.NAP, Role.SCSP})
"""The two sides of a relation: who offers charging data, and who uses it."""

DELEGATING_SIDE, DELEGATED_SIDE = frozenset({Role.EMSP, Role.OTHER}), frozenset({Role.SCSP})
"""An eMSP may leave charging profiles to an SCSP. Spec: 2.2.1 mod_charging_profiles_toplogies."""

_SIDES = ((CPO_SIDE, EMSP_SIDE), (DELEGATING_SIDE, DELEGATED_SIDE))


class CredentialsKind(StrEnum):
    """What a credentials token opens."""

    REGISTRATION = "registration"
    """CREDENTIALS_TOKEN_A: credentials and versions only."""
    ACCESS = "access"
    """CREDENTIALS_TOKEN_B or C: everything."""


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """A credentials token the hub issued, known by its digest."""

    token_sha256: bytes
    platform_id: PlatformId
    kind: CredentialsKind
    first_used_at: datetime | None
    expires_at: datetime | None


class PartyStatus(StrEnum):
    """ConnectionStatus of a party. Spec: 2.2.1 mod_hub_client_info (ConnectionStatus)."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


def platform_status(platform: Platform) -> PartyStatus:
    """The status that all parties of a platform share. One that exchanges files is never there when
    it is to be asked."""
    match platform.state:
        case PlatformState.CONNECTED:
            return PartyStatus.CONNECTED if platform.online else PartyStatus.OFFLINE
        case PlatformState.BY_FILE:
            return PartyStatus.OFFLINE
        case PlatformState.INVITED | PlatformState.CONNECTING:
            return PartyStatus.PLANNED
        case PlatformState.SUSPENDED | PlatformState.DISCONNECTED:
            return PartyStatus.SUSPENDED


def told_status(platform: Platform, role: Role) -> PartyStatus:
    """What partners are told of a party in a role: of one that exchanges files, whether the hub
    answers them in its place, as it does for who uses charging data."""
    if platform.state is PlatformState.BY_FILE and role in EMSP_SIDE:
        return PartyStatus.CONNECTED
    return platform_status(platform)


@dataclass(frozen=True)
class Directory:
    """One state of the directory.

    Attributes:
        version: the database's count of changes that this snapshot contains.
        hub: the hub's own party.
        default_relation: mode of pairs without a relation of their own (decision D-5).
    """

    version: int
    hub: PartyId
    default_relation: RelationMode
    platforms: Mapping[PlatformId, Platform]
    credentials: Mapping[bytes, IssuedCredentials]
    relations: Mapping[tuple[PartyId, PartyId], Relation]
    _platform_of: Mapping[PartyId, Platform] = field(repr=False)
    _roles_of: Mapping[PartyId, frozenset[Role]] = field(repr=False)

    @classmethod
    def build(
        cls,
        *,
        version: int,
        hub: PartyId,
        default_relation: RelationMode,
        platforms: Iterable[Platform] = (),
        credentials: Iterable[IssuedCredentials] = (),
        relations: Iterable[Relation] = (),
    ) -> Directory:
        """Index the rows of one consistent read."""
        by_id = {platform.platform_id: platform for platform in platforms}
        platform_of: dict[PartyId, Platform] = {}
        roles_of: dict[PartyId, frozenset[Role]] = {}
        for platform in by_id.values():
            for held in platform.roles:
                platform_of[held.party] = platform
                if held.active:
                    roles_of[held.party] = roles_of.get(held.party, frozenset()) | {held.role}
        return cls(
            version=version,
            hub=hub,
            default_relation=default_relation,
            platforms=by_id,
            credentials={issued.token_sha256: issued for issued in credentials},
            relations={(relation.cpo, relation.emsp): relation for relation in relations},
            _platform_of=platform_of,
            _roles_of=roles_of,
        )

    def platform_of(self, party: PartyId) -> Platform | None:
        """The platform that hosts a party, withdrawn roles included."""
        return self._platform_of.get(party)

    def roles_of(self, party: PartyId) -> frozenset[Role]:
        """The active roles of a party; empty when unknown or withdrawn."""
        return self._roles_of.get(party, frozenset())

    def parties(self) -> Iterable[PartyId]:
        """All parties with an active role."""
        return self._roles_of.keys()

    def status(self, party: PartyId) -> PartyStatus | None:
        """The status of a party; None when it is unknown."""
        platform = self._platform_of.get(party)
        if platform is None:
            return None
        return platform_status(platform) if party in self._roles_of else PartyStatus.SUSPENDED

    def relation(self, cpo: PartyId, emsp: PartyId) -> Relation:
        """The relation of a CPO and an eMSP, the default one included."""
        return self.relations.get((cpo, emsp)) or Relation(cpo, emsp, self.default_relation)

    def related(self, one: PartyId, other: PartyId) -> bool:
        """Whether two parties may exchange anything, whichever of them is the CPO (D-5).

        An SCSP may work with an eMSP too, which then stands where the CPO stands.
        """
        return not self.behind_one_hub(one, other) and any(
            self.relation(offering, using).mode is not RelationMode.NONE
            for offering, using in ((one, other), (other, one))
            if self._may_work_for(offering, using)
        )

    def behind_one_hub(self, one: PartyId, other: PartyId) -> bool:
        """Whether both are behind the same other hub, which is where they meet: what that hub sends
        here never goes back to it (RT-43)."""
        platform = self._platform_of.get(one)
        return platform is not None and platform is self._platform_of.get(other) and platform.is_hub

    def _may_work_for(self, offering: PartyId, using: PartyId) -> bool:
        offered, used = self.roles_of(offering), self.roles_of(using)
        return any(
            not offered.isdisjoint(offers) and not used.isdisjoint(uses) for offers, uses in _SIDES
        )
