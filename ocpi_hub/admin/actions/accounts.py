"""Accounts of the console: create, disable, enable, reset, change the password."""

from __future__ import annotations

from ocpi_hub.admin.accounts import (
    Account,
    AccountRole,
    Passwords,
    Secret,
    checked_account_name,
    checked_password,
)
from ocpi_hub.admin.acting import change
from ocpi_hub.admin.views.accounts import AccountItem, NewPassword, account_item, new_password
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import OperatorError
from ocpi_hub.store.accounts import PostgresAccounts


async def create(
    accounts: PostgresAccounts,
    passwords: Passwords,
    name: str,
    role: AccountRole,
    *,
    platform_id: PlatformId | None = None,
    password: str | None = None,
) -> NewPassword | AccountItem:
    """A new account.

    Args:
        platform_id: whose data a partner's account sees.
        password: None: one is made, shown this once, and has to be changed at the first login.

    Raises:
        OperatorError: name, password or platform cannot be these.
    """
    name = _checked_name(name)
    if (role is AccountRole.PARTNER) != (platform_id is not None):
        raise OperatorError("a partner's account belongs to a platform, others to none")
    made = Secret.new_password() if password is None else _chosen(password, name)
    async with change("account.create", name) as noted:
        account = await accounts.create(
            name,
            role,
            platform_id,
            await passwords.hash(made),
            must_change=password is None,
        )
        return noted.became(_shown(account, made if password is None else None), account.account_id)


async def disable(accounts: PostgresAccounts, account: str) -> AccountItem:
    """End an account and its sessions, at once.

    Raises:
        OperatorError: it is the last admin.
    """
    found = await accounts.find(account)
    async with change("account.disable", found.account_id, account_item(found)) as noted:
        return noted.became(account_item(await accounts.disable(found.account_id)))


async def enable(accounts: PostgresAccounts, account: str) -> AccountItem:
    """Let an account in again."""
    found = await accounts.find(account)
    async with change("account.enable", found.account_id, account_item(found)) as noted:
        return noted.became(account_item(await accounts.enable(found.account_id)))


async def reset(
    accounts: PostgresAccounts, passwords: Passwords, account: str, *, password: str | None = None
) -> NewPassword | AccountItem:
    """Another password, for somebody who forgot it; ends the account's sessions.

    Args:
        password: None: one is made, shown this once, and has to be changed at the next login.
    """
    found = await accounts.find(account)
    made = Secret.new_password() if password is None else _chosen(password, found.name)
    async with change("account.reset", found.account_id, account_item(found)) as noted:
        changed = await accounts.set_password(
            found.account_id, await passwords.hash(made), must_change=password is None
        )
        return noted.became(_shown(changed, made if password is None else None))


async def change_password(
    accounts: PostgresAccounts,
    passwords: Passwords,
    account: str,
    password: str,
    *,
    session: Secret,
) -> AccountItem:
    """The password that an account's holder chose; ends its other sessions."""
    found = await accounts.find(account)
    chosen = _chosen(password, found.name)
    async with change("account.change_password", found.account_id, account_item(found)) as noted:
        changed = await accounts.set_password(
            found.account_id, await passwords.hash(chosen), must_change=False, keep=session
        )
        return noted.became(account_item(changed))


def _shown(account: Account, made: Secret | None) -> NewPassword | AccountItem:
    return account_item(account) if made is None else new_password(account, made)


def _checked_name(name: str) -> str:
    try:
        return checked_account_name(name)
    except ValueError as error:
        raise OperatorError(str(error)) from None


def _chosen(password: str, name: str) -> Secret:
    try:
        return checked_password(password, name)
    except ValueError as error:
        raise OperatorError(str(error)) from None
