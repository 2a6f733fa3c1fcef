"""Registrations in PostgreSQL: each handshake's outcome is one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime, timedelta

from ocpi_hub.directory.snapshot import CredentialsKind, IssuedCredentials
from ocpi_hub.domain.party import Module, PartyId, PlatformId, PlatformState
from ocpi_hub.registration.claims import MAX_PARTIES
from ocpi_hub.registration.protocols import (
    Connecting,
    CredentialsGone,
    ExpectedRole,
    KnownAlready,
    PartyReserved,
    PartyTaken,
    Registration,
    Stored,
    StoreResult,
    TooManyParties,
    WrongState,
)
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.custody import lock_backoff
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.liveness import (
    forget_withdrawn_lists,
    request_catch_up,
    request_first_lists,
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


class _Refused(Exception):
    """Rolls the transaction back."""

    def __init__(self, result: StoreResult) -> None:
        self.result = result


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
                await _note_parties(connection, expect)
                new = await connection.fetchval(
                    SQL.insert_platform, platform_id, name, PlatformState.INVITED, None
                )
                if new is None:
                    return None
                await permit_parties(connection, platform_id, permit)
                await _expect(connection, platform_id, name, expect)
                return await _insert_invitation(connection, platform_id, token_sha256, days)
        except _Refused as refused:
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
                await _expect(connection, platform_id, row["name"], expect)
                await connection.execute(SQL.delete_invitations, platform_id)
                return await _insert_invitation(connection, platform_id, token_sha256, days)
        except _Refused as refused:
            return _taken(refused)

    async def serve_by_file(
        self, platform_id: PlatformId, name: str, expect: Collection[ExpectedRole]
    ) -> Stored | PartyTaken | None:
        try:
            async with self._database.transaction() as connection:
                # Before the first change of the directory: see registration.sql on locks.
                await _note_parties(connection, expect)
                new = await connection.fetchval(
                    SQL.insert_platform, platform_id, name, PlatformState.BY_FILE, None
                )
                if new is None:
                    return None
                await _take_part(connection, platform_id, name, expect)
                return Stored()
        except _Refused as refused:
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
                await _take_part(connection, platform_id, row["name"], expect)
                await connection.execute(SQL.turn_to_files, platform_id)
                return Stored()
        except _Refused as refused:
            return _taken(refused)

    async def complete_answered(
        self, presented: IssuedCredentials, registration: Registration, issued_sha256: bytes
    ) -> StoreResult:
        platform_id = presented.platform_id

        async def work(connection: Connection) -> None:
            await _require_presented(connection, presented)
            await self._register(connection, platform_id, registration)
            if presented.kind is CredentialsKind.REGISTRATION:
                await connection.execute(SQL.delete_token, presented.token_sha256)
            await _insert_token(
                connection, platform_id, issued_sha256, CredentialsKind.ACCESS, None
            )
            await connection.execute(
                SQL.delete_surplus_tokens, platform_id, presented.token_sha256, KEPT_TOKENS
            )

        return await self._change(work)

    async def disconnect(self, presented: IssuedCredentials) -> StoreResult:
        async def work(connection: Connection) -> None:
            await _require_presented(connection, presented)
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
            await _insert_token(
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
            await _insert_token(
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
        """Do it in a transaction; what `_Refused` says is rolled back and returned."""
        try:
            async with self._database.transaction() as connection:
                await work(connection)
        except _Refused as refused:
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
            state = await _lock(connection, platform_id)
            if state not in states:
                raise _Refused(WrongState(state))
            await self._register(connection, platform_id, registration)
            if not await connection.fetchval(SQL.make_token_lasting, issued_sha256, platform_id):
                raise _Refused(CredentialsGone())

        return await self._change(work)

    async def _register(
        self, connection: Connection, platform_id: PlatformId, registration: Registration
    ) -> None:
        """Store all that a handshake brought. The platform's row is locked.

        Raises:
            _Refused: a party belongs to another platform, or must not be claimed by just anybody,
                or there are too many.
        """
        parties = sorted({held.party for held in registration.roles})
        before = await connection.fetchval(SQL.count_parties, platform_id)
        await _claim(connection, platform_id, parties)
        if await connection.fetchval(SQL.count_parties, platform_id) > max(before, MAX_PARTIES):
            raise _Refused(TooManyParties(MAX_PARTIES))
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
        await connection.execute(SQL.delete_expired_tokens, platform_id)
        await forget_withdrawn_lists(connection, platform_id)
        await request_first_lists(connection, platform_id)
        await wake_deliveries(connection, platform_id)


async def permit_parties(
    connection: Connection, platform_id: str, parties: Collection[PartyId]
) -> None:
    """Let a platform claim parties that the hub knows already."""
    if parties:
        rows = columns(map(party_columns, sorted(set(parties))), 2)
        await connection.execute(SQL.permit_parties, platform_id, *rows)


async def _note_parties(connection: Connection, expected: Collection[ExpectedRole]) -> None:
    """Make sure that expected parties have a row, which nobody else is at work on."""
    if expected:
        parties = sorted({held.party for held in expected})
        await connection.execute(SQL.note_parties, *columns(map(party_columns, parties), 2))


async def _expect(
    connection: Connection, platform_id: PlatformId, name: str, expected: Collection[ExpectedRole]
) -> None:
    """Give a platform that has not registered yet its parties, under the platform's name.

    Raises:
        _Refused: one belongs to another platform.
    """
    if not expected:
        return
    parties = sorted({held.party for held in expected})
    await permit_parties(connection, platform_id, parties)
    await _claim(connection, platform_id, parties)
    wanted = sorted({(*party_columns(held.party), held.role.value) for held in expected})
    roles = columns(((*row, name, None) for row in wanted), 5)
    await connection.execute(SQL.store_roles, *roles)


async def _take_part(
    connection: Connection, platform_id: PlatformId, name: str, roles: Collection[ExpectedRole]
) -> None:
    """Give a platform parties that are there from now on; arguments and errors as of `_expect`."""
    wanted = sorted({(*party_columns(held.party), held.role.value) for held in roles})
    await connection.execute(SQL.backfill_returned, *columns(wanted, 3))
    await _expect(connection, platform_id, name, roles)


def _taken(refused: _Refused) -> PartyTaken:
    if not isinstance(refused.result, PartyTaken):
        raise AssertionError("expected parties are permitted")
    return refused.result


async def _claim(
    connection: Connection, platform_id: PlatformId, parties: Collection[PartyId]
) -> None:
    """Make parties a platform's own.

    Raises:
        _Refused: one belongs to another platform, or is reserved and not permitted.
    """
    claimed = columns(map(party_columns, parties), 2)
    new = await connection.fetch(SQL.claim_parties, platform_id, *claimed)
    taken = await connection.fetchrow(SQL.first_taken_party, platform_id, *claimed)
    if taken is not None:
        raise _Refused(PartyTaken(PartyId(taken["country_code"], taken["party_id"])))
    unheard_of = columns(map(tuple, new), 2)
    reserved = await connection.fetchrow(
        SQL.first_reserved_party, platform_id, *claimed, *unheard_of, list(Module)
    )
    if reserved is not None:
        raise _Refused(PartyReserved(PartyId(reserved["country_code"], reserved["party_id"])))
    await connection.execute(SQL.take_over_parties, platform_id, *claimed)


async def wake_deliveries(connection: Connection, platform_id: str) -> None:
    """Objects that wait for a platform's parties become due: it has (again) what they need.

    Objects before backoffs, in the order in which custody locks them.
    """
    await connection.execute(SQL.lock_waiting_objects, platform_id)
    await connection.execute(SQL.make_waiting_objects_due, platform_id)
    rows = await connection.fetch(SQL.parties, platform_id)
    parties = [PartyId(row["country_code"], row["party_id"]) for row in rows]
    await lock_backoff(connection, parties)
    await connection.execute(SQL.forget_backoff, platform_id)


async def remember_absence(connection: Connection, platform_id: str, overlap: timedelta) -> None:
    """Note what has to be fetched once a platform that is about to be cut off is back: its owners
    do not push again what they could not push (decision D-14). It waits until then."""
    await request_catch_up(connection, platform_id, overlap)


async def _lock(connection: Connection, platform_id: PlatformId) -> PlatformState:
    row = await connection.fetchrow(SQL.lock_platform, platform_id)
    if row is None:
        raise _Refused(CredentialsGone())
    return PlatformState(row["state"])


async def _require_presented(connection: Connection, presented: IssuedCredentials) -> None:
    """Lock the platform; its state and the presented credentials must still allow the handshake.

    Raises:
        _Refused: they do not.
    """
    state = await _lock(connection, presented.platform_id)
    allowed = (
        state is PlatformState.CONNECTED
        if presented.kind is CredentialsKind.ACCESS
        else state is not PlatformState.SUSPENDED
    )
    if not await connection.fetchval(
        SQL.token_is_good, presented.token_sha256, presented.platform_id, presented.kind
    ):
        raise _Refused(CredentialsGone())
    if not allowed:
        raise _Refused(WrongState(state))


async def _insert_invitation(
    connection: Connection, platform_id: PlatformId, token_sha256: bytes, days: int
) -> datetime | None:
    return await _insert_token(
        connection, platform_id, token_sha256, CredentialsKind.REGISTRATION, timedelta(days=days)
    )


async def _insert_token(
    connection: Connection,
    platform_id: PlatformId,
    token_sha256: bytes,
    kind: CredentialsKind,
    valid: timedelta | None,
) -> datetime | None:
    expires_at: datetime | None = await connection.fetchval(
        SQL.insert_token, token_sha256, platform_id, kind, valid
    )
    return expires_at
