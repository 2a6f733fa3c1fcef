"""Accounts of the console: list, create, disable, enable, reset."""

from __future__ import annotations

from pydantic import Field, field_validator

from ocpi_hub.admin.accounts import AccountRole, checked_account_name
from ocpi_hub.admin.actions import accounts
from ocpi_hub.admin.cursors import cursor_text
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes.base import (
    API,
    AnyRoute,
    Body,
    Call,
    Given,
    Listing,
    NoBody,
    Route,
    Text,
    page_of,
)
from ocpi_hub.admin.routes.onboarding import NoParameters
from ocpi_hub.admin.views.accounts import AccountItem, NewPassword, account_item
from ocpi_hub.admin.views.base import Page, View
from ocpi_hub.domain.party import PlatformId

KIND = "accounts"


class AccountGiven(Given):
    account: Text = Field(description="its id, for instance a-3f9a1c02, or its name")


class WantedAccount(Body):
    """An account that is to be made; its password is made with it."""

    name: str = Field(description="what its holder logs in as")
    role: AccountRole
    platform: Text | None = Field(None, description="of a partner's account: whose data it sees")

    @field_validator("name")
    @classmethod
    def _name_is_printable(cls, value: str) -> str:
        return checked_account_name(value)


def account_routes(parts: AdminParts) -> tuple[AnyRoute, ...]:
    one = f"{API}/accounts/{{account}}"

    async def listing(call: Call[Listing, NoBody]) -> Page[AccountItem]:
        return await list_accounts(parts, call.given)

    async def show(call: Call[AccountGiven, NoBody]) -> AccountItem:
        return account_item(await parts.accounts.find(call.given.account))

    async def create(call: Call[NoParameters, WantedAccount]) -> View:
        body = call.body
        return await accounts.create(
            parts.accounts,
            parts.passwords,
            body.name,
            body.role,
            platform_id=PlatformId(body.platform) if body.platform else None,
        )

    async def disable(call: Call[AccountGiven, NoBody]) -> AccountItem:
        return await accounts.disable(parts.accounts, call.given.account)

    async def enable(call: Call[AccountGiven, NoBody]) -> AccountItem:
        return await accounts.enable(parts.accounts, call.given.account)

    async def reset(call: Call[AccountGiven, NoBody]) -> View:
        return await accounts.reset(parts.accounts, parts.passwords, call.given.account)

    admin = Scope.ADMIN
    return (
        Route("GET", f"{API}/accounts", admin, "Accounts of the console, disabled ones too",
              Listing, NoBody, Page[AccountItem], listing),
        Route("GET", one, admin, "One account", AccountGiven, NoBody, AccountItem, show),
        Route("POST", f"{API}/accounts", admin, "Make an account; its password is shown this once",
              NoParameters, WantedAccount, NewPassword, create, 201),
        Route("POST", f"{one}/disable", admin, "End an account and its sessions, at once",
              AccountGiven, NoBody, AccountItem, disable),
        Route("POST", f"{one}/enable", admin, "Let an account in again",
              AccountGiven, NoBody, AccountItem, enable),
        Route("POST", f"{one}/reset", admin, "Give it another password, which is shown this once",
              AccountGiven, NoBody, NewPassword, reset),
    )  # fmt: skip


async def list_accounts(parts: AdminParts, given: Listing) -> Page[AccountItem]:
    """All of them, by id."""
    place = given.place(KIND, str)
    after = str(place[0]) if place else None
    found = await parts.accounts.list(after=after, limit=given.limit + 1)
    return page_of(
        found, given.limit, account_item, lambda last: cursor_text(KIND, last.account_id)
    )
