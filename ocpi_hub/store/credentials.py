"""Credentials tokens that the hub has issued, as a registration sees them."""

from __future__ import annotations

from datetime import datetime, timedelta

from ocpi_hub.directory.snapshot import CredentialsKind, IssuedCredentials
from ocpi_hub.domain.party import PlatformId, PlatformState
from ocpi_hub.registration.protocols import CredentialsGone, WrongState
from ocpi_hub.store.database import Connection
from ocpi_hub.store.party_claims import RegistrationRefused
from ocpi_hub.store.queries import Queries

SQL = Queries("registration")

TOLD_APART = timedelta(days=30)
"""How long the digest of an invitation that expired is kept, so that its holder can be told."""


async def lock_platform(connection: Connection, platform_id: PlatformId) -> PlatformState:
    """The state of a platform, which nobody else changes until the commit.

    Raises:
        RegistrationRefused: it is gone.
    """
    row = await connection.fetchrow(SQL.lock_platform, platform_id)
    if row is None:
        raise RegistrationRefused(CredentialsGone())
    return PlatformState(row["state"])


async def require_presented(connection: Connection, presented: IssuedCredentials) -> None:
    """Lock the platform; its state and the presented credentials must still allow the handshake.

    Raises:
        RegistrationRefused: they do not.
    """
    state = await lock_platform(connection, presented.platform_id)
    allowed = (
        state is PlatformState.CONNECTED
        if presented.kind is CredentialsKind.ACCESS
        else state is not PlatformState.SUSPENDED
    )
    if not await connection.fetchval(
        SQL.token_is_good, presented.token_sha256, presented.platform_id, presented.kind
    ):
        raise RegistrationRefused(CredentialsGone())
    if not allowed:
        raise RegistrationRefused(WrongState(state))


async def insert_invitation(
    connection: Connection, platform_id: PlatformId, token_sha256: bytes, days: int
) -> datetime | None:
    """Issue CREDENTIALS_TOKEN_A; returns when it expires."""
    return await insert_token(
        connection, platform_id, token_sha256, CredentialsKind.REGISTRATION, timedelta(days=days)
    )


async def insert_token(
    connection: Connection,
    platform_id: PlatformId,
    token_sha256: bytes,
    kind: CredentialsKind,
    valid: timedelta | None,
) -> datetime | None:
    """Issue a token that is good for so long, or lasting; returns when it expires."""
    expires_at: datetime | None = await connection.fetchval(
        SQL.insert_token, token_sha256, platform_id, kind, valid
    )
    return expires_at
