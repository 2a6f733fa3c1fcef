"""Accounts: list, create, one account, disable, enable, reset."""

from __future__ import annotations

from collections.abc import Sequence

from ocpi_hub.admin.accounts import AccountRole
from ocpi_hub.admin.actions import accounts
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.routes.accounts import WantedAccount, list_accounts
from ocpi_hub.admin.routes.base import Listing
from ocpi_hub.admin.views.accounts import AccountItem, NewPassword, account_item
from ocpi_hub.admin.views.base import Page as Items
from ocpi_hub.console.cells import At, Chip, Code, Link, url
from ocpi_hub.console.forms import Form, Input, choices, read_form
from ocpi_hub.console.lists import Column, ListPage
from ocpi_hub.console.page import Page
from ocpi_hub.console.stories import Facts, Note, Story, StoryPage, told
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Answer, Redirect, Tone, Visit
from ocpi_hub.domain.party import PlatformId

ONE = "/accounts/{account}"


def account_pages() -> tuple[Page, ...]:
    return (
        LIST.page(),
        Page("POST", "/accounts", Scope.ADMIN, create),
        STORY.page(),
        Page("POST", f"{ONE}/disable", Scope.ADMIN, disable),
        Page("POST", f"{ONE}/enable", Scope.ADMIN, enable),
        Page("POST", f"{ONE}/reset", Scope.ADMIN, reset),
    )


async def fetch(visit: Visit, given: Listing) -> Items[AccountItem]:
    return await list_accounts(visit.parts.admin, given)


def _forms(visit: Visit) -> Sequence[Form]:
    platforms = sorted(
        (f"{platform.name} ({platform_id})", platform_id)
        for platform_id, platform in visit.parts.admin.keeper.current.platforms.items()
    )
    options = [("", t("accounts.no_platform")), *((name, text) for text, name in platforms)]
    roles = choices(tuple(AccountRole))
    return (
        Form(
            url("accounts"),
            t("accounts.create"),
            (
                Input("name", t.label("name"), required=True),
                Input("role", t("accounts.role"), "select", AccountRole.VIEWER, roles),
                Input("platform", t("accounts.platform"), "select", "", options),
            ),
            needs=Scope.ADMIN,
        ),
    )


LIST: ListPage[AccountItem, Listing] = ListPage(
    path="/accounts",
    area="accounts",
    listing=Listing,
    columns=(
        Column("account", lambda item: Code(item.account)),
        Column("name", lambda item: item.name),
        Column("role", lambda item: Chip(item.role)),
        Column("platform", lambda item: Code(item.platform)),
        Column("state", lambda item: Chip("disabled" if item.disabled_at else "active")),
        Column("last_login_at", lambda item: At(item.last_login_at)),
        Column("created_at", lambda item: At(item.created_at)),
    ),
    fetch=fetch,
    needs=Scope.ADMIN,
    link=lambda item: url("accounts", item.account),
    nav="nav.accounts",
    forms=_forms,
)


async def load(visit: Visit) -> AccountItem:
    return account_item(await visit.parts.admin.accounts.find(visit.place["account"]))


async def tell(_: Visit, shown: AccountItem) -> Story:
    own = url("accounts", shown.account)
    again = Form(
        f"{own}/reset", t("accounts.reset"), needs=Scope.ADMIN, confirm=t("accounts.reset_sure")
    )
    end = Form(
        f"{own}/disable",
        t("accounts.disable"),
        needs=Scope.ADMIN,
        confirm=t("accounts.disable_sure"),
        danger=True,
    )
    back = Form(f"{own}/enable", t("accounts.enable"), needs=Scope.ADMIN)
    return Story(
        shown.name,
        [
            Facts(
                t("accounts.facts"),
                [
                    (t.label("account"), Code(shown.account)),
                    (t("accounts.role"), Chip(shown.role)),
                    (t.label("platform"), _platform(shown)),
                    (t.label("created_at"), At(shown.created_at)),
                    (t.label("last_login_at"), At(shown.last_login_at)),
                    (t.label("password_changed_at"), At(shown.password_changed_at)),
                    (t.label("must_change"), shown.must_change),
                    (t.label("disabled_at"), At(shown.disabled_at)),
                    (t("nav.audit"), Link(t("nav.audit"), url("audit", actor=shown.account))),
                ],
            )
        ],
        state=Chip("disabled" if shown.disabled_at else "active"),
        crumbs=[(t("accounts.title"), url("accounts"))],
        deeds=[again, back if shown.disabled_at else end],
    )


STORY = StoryPage(path=ONE, load=load, tell=tell, needs=Scope.ADMIN)


def _platform(shown: AccountItem) -> Link | None:
    return Link(shown.platform, url("platforms", shown.platform)) if shown.platform else None


async def create(visit: Visit) -> Answer:
    wanted = read_form(WantedAccount, visit.form)
    admin = visit.parts.admin
    made = await accounts.create(
        admin.accounts,
        admin.passwords,
        wanted.name,
        wanted.role,
        platform_id=PlatformId(wanted.platform) if wanted.platform else None,
    )
    return told_password(visit, made)


async def reset(visit: Visit) -> Answer:
    admin = visit.parts.admin
    return told_password(
        visit, await accounts.reset(admin.accounts, admin.passwords, visit.place["account"])
    )


async def disable(visit: Visit) -> Answer:
    await accounts.disable(visit.parts.admin.accounts, visit.place["account"])
    return Redirect(visit.path.removesuffix("/disable"), (Tone.GOOD, t("accounts.disabled")))


async def enable(visit: Visit) -> Answer:
    await accounts.enable(visit.parts.admin.accounts, visit.place["account"])
    return Redirect(visit.path.removesuffix("/enable"), (Tone.GOOD, t("accounts.enabled")))


def told_password(visit: Visit, made: NewPassword | AccountItem) -> Answer:
    """The page is the only place where it stands: nothing keeps it."""
    password = made.password if isinstance(made, NewPassword) else ""
    return told(
        visit,
        Story(
            t("accounts.made_title"),
            [
                Note(t("accounts.made_help"), Tone.WARN),
                Facts(
                    "",
                    [
                        (t.label("name"), Link(made.name, url("accounts", made.account))),
                        (t("accounts.password"), Code(password)),
                    ],
                ),
            ],
            crumbs=[(t("accounts.title"), url("accounts"))],
        ),
    )
