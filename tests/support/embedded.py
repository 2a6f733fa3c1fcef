"""Fixtures for tests of the embedded server: directories and processes of different accounts."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import pytest

from tests.support.memory import memory

REPOSITORY = Path(__file__).parents[2]
Who = Literal["root", "plain"]


@dataclass(frozen=True, slots=True)
class Runner:
    """Who runs the hub in a test, and with which interpreter."""

    who: Who
    python: str
    entry: pwd.struct_passwd

    def popen(
        self, arguments: list[str], *, stdin: int | None = None, path: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start Python; `path` comes first among the places it imports from."""
        search = [*([str(path)] if path else []), str(REPOSITORY), *_site_packages()]
        change = self.entry.pw_uid != os.geteuid()
        return subprocess.Popen(
            [self.python, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(search),
                "PYTHONDONTWRITEBYTECODE": "1",
                # Variables that must not lead the embedded server or its clients astray:
                "PGPORT": "1",
                "PGHOST": "127.0.0.1",
                "PGUSER": "stranger",
                "PGDATABASE": "elsewhere",
                "PGDATA": "/nonexistent",
            },
            user=self.entry.pw_uid if change else None,
            group=self.entry.pw_gid if change else None,
            extra_groups=[] if change else None,
        )


class Service:
    """A running `tests.support.embedded_service`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin: IO[str] = process.stdin
        self._stdout: IO[str] = process.stdout
        first = self._read()
        assert isinstance(first, dict)
        self._first: dict[str, object] = first

    @property
    def server_pid(self) -> int:
        pid = self._first["pid"]
        assert isinstance(pid, int)
        return pid

    @property
    def socket(self) -> Path:
        """Directory of the socket."""
        return Path(str(self._first["socket"]))

    @property
    def error(self) -> str:
        """Why it did not start; empty if it did."""
        return str(self._first.get("error", ""))

    @property
    def in_use(self) -> bool:
        return self._first.get("in_use") is True

    def ask(self, command: str) -> object:
        self._stdin.write(f"{command}\n")
        self._stdin.flush()
        return self._read()

    def stop(self) -> None:
        """Shut down as a service does, and check that it ended well."""
        assert self.ask("stop") == "stopped"
        assert self.close() == 0

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> int:
        with suppress(BrokenPipeError):
            self._stdin.close()
        status = self.process.wait(60)
        self._stdout.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status

    def _read(self) -> object:
        line = self._stdout.readline()
        if not line:
            assert self.process.stderr is not None
            pytest.fail(f"the service ended: {self.process.stderr.read()}")
        value: object = json.loads(line)
        return value


@dataclass(frozen=True, slots=True)
class Place:
    """A base directory for an embedded server, and the means to run services on it."""

    base: Path
    runner: Runner
    services: list[Service]

    def service(self, *arguments: str, path: Path | None = None) -> Service:
        """Start a service; it is killed at the end of the test."""
        process = self.runner.popen(
            ["-m", "tests.support.embedded_service", str(self.base), *arguments],
            stdin=subprocess.PIPE,
            path=path,
        )
        service = Service(process)
        self.services.append(service)
        return service

    @property
    def log(self) -> str:
        return (self.base / "postgres.log").read_text()


@pytest.fixture(scope="session")
def plain_runner() -> Runner:
    """An ordinary account: ourselves, or as root another account and a Python open to it."""
    if os.geteuid() != 0:
        return Runner("plain", sys.executable, pwd.getpwuid(os.geteuid()))
    entry = pwd.getpwnam("nobody")
    version = f"python3.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        runner = Runner("plain", python, entry)
        try:
            process = runner.popen(["-c", "import ocpi_hub.store.embedded, pydantic_core"])
        except PermissionError:
            continue
        process.communicate(timeout=60)
        if process.returncode == 0:
            return runner
    pytest.skip(f"no {version} that account nobody may run and that finds our packages")


@pytest.fixture(params=["root", "plain"])
def runner(request: pytest.FixtureRequest) -> Runner:
    """Runs the test as root (PostgreSQL then runs as another account) and as a plain account."""
    if request.param == "plain":
        plain: Runner = request.getfixturevalue("plain_runner")
        return plain
    if os.geteuid() != 0:
        pytest.skip("only root can change to another account")
    return Runner("root", sys.executable, pwd.getpwuid(0))


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory that every account may enter (pytest's own is closed to others)."""
    with _open_directory(memory()) as path:
        yield path


@pytest.fixture
def disk_directory() -> Iterator[Path]:
    """The same on a disk, where a commit takes its time."""
    with _open_directory(None) as path:
        yield path


@contextmanager
def _open_directory(parent: Path | None) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="hub-test-", dir=parent))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def place(directory: Path, runner: Runner) -> Iterator[Place]:
    """A data directory of the account that runs the hub."""
    os.chown(directory, runner.entry.pw_uid, runner.entry.pw_gid)
    place = Place(directory / "postgres", runner, [])
    yield place
    for service in place.services:
        service.kill()
    for pid in processes_in(place.base / "pg"):
        os.kill(pid, 9)


def processes_in(directory: Path) -> list[int]:
    """Processes whose working directory is `directory`, as every PostgreSQL process's is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == directory:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]
