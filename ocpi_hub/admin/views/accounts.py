"""How accounts of the console look."""

from __future__ import annotations

from ocpi_hub.admin.accounts import Account, AccountRole, Secret
from ocpi_hub.admin.views.base import Moment, View, moment


class AccountItem(View):
    """An account; its password is known to nobody but its holder."""

    account: str
    name: str
    role: AccountRole
    platform: str | None
    must_change: bool
    created_at: Moment | None
    password_changed_at: Moment | None
    last_login_at: Moment | None
    disabled_at: Moment | None


class NewPassword(AccountItem):
    """An account whose password was just made."""

    password: str
    """Shown this once; good for choosing another one."""


class SeenFrom(View):
    """Where a login or logout came from."""

    addresses: tuple[str, ...]


def account_item(account: Account) -> AccountItem:
    return AccountItem(
        account=account.account_id,
        name=account.name,
        role=account.role,
        platform=account.platform_id,
        must_change=account.must_change,
        created_at=moment(account.created_at),
        password_changed_at=moment(account.password_changed_at),
        last_login_at=moment(account.last_login_at),
        disabled_at=moment(account.disabled_at),
    )


def new_password(account: Account, password: Secret) -> NewPassword:
    return NewPassword(**dict(account_item(account)), password=str(password))
