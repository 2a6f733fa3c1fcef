"""Backup and restore with PostgreSQL's own programs, those of the embedded server if need be."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ocpi_hub.errors import OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.embedded_binaries import program_directories

MESSAGES: Final = ("message", "message_*")
"""Tables of what merely passed by: most of the bytes, and nothing depends on them."""
_ALSO_OF_THE_HUB: Final = frozenset(
    ("PGPASSWORD", "PGPASSFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL")
)
"""Variables that its own connections follow, too, where the DSN is silent."""


async def dump(address: DatabaseAddress, file: Path, *, messages: bool) -> int:
    """Write a consistent copy of the database, while the hub runs; returns its bytes.

    The file is there once it is complete; only its owner may read it.

    Raises:
        OperatorError: a program is missing or failed, or the file cannot be written.
    """
    # A name of its own: of two that write the same file, each finishes its own copy.
    unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}.unfinished")
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        options = ["--format=custom", "--no-owner", "--no-acl", f"--file={unfinished}"]
        if not messages:
            options += [f"--exclude-table-data={pattern}" for pattern in MESSAGES]
        await _run("pg_dump", address, options)
        size = unfinished.stat().st_size
        await asyncio.to_thread(_to_disk, unfinished)
        unfinished.replace(file)
        await asyncio.to_thread(_to_disk, file.parent)
        return size
    except OSError as error:
        raise OperatorError(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


async def restore(address: DatabaseAddress, file: Path) -> None:
    """Fill an empty database from a copy, all of it or nothing.

    Raises:
        OperatorError: a program is missing or failed.
    """
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-acl"]
    await _run("pg_restore", address, [*options, str(file)])


def _to_disk(path: Path) -> None:
    """What is said to be there survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _run(program: str, address: DatabaseAddress, options: Iterable[str]) -> None:
    dsn, password = _without_password(address.as_dsn())
    process = await asyncio.create_subprocess_exec(
        _find(program),
        f"--dbname={dsn}",
        "--no-password",
        *options,
        env=_environment(password),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = told.decode(errors="replace").strip().splitlines() or ["it did not say why"]
        raise OperatorError(f"{program} failed: {'; '.join(lines[-3:])}")


def _find(program: str) -> Path:
    """A program of the embedded server's release, else one that is installed."""
    for directory in program_directories():
        if (path := directory / program).exists():
            return path
    found = shutil.which(program)
    if found is None:
        raise OperatorError(f"{program} is not installed: it is one of PostgreSQL's programs")
    return Path(found)


def _environment(password: str | None) -> Mapping[str, str]:
    """Ours without what would lead libpq elsewhere. Everybody may read a command line, so the
    password goes here."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("PG") or name in _ALSO_OF_THE_HUB
    }
    return kept | ({"PGPASSWORD": password} if password is not None else {})


def _without_password(dsn: str) -> tuple[str, str | None]:
    """The DSN, and the password that stood before its hosts or among its parameters, which counts
    for more."""
    parts = urlsplit(dsn)
    account, at, hosts = parts.netloc.rpartition("@")
    user, colon, before = account.partition(":")
    password = unquote(before) if colon else None
    kept = []
    for each in filter(None, parts.query.split("&")):
        name, _, text = each.partition("=")
        if unquote(name) == "password":
            password = unquote(text)
        else:
            kept.append(each)
    query = f"?{'&'.join(kept)}" if kept else ""
    return f"{parts.scheme}://{user}{at}{hosts}{parts.path}{query}", password
