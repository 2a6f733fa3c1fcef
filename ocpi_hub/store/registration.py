"""Registrations in PostgreSQL: each handshake's outcome is one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime, timedelta

from ocpi_hub.directory.snapshot import CredentialsKind, IssuedCredentials
from ocpi_hub.domain.party import PartyId, PlatformId, PlatformState
from ocpi_hub.registration.claims import MAX_PARTIES
from ocpi_hub.registration.protocols import (
    Connecting,
    CredentialsGone,
    ExpectedRole,
    KnownAlready,
    PartyTaken,
    Registration,
    Stored,
    StoreResult,
    TooManyParties,
    WrongState,
)
from ocpi_hub.store.absence import remember_absence, wake_deliveries
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.credentials import (
    TOLD_APART,
    insert_invitation,
    insert_token,
    lock_platform,
    require_presented,
)
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.liveness import forget_withdrawn_lists, request_first_lists
from ocpi_hub.store.party_claims import (
    RegistrationRefused,
    add_roles,
    claim_parties,
    expect_roles,
    note_parties,
    permit_parties,
)
from ocpi_hub.store.queries import Queries
from ocpi_hub.store.secret_key import Keyring

SQL = Queries("registration")

KEPT_TOKENS = 10
"""Tokens that a platform got with its last handshakes; more were never used, or not for long."""

_MAY_TURN_TO_FILES = (
    PlatformState.INVITED,
    PlatformState.DISCONNECTED,
    PlatformState.BY_FILE,
)


class PostgresRegistrationStore:
    """Implements `registration.protocols.RegistrationStore`.

    Args:
        overlap: how far before the last contact with a platform that withdraws a catch-up begins,
            should it come back.
    """

    def __init__(
        self, database: Database, keyring: Keyring, *, overlap: timedelta = timedelta(minutes=5)
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._overlap = overlap

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
        try:
            async with self._database.transaction() as connection:
                # Before the first change of the directory: see registration.sql on locks.
                await note_parties(connection, expect)
                new = await connection.fetchval(
                    SQL.insert_platform, platform_id, name, PlatformState.INVITED, None
                )
                if new is None:
                    return None
                await permit_parties(connection, platform_id, permit)
                await expect_roles(connection, platform_id, name, expect)
                return await insert_invitation(connection, platform_id, token_sha256, days)
        except RegistrationRefused as refused:
            return _taken(refused)

    async def renew_invitation(
        self,
        platform_id: PlatformId,
        token_sha256: bytes,
        *,
        days: int,
        permit: Collection[PartyId] = (),
        expect: Collection[ExpectedRole] = (),
    ) -> datetime | PartyTaken | WrongState | None:
        try:
            async with self._database.transaction() as connection:
                row = await connection.fetchrow(SQL.lock_platform, platform_id)
                if row is None:
                    return None
                if expect and row["state"] != PlatformState.INVITED:
                    return WrongState(PlatformState(row["state"]))
                await permit_parties(connection, platform_id, permit)
                await expect_roles(connection, platform_id, row["name"], expect)
                await connection.execute(SQL.delete_invitations, platform_id, TOLD_APART)
                return await insert_invitation(connection, platform_id, token_sha256, days)
        except RegistrationRefused as refused:
            return _taken(refused)

    async def serve_by_file(
        self, platform_id: PlatformId, name: str, expect: Collection[ExpectedRole]
    ) -> Stored | PartyTaken | None:
        try:
            async with self._database.transaction() as connection:
                # Before the first change of the directory: see registration.sql on locks.
                await note_parties(connection, expect)
                new = await connection.fetchval(
                    SQL.insert_platform, platform_id, name, PlatformState.BY_FILE, None
                )
                if new is None:
                    return None
                await add_roles(connection, platform_id, name, expect)
                return Stored()
        except RegistrationRefused as refused:
            return _taken(refused)

    async def turn_to_files(
        self, platform_id: PlatformId, expect: Collection[ExpectedRole]
    ) -> Stored | PartyTaken | WrongState | None:
        try:
            async with self._database.transaction() as connection:
                row = await connection.fetchrow(SQL.lock_platform, platform_id)
                if row is None:
                    return None
                if row["state"] not in _MAY_TURN_TO_FILES:
                    return WrongState(PlatformState(row["state"]))
                await add_roles(connection, platform_id, row["name"], expect)
                await connection.execute(SQL.turn_to_files, platform_id)
                return Stored()
        except RegistrationRefused as refused:
            return _taken(refused)

    async def complete_answered(
        self, presented: IssuedCredentials, registration: Registration, issued_sha256: bytes
    ) -> StoreResult:
        platform_id = presented.platform_id

        async def work(connection: Connection) -> None:
            await require_presented(connection, presented)
            await self._register(connection, platform_id, registration)
            if presented.kind is CredentialsKind.REGISTRATION:
                await connection.execute(SQL.delete_token, presented.token_sha256)
            await insert_token(connection, platform_id, issued_sha256, CredentialsKind.ACCESS, None)
            await connection.execute(
                SQL.delete_surplus_tokens, platform_id, presented.token_sha256, KEPT_TOKENS
            )

        return await self._change(work)

    async def disconnect(self, presented: IssuedCredentials) -> StoreResult:
        async def work(connection: Connection) -> None:
            await require_presented(connection, presented)
            await remember_absence(connection, presented.platform_id, self._overlap)
            await connection.execute(SQL.disconnect_platform, presented.platform_id)
            await connection.execute(SQL.delete_tokens, presented.platform_id)
            await connection.execute(SQL.delete_endpoints, presented.platform_id)

        return await self._change(work)

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
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(SQL.lock_platform_by_url, versions_url)
            if row is None:
                await connection.execute(
                    SQL.insert_platform, platform_id, name, PlatformState.CONNECTING, versions_url
                )
            else:
                platform_id = PlatformId(row["platform_id"])
                if row["state"] not in (PlatformState.CONNECTING, PlatformState.DISCONNECTED):
                    return KnownAlready(platform_id)
                await connection.execute(SQL.delete_tokens, platform_id)
            await permit_parties(connection, platform_id, permit)
            await insert_token(
                connection,
                platform_id,
                token_sha256,
                CredentialsKind.ACCESS,
                timedelta(seconds=valid_s),
            )
        return Connecting(platform_id)

    async def complete_connecting(
        self, platform_id: PlatformId, registration: Registration, issued_sha256: bytes
    ) -> StoreResult:
        states = (PlatformState.CONNECTING, PlatformState.DISCONNECTED)
        return await self._complete(platform_id, registration, issued_sha256, states)

    async def abandon_connecting(self, platform_id: PlatformId, token_sha256: bytes) -> None:
        async with self._database.transaction() as connection:
            await connection.fetchrow(SQL.lock_platform, platform_id)
            deleted = await connection.execute(SQL.delete_token, token_sha256)
            # Without the token another attempt has taken the platform over.
            if deleted != "DELETE 0":
                await connection.execute(SQL.delete_connecting_platform, platform_id)

    async def start_rotation(
        self, platform_id: PlatformId, token_sha256: bytes, *, valid_s: float
    ) -> None:
        async with self._database.transaction() as connection:
            await insert_token(
                connection,
                platform_id,
                token_sha256,
                CredentialsKind.ACCESS,
                timedelta(seconds=valid_s),
            )

    async def complete_rotation(
        self, platform_id: PlatformId, registration: Registration, issued_sha256: bytes
    ) -> StoreResult:
        states = (PlatformState.CONNECTED,)
        return await self._complete(platform_id, registration, issued_sha256, states)

    async def end_rotation(
        self, platform_id: PlatformId, token_sha256: bytes, *, keep: bool
    ) -> None:
        async with self._database.transaction() as connection:
            await connection.fetchrow(SQL.lock_platform, platform_id)
            if keep:
                await connection.execute(SQL.make_token_lasting, token_sha256, platform_id)
            else:
                await connection.execute(SQL.delete_token, token_sha256)

    async def _change(self, work: Callable[[Connection], Awaitable[None]]) -> StoreResult:
        """Do it in a transaction; what `RegistrationRefused` says is rolled back and returned."""
        try:
            async with self._database.transaction() as connection:
                await work(connection)
        except RegistrationRefused as refused:
            return refused.result
        return Stored()

    async def _complete(
        self,
        platform_id: PlatformId,
        registration: Registration,
        issued_sha256: bytes,
        states: Iterable[PlatformState],
    ) -> StoreResult:
        async def work(connection: Connection) -> None:
            state = await lock_platform(connection, platform_id)
            if state not in states:
                raise RegistrationRefused(WrongState(state))
            await self._register(connection, platform_id, registration)
            if not await connection.fetchval(SQL.make_token_lasting, issued_sha256, platform_id):
                raise RegistrationRefused(CredentialsGone())

        return await self._change(work)

    async def _register(
        self, connection: Connection, platform_id: PlatformId, registration: Registration
    ) -> None:
        """Store all that a handshake brought. The platform's row is locked.

        Raises:
            RegistrationRefused: a party belongs to another platform, or must not be claimed by
                just anybody, or there are too many.
        """
        parties = sorted({held.party for held in registration.roles})
        before = await connection.fetchval(SQL.count_parties, platform_id)
        await claim_parties(connection, platform_id, parties)
        if await connection.fetchval(SQL.count_parties, platform_id) > max(before, MAX_PARTIES):
            raise RegistrationRefused(TooManyParties(MAX_PARTIES))
        rows = (
            (*party_columns(held.party), held.role, held.name, held.business_details)
            for held in registration.roles
        )
        roles = columns(rows, 5)
        await connection.execute(SQL.end_expectations, platform_id)
        await connection.execute(SQL.withdraw_roles, platform_id, *roles[:3])
        await connection.execute(SQL.backfill_returned, *roles[:3])
        await connection.execute(SQL.store_roles, *roles)
        await connection.execute(SQL.delete_endpoints, platform_id)
        announced = columns(((*key, url) for key, url in registration.endpoints.items()), 3)
        await connection.execute(
            SQL.insert_endpoints, platform_id, registration.version, *announced
        )
        await connection.execute(
            SQL.connect_platform,
            platform_id,
            registration.version,
            registration.versions_url,
            self._keyring.seal(registration.our_token, context=platform_id),
            registration.raw_token,
            registration.offer_digest,
            sorted(registration.custom_modules),
        )
        await connection.execute(SQL.delete_expired_tokens, platform_id, TOLD_APART)
        await forget_withdrawn_lists(connection, platform_id)
        await request_first_lists(connection, platform_id)
        await wake_deliveries(connection, platform_id)


def _taken(refused: RegistrationRefused) -> PartyTaken:
    if not isinstance(refused.result, PartyTaken):
        raise AssertionError("expected parties are permitted")
    return refused.result
