"""The pool of connections to PostgreSQL, and what it means when the database does not answer.

Whatever leaves the question open whether something was stored becomes StoreUnavailable; errors
that say something about the statement itself (a violated constraint, a deadlock) become StoreError
with asyncpg's error as the cause: then nothing was stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from ocpi_hub.errors import ConfigError, StoreError, StoreUnavailable
from ocpi_hub.settings import Settings
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.refused_writes import RefusedWrites

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    _AnyConnection = asyncpg.Connection[asyncpg.Record]
else:
    _AnyConnection = asyncpg.Connection

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""A connection, of the pool or an own one."""

_TRANSACTION_TIMEOUT = "transaction_timeout"
_TRANSACTION_TIMEOUT_SINCE = 17
_IDLE_CONNECTION_S = 300.0
_CLOSE_S = 1.0
_CLIENT_MARGIN_S = 5.0  # on top of the server's timeouts, for a server that fell silent

# Each says that the database, not the statement, is the problem.
UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,  # TimeoutError is one
    asyncpg.PostgresConnectionError,  # 08
    asyncpg.InvalidAuthorizationSpecificationError,  # 28
    asyncpg.InsufficientResourcesError,  # 53: disk full, too many connections
    asyncpg.OperatorInterventionError,  # 57: shutdown, starting up, statement timeout
    asyncpg.PostgresSystemError,  # 58: I/O error
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # the primary has become a standby
    # No host accepts writes, or the connection was lost between preparing and binding.
    asyncpg.InternalClientError,
)
# Or the pool would go on using the old primary, or a connection that is out of step.
_NOT_USED_AGAIN = (asyncpg.ReadOnlySQLTransactionError, asyncpg.InternalClientError)
_MISCONFIGURED: tuple[type[Exception], ...] = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)
_CLOSING: tuple[type[Exception], ...] = (*UNAVAILABLE, asyncpg.InterfaceError)
_NO_CONNECTION: tuple[type[Exception], ...] = (*_CLOSING, *_MISCONFIGURED)


