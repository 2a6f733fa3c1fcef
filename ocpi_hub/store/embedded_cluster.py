"""The directory of the embedded server: who owns it, the data, the access rules, the socket.

base/            ours: root's (0755) when started as root, else 0700
  service.lock   held by the process that supervises the server
  server.lock    held by PostgreSQL itself until its last process is gone
  hba.conf ident.conf   who may connect: only our account and PostgreSQL's, by peer
  socket         the directory of the socket, for other processes of ours
  postgres.log   PostgreSQL's own messages
  runtime/       copy of the programs, only where the installed ones are out of reach
  pg/ run/       the data and the socket: the only directories PostgreSQL's account owns
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store.address import EMBEDDED_PORT, EMBEDDED_USER
from ocpi_hub.store.directories import make_directories
from ocpi_hub.store.embedded_binaries import Binaries
from ocpi_hub.store.embedded_shim import Account, closed_directory, run_to_end

_SOCKET_NAME = f".s.PGSQL.{EMBEDDED_PORT}"
_SOCKET_PATH_LIMIT = 103  # bytes; Linux takes 107, macOS 103
_INITDB_TIMEOUT_S = 600.0
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


def existing_major(base: Path) -> int | None:
    """Major version of the data; None if there is none yet.

    Raises:
        EmbeddedServerError: there is something that is not PostgreSQL's data.
    """
    data = base / "pg"
    try:
        return int((data / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        if data.exists() and any(data.iterdir()):
            raise EmbeddedServerError(
                f"{data} is not empty and is not a PostgreSQL data directory: move it away"
            ) from None
        return None
    except (OSError, ValueError) as error:
        raise EmbeddedServerError(f"{data / 'PG_VERSION'} cannot be read: {error}") from None


async def create_cluster(
    base: Path, binaries: Binaries, account: Account | None, lock_fd: int
) -> None:
    """Make a new data directory; it appears under its name only when complete.

    Raises:
        EmbeddedServerError: with the output of initdb.
    """
    fresh = base / "pg.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    fresh.chmod(0o700)
    _give(fresh, account)
    command: list[str | Path] = [
        binaries.directory / "initdb",
        *("-D", fresh, "-U", EMBEDDED_USER, "-E", "UTF8", "-k", "-A", "reject", "--locale=C"),
    ]
    if binaries.major >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    outcome = await run_to_end(command, account, timeout_s=_INITDB_TIMEOUT_S, pass_fds=[lock_fd])
    if outcome.status != 0:
        raise EmbeddedServerError(f"initdb could not make {base / 'pg'}: {outcome.output[-2000:]}")
    fresh.rename(base / "pg")


def write_access_rules(base: Path, account: Account | None) -> None:
    """Let in our account and PostgreSQL's through the socket, nobody else and no other way.

    The files stay in our directory, so that root never writes inside the account's.
    """
    names = {our_account().name} | ({account.name} if account else set())
    rules = "".join(f'hub "{name}" {EMBEDDED_USER}\n' for name in sorted(names))
    _write(base / "hba.conf", "local all all peer map=hub\n")
    _write(base / "ident.conf", rules)


def make_socket_directory(base: Path, account: Account | None) -> Path:
    """A directory only PostgreSQL's account may enter: below `base`, or, where that path is too
    long for a socket, a fresh one in a temporary directory."""
    remove_socket_directory(base)
    directory = base / "run"
    if _too_long(directory):
        parent = Path(tempfile.gettempdir())
        if _too_long(parent / "ocpi-hub-12345678"):
            parent = Path("/tmp")  # noqa: S108  # mkdtemp makes a private directory in it
        directory = Path(tempfile.mkdtemp(prefix="ocpi-hub-", dir=parent))
    else:
        directory.mkdir(exist_ok=True)
    directory.chmod(0o700)
    _give(directory, account)
    _write(base / "socket", f"{directory}\n")
    return directory


def remove_socket_directory(base: Path) -> None:
    """Forget the socket of a server that is gone. Only call it while holding the locks."""
    directory = socket_directory(base)
    if directory is not None:
        (directory / _SOCKET_NAME).unlink(missing_ok=True)
        (directory / f"{_SOCKET_NAME}.lock").unlink(missing_ok=True)
        if directory.parent != base:
            shutil.rmtree(directory, ignore_errors=True)
    (base / "socket").unlink(missing_ok=True)


def socket_directory(base: Path) -> Path | None:
    """Where the server of `base` listens, or listened.

    None as well if that directory belongs to a stranger, who could have put a server of his own
    where ours was.
    """
    try:
        directory = Path((base / "socket").read_text().removesuffix("\n"))
        trusted = {os.geteuid(), base.stat().st_uid, (base / "pg").stat().st_uid}
        return directory if directory.lstat().st_uid in trusted else None
    except FileNotFoundError:
        return None


def clear_pid_file(base: Path) -> None:
    """Remove the pid file of a server that is gone: its number may by now be anybody's.

    Only call it while holding the locks: our own server's processes are then all gone.

    Raises:
        EmbeddedServerError: a server that we did not start runs on the data.
    """
    path = base / "pg" / "postmaster.pid"
    try:
        pid = int(path.read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return
    except ValueError:
        pid = 0
    if pid > 0 and _serves(pid, base / "pg"):
        raise EmbeddedServerError(
            f"another PostgreSQL (process {pid}) already runs on {base / 'pg'}: it was not started"
            " by the hub. Stop it first, or set database_url to use it"
        )
    path.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    process = Path("/proc") / str(pid)
    if not Path("/proc/self/exe").exists():  # no procfs: PostgreSQL's own check decides
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    try:
        program = (process / "exe").readlink().name.removesuffix(" (deleted)")
        return program == "postgres" and (process / "cwd").samefile(data)
    except OSError:  # gone, a zombie, or another account's: then it cannot use our 0700 data
        return False


def _too_long(directory: Path) -> bool:
    return len(os.fsencode(directory / _SOCKET_NAME)) > _SOCKET_PATH_LIMIT


def _give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _write(path: Path, text: str) -> None:
    """Replace a file of ours at once, readable for the account that runs PostgreSQL."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.rename(path)
