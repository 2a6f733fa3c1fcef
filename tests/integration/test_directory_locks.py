"""Everything that changes the directory at once: nothing deadlocks, every change is counted."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from ocpi_hub.domain.party import CredentialsToken, PartyId, PlatformId, RelationMode
from ocpi_hub.store.database import Database
from ocpi_hub.store.liveness import PostgresLivenessStore
from ocpi_hub.store.platform_admin import PlatformAdmin, RelationChange
from tests.support.registration import RegisteringHub, registering_hub
from tests.support.scripted_partner import ScriptedPartner, role_of

PLATFORMS = 8
ROUNDS = 5
SECOND = timedelta(seconds=1)


async def test_changes_of_many_platforms_at_once_do_not_block_each_other(
    database: Database,
) -> None:
    async with registering_hub(database) as hub:
        before = (await hub.load()).version
        await asyncio.gather(*(_live(hub, number) for number in range(PLATFORMS)))
        directory = await hub.load()
    assert directory.version > before + PLATFORMS * ROUNDS
    assert all(platform.online for platform in directory.platforms.values())


async def _live(hub: RegisteringHub, number: int) -> None:
    """The life of one platform: it registers, rotates, is used, fails, is suspended, returns."""
    admin = PlatformAdmin(hub.database, overlap=SECOND)
    liveness = PostgresLivenessStore(hub.database, check_every=SECOND, overlap=SECOND)
    async with ScriptedPartner(role_of(f"NL*A{number:02}"), role_of(f"NL*B{number:02}")) as partner:
        partner.endpoints = [("cdrs", role, f"{partner.base_url}/c") for role in _BOTH]
        platform, token = await hub.registered(partner)
        for _ in range(ROUNDS):
            token = str((await hub.put(token, partner.body()))["token"])
            await asyncio.gather(
                hub.directory.note_first_use(CredentialsToken(token).sha256, grace_s=60.0),
                liveness.note_contacts({platform: 0.1}),
            )
            await _mark_offline(hub.database, platform)
            await asyncio.gather(
                liveness.mark_online(platform),
                admin.set_relation(_CPO, _EMSP, RelationChange(RelationMode.NONE)),
            )
            await admin.suspend(platform)
            await admin.resume(platform)


_BOTH = ("SENDER", "RECEIVER")
_CPO, _EMSP = PartyId("NL", "A00"), PartyId("DE", "MSP")


async def _mark_offline(database: Database, platform_id: PlatformId) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "update platform set online = false where platform_id = $1", platform_id
        )