class _Pooled(_AnyConnection):
    """A connection of the pool. No statement of ours changes a session, so nothing has to be undone
    on the way back, which would cost a round trip; an open transaction is ended all the same."""

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A bounded pool. Recovers by itself when PostgreSQL comes back.

    Attributes:
        refused: what it would not write.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        address: DatabaseAddress,
        settings: Settings,
        server_settings: dict[str, str],
    ) -> None:
        self._pool = pool
        self._address = address
        self._settings = settings
        self._server_settings = server_settings
        self.refused = RefusedWrites()

    @classmethod
    async def open(
        cls, address: DatabaseAddress, settings: Settings, *, application_name: str = "ocpi-hub"
    ) -> Database:
        """Connect.

        Raises:
            StoreUnavailable: the database does not answer.
            ConfigError: it refuses the account, or the database does not exist.
        """
        arguments = address.connect_arguments()
        timeout_s = settings.database_acquire_timeout_s
        try:
            major = await _server_major(address, timeout_s)
            server_settings = _server_settings(settings, application_name, major)
            pool = asyncpg.create_pool(
                **arguments,
                connection_class=_Pooled,
                min_size=1,
                max_size=settings.database_connections,
                max_inactive_connection_lifetime=_IDLE_CONNECTION_S,
                timeout=timeout_s,
                command_timeout=_command_timeout_s(settings),
                server_settings=server_settings,
            )
            await pool
        except _MISCONFIGURED as error:
            raise ConfigError(f"database_url: {address!r} refused us: {error}") from error
        except UNAVAILABLE as error:
            raise StoreUnavailable(_describe(error)) from error
        return cls(pool, address, settings, server_settings)

    async def close(self) -> None:
        """Close the pool: waits a moment for connections in use, then cuts them. Idempotent."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._pool.close()
        except _CLOSING:
            self.terminate()

    def terminate(self) -> None:
        """Cut all connections at once, those in use too."""
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool. Do only database work inside: an OSError counts as its failure.

        Raises:
            StoreUnavailable: none is free in time, or it broke while in use.
            StoreError: PostgreSQL refused a statement.
        """
        connection = await self._acquire()
        try:
            yield connection
        except (asyncpg.InterfaceError, AttributeError) as error:
            # asyncpg looks for what a connection has no more that the pool took back.
            if not _is_lost(connection):
                raise  # asyncpg was used wrongly: that is our fault, not the database's
            raise StoreUnavailable(_describe(error)) from error
        except UNAVAILABLE as error:
            self.refused.note(error)
            if isinstance(error, _NOT_USED_AGAIN):
                connection.terminate()
            raise StoreUnavailable(_describe(error)) from error
        except asyncpg.PostgresError as error:
            # The detail quotes the row: uids and whole objects would stand in logs and answers.
            error.detail = None
            raise StoreError(f"the database refused a statement: {error}") from error
        finally:
            # A connection that breaks on its way back changes nothing about what was done with it.
            with suppress(*_CLOSING):
                await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction; commits unless an exception leaves the block.

        Raises:
            StoreUnavailable: as `connection`; if the commit was sent, it may have happened.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[Connection]:
        """As `transaction`, for one that has many statements: each of them has its time, all
        together have no limit."""
        async with self.transaction() as connection:
            if _TRANSACTION_TIMEOUT in self._server_settings:
                await connection.execute(f"set local {_TRANSACTION_TIMEOUT} = 0")
            yield connection

    @asynccontextmanager
    async def planned(self) -> AsyncIterator[Connection]:
        """As `transaction`, and each statement is planned for the values that it is given: where
        these decide which index serves."""
        async with self.transaction() as connection:
            await connection.execute("set local plan_cache_mode = force_custom_plan")
            yield connection

    async def _acquire(self) -> PoolConnectionProxy[asyncpg.Record]:
        try:
            return await self._pool.acquire(timeout=self._settings.database_acquire_timeout_s)
        except _NO_CONNECTION as error:
            raise StoreUnavailable(_describe(error)) from error

    async def dedicated(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of its own outside the pool, for LISTEN. The caller closes it.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        try:
            return await asyncpg.connect(
                **self._address.connect_arguments(),
                timeout=self._settings.database_acquire_timeout_s,
                command_timeout=_command_timeout_s(self._settings),
                server_settings=self._server_settings,
            )
        except _NO_CONNECTION as error:
            raise StoreUnavailable(_describe(error)) from error


async def _server_major(address: DatabaseAddress, timeout_s: float) -> int:
    connection = await asyncpg.connect(**address.connect_arguments(), timeout=timeout_s)
    try:
        return connection.get_server_version().major
    finally:
        await connection.close(timeout=timeout_s)


def _server_settings(settings: Settings, application_name: str, major: int) -> dict[str, str]:
    """What every session runs with, from the moment it is connected."""
    transaction_ms = str(int(settings.transaction_timeout_s * 1000))
    result = {
        "application_name": application_name,
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        # A lock that is not had in half a statement's time would fail the statement anyway; this
        # way the error says what it waited for.
        "lock_timeout": str(max(settings.statement_timeout_ms // 2, 1)),
        "idle_in_transaction_session_timeout": transaction_ms,
    }
    if major >= _TRANSACTION_TIMEOUT_SINCE:
        result[_TRANSACTION_TIMEOUT] = transaction_ms
    return result


def _command_timeout_s(settings: Settings) -> float:
    return settings.statement_timeout_ms / 1000 + _CLIENT_MARGIN_S


def _is_lost(connection: PoolConnectionProxy[asyncpg.Record]) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool was closed and took it back
        return True


def _describe(error: Exception) -> str:
    """One line for logs; a bare TimeoutError has no text of its own."""
    return f"the database is not available: {str(error) or type(error).__name__}"
