"""What operators do with platforms and relations, in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from ocpi_hub.authorization.circuit_keeper import OpenCircuit
from ocpi_hub.delivery.feed.protocols import LaneId
from ocpi_hub.domain.cdr_rules import CdrRules
from ocpi_hub.domain.party import (
    CdrExchange,
    Fallback,
    Module,
    PartyId,
    PlatformId,
    PlatformState,
    Quirk,
    RelationMode,
)
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store.absence import remember_absence, wake_deliveries
from ocpi_hub.store.cdr_rules import cdr_rules_of, cdr_rules_text
from ocpi_hub.store.columns import party_columns
from ocpi_hub.store.database import Connection, Database
from ocpi_hub.store.feed import request_backfills
from ocpi_hub.store.liveness import request_first_lists
from ocpi_hub.store.party_claims import permit_parties
from ocpi_hub.store.queries import Queries

SQL = Queries("platform_admin")


@dataclass(frozen=True, slots=True)
class PlatformHistory:
    """What the directory does not hold about a platform.

    Attributes:
        resume_state: the state it had before it was suspended.
        permitted: parties that it may claim although the hub knows them already.
        circuit: while it does not answer authorizations.
    """

    created_at: datetime
    connected_at: datetime | None
    last_contact_at: datetime | None
    invitation_expires_at: datetime | None
    resume_state: PlatformState | None
    permitted: Sequence[PartyId] = ()
    circuit: OpenCircuit | None = None


@dataclass(frozen=True, slots=True)
class RoleDetails:
    """BusinessDetails of one role.

    Attributes:
        text: JSON, as it came.
    """

    party: PartyId
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class RelationChange:
    """None leaves a value as it is, or at the hub's default for a new relation."""

    mode: RelationMode
    fallback: Fallback | None = None
    authorize_budget_ms: int | None = None
    whitelist_max_age_s: int | None = None
    fallback_max_age_s: int | None = None
    cdrs: CdrExchange | None = None
    cdr_schedule: str | None = None


