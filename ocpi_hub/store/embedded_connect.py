"""Connecting to the embedded server."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import asyncpg

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store import embedded_cluster as cluster
from ocpi_hub.store.address import EMBEDDED_DATABASE, EMBEDDED_USER, DatabaseAddress

_CONNECT_TIMEOUT_S = 10.0

# What a connection attempt meets while the server is not up yet.
NOT_READY: tuple[type[Exception], ...] = (
    OSError,  # TimeoutError is one
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,
)
_NO_SERVER: tuple[type[Exception], ...] = (*NOT_READY, asyncpg.InvalidCatalogNameError)


async def running_address(base: Path) -> DatabaseAddress | None:
    """The address of the server that another process of ours runs right now; None if none does.

    Raises:
        EmbeddedServerError: one runs, but is not open to this account, or its disk is full, or it
            is silent.
    """
    try:
        directory = cluster.socket_directory(base)
        if directory is None:
            return None
        address = DatabaseAddress(host=str(directory), user=EMBEDDED_USER)
        await ping(address)
    except (PermissionError, asyncpg.InvalidAuthorizationSpecificationError):
        raise EmbeddedServerError(
            f"the server of {base} is not open to account {pwd.getpwuid(os.geteuid()).pw_name}:"
            " run the command as the account that runs the hub"
        ) from None
    except asyncpg.DiskFullError as error:
        raise EmbeddedServerError(f"{base}: {error}: make room, then try again") from None
    except TimeoutError:
        raise EmbeddedServerError(
            f"the server of {base} runs, but does not answer within {_CONNECT_TIMEOUT_S:g} s:"
            " its processes may be stopped, or the machine has too much to do"
        ) from None
    except _NO_SERVER:
        return None
    return address


async def ping(address: DatabaseAddress) -> None:
    """Connect once.

    Raises:
        NOT_READY: one of these, if there is no server or it does not answer yet.
    """
    connection = await asyncpg.connect(**address.connect_arguments(), timeout=_CONNECT_TIMEOUT_S)
    await connection.close()


async def create_database(address: DatabaseAddress) -> None:
    """Create the hub's database unless it exists."""
    connection = await asyncpg.connect(
        **address.with_database("postgres").connect_arguments(), timeout=_CONNECT_TIMEOUT_S
    )
    try:
        if not await connection.fetchval(
            "select true from pg_database where datname = $1", address.database
        ):
            await connection.execute(f'create database "{EMBEDDED_DATABASE}"')
    finally:
        await connection.close()
