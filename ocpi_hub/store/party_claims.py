"""Whose a party is: what platforms claim, and what operators expect or permit.

The platform's row is locked by whoever calls; registration.sql says in which order the rest is.
"""

from __future__ import annotations

from collections.abc import Collection

from ocpi_hub.domain.party import Module, PartyId, PlatformId
from ocpi_hub.registration.protocols import ExpectedRole, PartyReserved, PartyTaken, StoreResult
from ocpi_hub.store.columns import columns, party_columns
from ocpi_hub.store.database import Connection
from ocpi_hub.store.queries import Queries

SQL = Queries("registration")


class RegistrationRefused(Exception):
    """Rolls the transaction back."""

    def __init__(self, result: StoreResult) -> None:
        self.result = result


async def permit_parties(
    connection: Connection, platform_id: str, parties: Collection[PartyId]
) -> None:
    """Let a platform claim parties that the hub knows already."""
    if parties:
        rows = columns(map(party_columns, sorted(set(parties))), 2)
        await connection.execute(SQL.permit_parties, platform_id, *rows)


async def note_parties(connection: Connection, expected: Collection[ExpectedRole]) -> None:
    """Make sure that expected parties have a row, which nobody else is at work on."""
    if expected:
        parties = sorted({held.party for held in expected})
        await connection.execute(SQL.note_parties, *columns(map(party_columns, parties), 2))


async def expect_roles(
    connection: Connection, platform_id: PlatformId, name: str, expected: Collection[ExpectedRole]
) -> None:
    """Give a platform that has not registered yet its parties, under the platform's name.

    Raises:
        RegistrationRefused: one belongs to another platform.
    """
    if not expected:
        return
    parties = sorted({held.party for held in expected})
    await permit_parties(connection, platform_id, parties)
    await claim_parties(connection, platform_id, parties)
    wanted = sorted({(*party_columns(held.party), held.role.value) for held in expected})
    roles = columns(((*row, name, None) for row in wanted), 5)
    await connection.execute(SQL.store_roles, *roles)


async def add_roles(
    connection: Connection, platform_id: PlatformId, name: str, roles: Collection[ExpectedRole]
) -> None:
    """Give a platform parties that are there from now on; errors as of `expect_roles`."""
    wanted = sorted({(*party_columns(held.party), held.role.value) for held in roles})
    await connection.execute(SQL.backfill_returned, *columns(wanted, 3))
    await expect_roles(connection, platform_id, name, roles)


async def claim_parties(
    connection: Connection, platform_id: PlatformId, parties: Collection[PartyId]
) -> None:
    """Make parties a platform's own.

    Raises:
        RegistrationRefused: one belongs to another platform, or is reserved and not permitted.
    """
    claimed = columns(map(party_columns, parties), 2)
    new = await connection.fetch(SQL.claim_parties, platform_id, *claimed)
    taken = await connection.fetchrow(SQL.first_taken_party, platform_id, *claimed)
    if taken is not None:
        raise RegistrationRefused(PartyTaken(PartyId(taken["country_code"], taken["party_id"])))
    unheard_of = columns(map(tuple, new), 2)
    reserved = await connection.fetchrow(
        SQL.first_reserved_party, platform_id, *claimed, *unheard_of, list(Module)
    )
    if reserved is not None:
        raise RegistrationRefused(
            PartyReserved(PartyId(reserved["country_code"], reserved["party_id"]))
        )
    await connection.execute(SQL.take_over_parties, platform_id, *claimed)
