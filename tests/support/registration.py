"""The hub's registration without its server: services on a database, real HTTP to partners."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ocpi_hub.clock import SystemClock
from ocpi_hub.delivery.client import HttpClient
from ocpi_hub.delivery.url_safety import UrlPolicy
from ocpi_hub.directory.snapshot import Directory, IssuedCredentials
from ocpi_hub.domain.party import (
    CredentialsToken,
    InterfaceRole,
    OcpiVersion,
    Platform,
    PlatformId,
)
from ocpi_hub.registration.handshake import Handshake
from ocpi_hub.registration.onboarding import Onboarding
from ocpi_hub.registration.versions import OFFERED_VERSIONS
from ocpi_hub.store.database import Database
from ocpi_hub.store.directory import PostgresDirectoryStore
from ocpi_hub.store.registration import PostgresRegistrationStore
from ocpi_hub.store.secret_key import Keyring
from tests.support.directory import KEY, make_directory_store
from tests.support.postgres import make_settings
from tests.support.scripted_partner import ScriptedPartner

OFFERED = tuple((module, role) for module in ("tokens", "cdrs") for role in InterfaceRole)
PUBLIC_URL = "https://hub.example"


@dataclass(frozen=True, slots=True)
class RegisteringHub:
    """The hub's registration on one database."""

    database: Database
    directory: PostgresDirectoryStore
    handshake: Handshake
    onboarding: Onboarding

    async def load(self) -> Directory:
        return await self.directory.load()

    async def platform(self, platform_id: PlatformId) -> Platform:
        return (await self.load()).platforms[platform_id]

    async def admit(self, token: str) -> tuple[Platform, IssuedCredentials]:
        """What the server finds for a presented token."""
        directory = await self.load()
        issued = directory.credentials[CredentialsToken(token).sha256]
        return directory.platforms[issued.platform_id], issued

    async def knows(self, token: str) -> bool:
        return CredentialsToken(token).sha256 in (await self.load()).credentials

    async def post(self, token: str, body: bytes) -> dict[str, Any]:
        return dict(
            json.loads(await self.handshake.post_credentials(*await self.admit(token), body))
        )

    async def put(self, token: str, body: bytes) -> dict[str, Any]:
        return dict(
            json.loads(await self.handshake.put_credentials(*await self.admit(token), body))
        )

    async def registered(self, partner: ScriptedPartner) -> tuple[PlatformId, str]:
        """Invite and register; the platform and the partner's token C."""
        invitation = await self.onboarding.invitations.invite("A partner")
        answer = await self.post(invitation.token, partner.body())
        return invitation.platform_id, str(answer["token"])


@asynccontextmanager
async def registering_hub(
    database: Database, versions: Sequence[OcpiVersion] = OFFERED_VERSIONS
) -> AsyncIterator[RegisteringHub]:
    settings = make_settings(
        allow_http=True,
        allow_networks=["127.0.0.0/8"],
        handshake_timeout_s=0.5,
        max_answer_bytes=100_000,
    )
    policy = UrlPolicy(allow_http=True, allow_networks=settings.allow_networks)
    store = PostgresRegistrationStore(database, Keyring(KEY))
    async with HttpClient(settings, clock=SystemClock()) as client:
        yield RegisteringHub(
            database,
            make_directory_store(database),
            Handshake(
                store,
                client,
                policy,
                settings,
                public_url=PUBLIC_URL,
                offered=OFFERED,
                versions=versions,
            ),
            Onboarding(
                store,
                client,
                policy,
                settings,
                public_url=PUBLIC_URL,
                offered=OFFERED,
                versions=versions,
            ),
        )
