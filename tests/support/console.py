"""Accounts of the console, and a browser without JavaScript that is logged in as one."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest import mock

import httpx
from argon2 import PasswordHasher

from ocpi_hub.admin.accounts import Account, AccountRole, Passwords, Secret
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.store.accounts import LoginLife, PostgresAccounts
from ocpi_hub.store.database import Database
from tests.support.admin import AdminHub, admin_hub

LIFE = LoginLife(idle=timedelta(hours=1), longest=timedelta(hours=12))
PASSWORD = "a password for tests"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class ConsoleHub:
    """A hub whose console answers."""

    hub: AdminHub

    @property
    def accounts(self) -> PostgresAccounts:
        return PostgresAccounts(self.hub.database, LIFE)

    async def account(
        self, name: str, role: AccountRole, platform: str | None = None, **options: Any
    ) -> Account:
        """A new account with `PASSWORD`."""
        return await self.accounts.create(
            name,
            role,
            PlatformId(platform) if platform else None,
            await Passwords(QUICK).hash(Secret(PASSWORD)),
            **{"must_change": False, **options},
        )

    def browser(self) -> Browser:
        """Somebody who is not logged in."""
        return Browser(httpx.AsyncClient(base_url=self.hub.url))

    async def logged_in(
        self, role: AccountRole, platform: str | None = None, name: str = ""
    ) -> Browser:
        """Somebody who is."""
        name = name or f"a {role}"
        await self.account(name, role, platform)
        browser = self.browser()
        answer = await browser.log_in(name)
        assert answer.status_code == 303, answer.text
        return browser


@dataclass(frozen=True, slots=True)
class Browser:
    """Keeps cookies, and sends forms with the token of the page."""

    client: httpx.AsyncClient

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(f"/console{path}", **options)

    async def token(self) -> str:
        """What forms bring along."""
        for page in ("/password", "/login"):
            found = _TOKEN.search((await self.get(page)).text)
            if found:
                return html.unescape(found[1])
        raise AssertionError("one of the two pages has a form")

    async def post(
        self, path: str, form: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Send a form of the console."""
        data = {"csrf": await self.token(), **(form or {})}
        return await self.client.post(f"/console{path}", data=data, **options)

    async def log_in(self, name: str, password: str = PASSWORD, to: str = "") -> httpx.Response:
        data = {"csrf": await self.token(), "name": name, "password": password}
        return await self.client.post(
            "/console/login", params={"to": to} if to else None, data=data
        )


@asynccontextmanager
async def console_hub(database: Database, **overrides: Any) -> AsyncIterator[ConsoleHub]:
    """See `admin_hub`; pages travel without TLS, and passwords are hashed fast."""
    with mock.patch("ocpi_hub.admin.accounts.PasswordHasher", return_value=QUICK):
        async with admin_hub(database, **{"public_url": "http://hub.example", **overrides}) as hub:
            yield ConsoleHub(hub)
