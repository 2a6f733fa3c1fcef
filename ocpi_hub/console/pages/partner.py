"""Logins for a partner's people, made where its platform is looked at."""

from __future__ import annotations

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.admin.actions import accounts
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.accounts import WantedAccount
from ocpi_hub.console.cells import url
from ocpi_hub.console.forms import Form, Input, read_form
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages.accounts import told_password
from ocpi_hub.console.pages.onboarding_platform import own_platform
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Visit


def partner_pages() -> tuple[Page, ...]:
    return (Page("POST", "/platforms/{platform}/accounts", Scope.ADMIN, create),)


def account_form(platform: str) -> Form:
    """An account for one of the partner's people."""
    return Form(
        url("platforms", platform, "accounts"),
        t("partner.create"),
        (Input("name", t("partner.name"), required=True, help=t("partner.help")),),
        needs=Scope.ADMIN,
    )


async def create(visit: Visit) -> Answer:
    platform_id, admin = await own_platform(visit), visit.parts.admin
    wanted = read_form(
        WantedAccount, {"name": visit.form.get("name", ""), "role": AccountRole.PARTNER}
    )
    made = await accounts.create(
        admin.accounts, admin.passwords, wanted.name, wanted.role, platform_id=platform_id
    )
    return told_password(visit, made)
