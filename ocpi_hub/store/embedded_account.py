"""Who runs the embedded server, and whether they may: accounts and owners of directories."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store.directories import make_directories
from ocpi_hub.store.embedded_shim import Account, closed_directory

_USE_OTHER = "or choose another data_dir, or set database_url"


def our_account() -> Account:
    """The account of this process.

    Raises:
        EmbeddedServerError: its user id has no name, which PostgreSQL does not accept.
    """
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedServerError(
            f"user id {os.geteuid()} has no entry in the passwd database, and PostgreSQL refuses"
            " to run without one: set database_url to a PostgreSQL server, or add the entry"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def prepare_base(base: Path) -> None:
    """Create `base`, or check that it is ours.

    Raises:
        EmbeddedServerError: it cannot be made, or belongs to another account.
    """
    us = our_account()
    try:
        make_directories(base)
        owner = base.stat().st_uid
    except OSError as error:
        raise EmbeddedServerError(
            f"the directory {base} cannot be made by account {us.name}: {error.strerror}."
            f" Give the account a writable data_dir, {_USE_OTHER}"
        ) from None
    if owner != us.uid:
        raise EmbeddedServerError(
            f"{base} belongs to account {_name_of(owner)}, but the hub runs as {us.name}: run it"
            f" as {_name_of(owner)}, {_USE_OTHER}"
        )
    if not os.access(base, os.W_OK | os.X_OK):
        raise EmbeddedServerError(f"{base} is not writable by {us.name}: chmod u+wx, {_USE_OTHER}")


def choose_account(base: Path, configured: str) -> Account | None:
    """Who runs PostgreSQL: None for ourselves, an account to change to when we are root.

    Raises:
        EmbeddedServerError: the account does not exist, is root, or does not own the data.
    """
    data = base / "pg"
    owner = data.lstat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        us = our_account()
        if configured and configured != us.name:
            raise EmbeddedServerError(
                f"postgres_account is {configured}, but only root can change accounts and the hub"
                f" runs as {us.name}: leave postgres_account empty"
            )
        account = us
    elif configured:
        account = _account(configured)
    elif owner is not None:
        account = _account(_name_of(owner))
    else:
        account = _first_account("postgres", "nobody")
    if owner is not None and owner != account.uid:
        raise EmbeddedServerError(
            f"{data} belongs to account {_name_of(owner)}, not to {account.name}: set"
            f" postgres_account to {_name_of(owner)}, or stop the hub and"
            f" chown -R {account.name} {data}"
        )
    return account if os.geteuid() == 0 else None


def _first_account(*names: str) -> Account:
    for name in names:
        try:
            return _account(name)
        except EmbeddedServerError:
            continue
    raise EmbeddedServerError(
        f"root cannot run PostgreSQL and there is no account {' or '.join(names)}: set"
        " postgres_account to an unprivileged account"
    )


def _account(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EmbeddedServerError(
            f"there is no account {name}: set postgres_account to an existing one"
        ) from None
    if entry.pw_uid == 0:
        raise EmbeddedServerError(
            f"account {name} is root, and PostgreSQL refuses to run as root: set postgres_account"
            " to an unprivileged account"
        )
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


async def check_passage(base: Path, account: Account) -> None:
    """Check that `account` can reach `base`; no directory's mode is ever changed for that.

    Raises:
        EmbeddedServerError: naming the first directory that is closed to it.
    """
    closed = await closed_directory(base, account)
    if closed is not None:
        raise EmbeddedServerError(
            f"account {account.name} cannot enter {closed}, which leads to {base}: choose a"
            " data_dir outside of it (the default for root is /var/lib/ocpi-hub), or set"
            f" postgres_account to an account that can, or chmod o+x {closed}"
        )
