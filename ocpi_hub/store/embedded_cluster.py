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
import shutil
import tempfile
from pathlib import Path

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store.address import EMBEDDED_PORT, EMBEDDED_USER
from ocpi_hub.store.embedded_account import our_account
from ocpi_hub.store.embedded_binaries import Binaries
from ocpi_hub.store.embedded_shim import Account, run_to_end

_SOCKET_NAME = f".s.PGSQL.{EMBEDDED_PORT}"
_SOCKET_PATH_LIMIT = 103  # bytes; Linux takes 107, macOS 103
_INITDB_TIMEOUT_S = 600.0


def existing_major(base: Path) -> int | None:
    """Major version of the data; None if there is none yet.

    Raises:
        EmbeddedServerError: there is something that is not PostgreSQL's data.
    """
    data = base / "pg"
    try:
        return int(_read(data / "PG_VERSION").strip())
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


def make_socket_directory(base: Path, account: Account | None, current: Path | None) -> Path:
    """A directory only PostgreSQL's account may enter, without a socket in it yet.

    It is below `base`, or, where that path is too long for a socket, a fresh one in a temporary
    directory. A server that is started again keeps its `current` one: others know its address.
    """
    if current is not None and current.is_dir():
        _remove_socket(current)
        return current
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
        _remove_socket(directory)
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
        pid = int(_read(path).split("\n", 1)[0])
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


def _remove_socket(directory: Path) -> None:
    (directory / _SOCKET_NAME).unlink(missing_ok=True)
    (directory / f"{_SOCKET_NAME}.lock").unlink(missing_ok=True)


def _too_long(directory: Path) -> bool:
    return len(os.fsencode(directory / _SOCKET_NAME)) > _SOCKET_PATH_LIMIT


def _give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _read(path: Path) -> str:
    """A small file in the account's directory: no link or pipe of the account misleads root."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, errors="replace") as file:
        return file.read(4096)


def _write(path: Path, text: str) -> None:
    """Replace a file of ours at once, readable for the account that runs PostgreSQL."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.rename(path)
