"""What registration asks of the database and of the rest of the hub."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ocpi_hub.directory.snapshot import IssuedCredentials
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    OcpiVersion,
    PartyId,
    PlatformId,
    PlatformState,
    Role,
)


class UrlCheck(Protocol):
    """Judges a URL of a partner by its text (decision D-10)."""

    def check(self, url: str) -> str | None:
        """The reason why it must not be called; None when it may be."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimedRole:
    """A role that a partner claims.

    Attributes:
        business_details: their JSON text.
    """

    party: PartyId
    role: Role
    name: str
    business_details: str


@dataclass(frozen=True, slots=True)
class ExpectedRole:
    """A role that an operator expects of a platform before it has registered.

    It is PLANNED until then, and nobody else can claim the party (HC-02).
    """

    party: PartyId
    role: Role


@dataclass(frozen=True, slots=True)
class Registration:
    """What a handshake has brought, ready to be stored as a whole.

    Attributes:
        our_token: the credentials token the hub presents from now on.
        endpoints: URL by (module, interface role) of `version`.
        raw_token: the partner takes tokens without Base64 only.
        offer_digest: of the endpoints of the hub at the time (`Offer.digest`).
        custom_modules: those that were agreed on with the platform at the time.
    """

    version: OcpiVersion
    versions_url: str
    our_token: CredentialsToken
    roles: Sequence[ClaimedRole]
    endpoints: Mapping[tuple[str, InterfaceRole], str]
    raw_token: bool
    offer_digest: bytes
    custom_modules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Stored:
    """All of it is committed."""


@dataclass(frozen=True, slots=True)
class PartyTaken:
    """Another platform has this party; nothing is changed."""

    party: PartyId


@dataclass(frozen=True, slots=True)
class PartyReserved:
    """Another platform had this party, or an operator expects it; nothing is changed."""

    party: PartyId


@dataclass(frozen=True, slots=True)
class TooManyParties:
    """The platform would have more parties than anybody needs; nothing is changed."""

    most: int


@dataclass(frozen=True, slots=True)
class CredentialsGone:
    """The credentials that opened the handshake are void by now; nothing is changed."""


@dataclass(frozen=True, slots=True)
class WrongState:
    """The platform is not in a state for this; nothing is changed."""

    state: PlatformState


StoreResult = Stored | PartyTaken | PartyReserved | TooManyParties | CredentialsGone | WrongState


@dataclass(frozen=True, slots=True)
class Connecting:
    """The hub may start a handshake: its token for the partner is committed."""

    platform_id: PlatformId


@dataclass(frozen=True, slots=True)
class KnownAlready:
    """A platform with that versions URL is registered."""

    platform_id: PlatformId


class RegistrationStore(Protocol):
    """Changes of platforms, each in one transaction. All raise StoreUnavailable.

    Tokens the hub issues are stored as digests. A provisional one expires by itself, so that a
    handshake that was killed leaves nothing open. `permit` names parties that the platform may
    claim although the hub knows them already.
    """

    async def invite(
        self,
        platform_id: PlatformId,
        name: str,
        token_sha256: bytes,
        *,
        days: int,
        permit: Collection[PartyId] = (),
        expect: Collection[ExpectedRole] = (),
    ) -> datetime | PartyTaken | None:
        """A new platform with an invitation; None when the id is taken, else the expiry."""
        ...

    async def renew_invitation(
        self,
        platform_id: PlatformId,
        token_sha256: bytes,
        *,
        days: int,
        permit: Collection[PartyId] = (),
        expect: Collection[ExpectedRole] = (),
    ) -> datetime | PartyTaken | WrongState | None:
        """A new invitation in place of older ones; None when there is no such platform. Only of one
        that has never registered can roles be expected."""
        ...

    async def serve_by_file(
        self, platform_id: PlatformId, name: str, expect: Collection[ExpectedRole]
    ) -> Stored | PartyTaken | None:
        """A new platform that exchanges files, with these parties; None when the id is taken."""
        ...

    async def turn_to_files(
        self, platform_id: PlatformId, expect: Collection[ExpectedRole]
    ) -> Stored | PartyTaken | WrongState | None:
        """A platform that has not registered, or withdrew, exchanges files from now on, these
        parties too; None when there is no such platform."""
        ...

    async def complete_answered(
        self,
        presented: IssuedCredentials,
        registration: Registration,
        issued_sha256: bytes,
    ) -> StoreResult:
        """Store what a POST (registration token) or PUT (access token) has brought, and the new
        token the partner gets."""
        ...

    async def disconnect(self, presented: IssuedCredentials) -> StoreResult:
        """Void all credentials, both ways; the parties stay with the platform."""
        ...

    async def start_connecting(
        self,
        platform_id: PlatformId,
        name: str,
        versions_url: str,
        token_sha256: bytes,
        *,
        valid_s: float,
        permit: Collection[PartyId] = (),
    ) -> Connecting | KnownAlready:
        """Prepare a handshake of the hub's own: a platform (one with that URL that never got
        further, or withdrew, is taken up again) and a provisional token."""
        ...

    async def complete_connecting(
        self, platform_id: PlatformId, registration: Registration, issued_sha256: bytes
    ) -> StoreResult:
        """Store what the POST has brought; the provisional token becomes a lasting one."""
        ...

    async def abandon_connecting(self, platform_id: PlatformId, token_sha256: bytes) -> None:
        """Take back `start_connecting`."""
        ...

    async def start_rotation(
        self, platform_id: PlatformId, token_sha256: bytes, *, valid_s: float
    ) -> None:
        """A provisional token next to those in use."""
        ...

    async def complete_rotation(
        self, platform_id: PlatformId, registration: Registration, issued_sha256: bytes
    ) -> StoreResult:
        """Store what the PUT has brought; the provisional token becomes a lasting one."""
        ...

    async def end_rotation(
        self, platform_id: PlatformId, token_sha256: bytes, *, keep: bool
    ) -> None:
        """Without a usable answer: drop the provisional token, or `keep` it for a partner that may
        have stored it."""
        ...