class PlatformAdmin:
    """Changes by operators. All raise OperatorError for a platform that does not exist.

    Args:
        overlap: how far before the last contact with a platform the catch-up begins that follows
            its suspension.
    """

    def __init__(self, database: Database, *, overlap: timedelta) -> None:
        self._database = database
        self._overlap = overlap

    async def suspend(self, platform_id: PlatformId) -> None:
        """Stop all traffic of a platform, until `resume`."""
        async with self._locked(platform_id) as (connection, state):
            if state is not PlatformState.SUSPENDED:
                await remember_absence(connection, platform_id, self._overlap)
                await connection.execute(SQL.suspend, platform_id)

    async def resume(self, platform_id: PlatformId) -> None:
        """Undo `suspend`; what waited for the platform becomes due.

        Raises:
            OperatorError: it is not suspended.
        """
        async with self._locked(platform_id) as (connection, state):
            if state is not PlatformState.SUSPENDED:
                raise OperatorError(f"{platform_id} is {state}, not suspended")
            await connection.execute(SQL.resume, platform_id)
            await wake_deliveries(connection, platform_id)

    async def revoke(self, platform_id: PlatformId) -> None:
        """Void every token that the platform may present, whatever grace it had.

        Raises:
            OperatorError: it is neither connected nor suspended, and so has none.
        """
        async with self._locked(platform_id) as (connection, state):
            if state not in (PlatformState.CONNECTED, PlatformState.SUSPENDED):
                raise OperatorError(
                    f"{platform_id} is {state}, not connected: it has no credentials to revoke;"
                    f" `platform invite --renew {platform_id}` voids an invitation"
                )
            await connection.execute(SQL.revoke_tokens, platform_id)

    async def configure(
        self,
        platform_id: PlatformId,
        *,
        name: str | None = None,
        add_quirks: Collection[Quirk] = (),
        remove_quirks: Collection[Quirk] = (),
        page_limit: int | None = None,
        catch_up: str | None = None,
        permit: Collection[PartyId] = (),
        add_custom_modules: Collection[str] = (),
        remove_custom_modules: Collection[str] = (),
    ) -> None:
        """Change what the hub calls a platform and how it treats it.

        Args:
            page_limit: 0 for the hub's own.
            catch_up: push, pull or none.
            permit: parties that it may claim although the hub knows them already.
        """
        async with self._locked(platform_id) as (connection, _):
            if name is not None:
                await connection.execute(SQL.rename, platform_id, name)
            if add_quirks or remove_quirks:
                await connection.execute(
                    SQL.set_quirks, platform_id, list(add_quirks), list(remove_quirks)
                )
            if page_limit is not None:
                await connection.execute(SQL.set_page_limit, platform_id, page_limit or None)
            if catch_up is not None:
                await connection.execute(SQL.set_catch_up, platform_id, catch_up)
                await request_first_lists(connection, platform_id)
            if add_custom_modules or remove_custom_modules:
                await connection.execute(
                    SQL.set_custom_modules,
                    platform_id,
                    list(add_custom_modules),
                    list(remove_custom_modules),
                )
            await permit_parties(connection, platform_id, permit)

    async def remove(self, platform_id: PlatformId, *, force: bool) -> None:
        """Delete a platform and the relations of its parties. The parties themselves stay, with
        their objects: only whom an operator permits gets them.

        Raises:
            OperatorError: objects in custody concern it, and `force` is not set.
        """
        async with self._locked(platform_id) as (connection, _):
            waiting = await connection.fetchval(SQL.open_objects, platform_id)
            if waiting and not force:
                raise OperatorError(
                    f"{waiting} objects in custody come from or go to {platform_id} and are"
                    " neither delivered nor refused (see `cdr list`): settle them first, or"
                    " use --force"
                )
            await connection.execute(SQL.revoke_permissions, platform_id)
            await connection.execute(SQL.remove_relations, platform_id)
            await connection.execute(SQL.remove_roles, platform_id)
            await connection.execute(SQL.remove, platform_id)

    async def history(self, platform_id: PlatformId) -> PlatformHistory:
        """When things happened."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(SQL.history, platform_id)
        if row is None:
            raise unknown_platform(platform_id)
        return PlatformHistory(
            created_at=row["created_at"],
            connected_at=row["connected_at"],
            last_contact_at=row["last_contact_at"],
            invitation_expires_at=row["invitation_expires_at"],
            resume_state=PlatformState(row["resume_state"]) if row["resume_state"] else None,
            permitted=tuple(map(PartyId.parse, row["permitted"])),
            circuit=OpenCircuit(row["circuit_opened_at"], row["failed_probes"], row["probe_at"])
            if row["circuit_opened_at"]
            else None,
        )

    async def business_details(self, platform_id: PlatformId) -> Sequence[RoleDetails]:
        """What a platform's parties tell about themselves in the handshake."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL.business_details, platform_id)
        return [
            RoleDetails(
                PartyId(row["country_code"], row["party_id"]), row["role"], row["business_details"]
            )
            for row in rows
        ]

    async def set_relation(self, cpo: PartyId, emsp: PartyId, change: RelationChange) -> None:
        """Create or change how two parties work together."""
        pair = (*party_columns(cpo), *party_columns(emsp))
        async with self._database.transaction() as connection:
            before = await connection.fetchval(SQL.relation_mode, *pair)
            await connection.execute(
                SQL.set_relation,
                *pair,
                change.mode,
                change.fallback,
                change.authorize_budget_ms,
                change.whitelist_max_age_s,
                change.fallback_max_age_s,
                change.cdrs,
                change.cdr_schedule,
            )
            # Whatever became visible is past the cursors of lanes that exist already.
            await request_backfills(
                connection,
                [(LaneId(cpo, Module.TOKENS.value), emsp)]
                + [
                    (LaneId(emsp, module.value), cpo)
                    for module in (Module.LOCATIONS, Module.TARIFFS)
                ],
                # A relation that returns: nobody was told meanwhile what is gone.
                deleted=before == RelationMode.NONE,
            )

    async def change_cdr_rules(
        self, cpo: PartyId, emsp: PartyId, changed: Callable[[CdrRules], CdrRules]
    ) -> None:
        """Change what the checks of a relation's CDRs weigh.

        Raises:
            NoSuchObject: there is no such relation.
        """
        pair = (*party_columns(cpo), *party_columns(emsp))
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(SQL.relation_rules, *pair)
            if row is None:
                raise NoSuchObject(f"{cpo} and {emsp} have no relation of their own: set one first")
            rules = changed(cdr_rules_of(row["cdr_rules"]))
            await connection.execute(SQL.set_relation_rules, *pair, cdr_rules_text(rules))

    @asynccontextmanager
    async def _locked(
        self, platform_id: PlatformId
    ) -> AsyncIterator[tuple[Connection, PlatformState]]:
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(SQL.lock_platform, platform_id)
            if row is None:
                raise unknown_platform(platform_id)
            yield connection, PlatformState(row["state"])


def unknown_platform(platform_id: str) -> NoSuchObject:
    """What an operator is told about a wrong id."""
    return NoSuchObject(f"there is no platform {platform_id}: `platform list` shows them all")
