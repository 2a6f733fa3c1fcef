"""What commands about files share: where they come from and go to, progress, faults."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn

from tqdm import tqdm

from ocpi_hub.admin.actions.incoming import ImportPlan, Watch
from ocpi_hub.cli.common import moment_argument
from ocpi_hub.delivery.files.columns import Table
from ocpi_hub.delivery.files.lines import Fault
from ocpi_hub.delivery.files.records import FileFormat, RecordWriter, format_of
from ocpi_hub.errors import OperatorError
from ocpi_hub.settings import Settings

if TYPE_CHECKING:
    Bar = tqdm[NoReturn]

STDIN: Final = "-"
SHOWN_FAULTS: Final = 100
"""Faulty lines that are shown; a file of another kind has nothing else."""
FORMATS: Final = [each.value for each in FileFormat]


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """What all imports take."""
    parser.add_argument("file", metavar="FILE", help="- for standard input")
    parser.add_argument("--format", choices=FORMATS, help="without it the name of the file tells")
    parser.add_argument(
        "--allow-errors", action="store_true", help="leave out what cannot be taken"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would become of the file"
    )


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """What all exports take."""
    parser.add_argument(
        "--format", choices=FORMATS, help="without it the name of the file tells, else jsonl"
    )
    parser.add_argument("--out", metavar="FILE", help="without it: standard output")


def import_plan(args: argparse.Namespace, settings: Settings) -> ImportPlan:
    """What a command line asks for.

    Raises:
        OperatorError: nothing tells the file's format.
    """
    file_format = FileFormat(args.format) if args.format else format_of(args.file)
    if file_format is None:
        raise OperatorError(f"{args.file}: say what it is with --format jsonl or --format csv")
    return ImportPlan(
        file_format=file_format,
        full=getattr(args, "full", False),
        allow_errors=args.allow_errors,
        dry_run=args.dry_run,
        as_of=getattr(args, "as_of", None),
        max_bytes=settings.max_object_bytes,
    )


def add_as_of(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as-of",
        type=moment_argument,
        metavar="TIME",
        help="when the list was made; UTC unless it says otherwise (now)",
    )


class WatchedFile:
    """A file whose reading a progress bar follows."""

    def __init__(self, source: BinaryIO, bar: Bar) -> None:
        self._source = source
        self._bar = bar

    def readline(self, limit: int, /) -> bytes:
        line = self._source.readline(limit)
        self._bar.update(len(line))
        return line


@contextmanager
def opened(name: str) -> Iterator[WatchedFile]:
    """The file to import.

    Raises:
        OperatorError: it cannot be read.
    """
    try:
        number = os.dup(sys.stdin.fileno()) if name == STDIN else os.open(name, os.O_RDONLY)
        with os.fdopen(number, "rb") as source:
            found = os.fstat(number)
            size = found.st_size if stat.S_ISREG(found.st_mode) else None
            with _bar("reading", size, "B") as bar:
                yield WatchedFile(source, bar)
    except OSError as error:
        raise OperatorError(f"{name} cannot be read: {error.strerror or error}") from None


class Onlooker:
    """Shows on stderr what becomes of an import: faulty lines, and on terminals a bar."""

    def __init__(self) -> None:
        self._faults = 0
        self._applying: Bar | None = None

    def watch(self) -> Watch:
        return Watch(self._faulty, self._approved, self._applied)

    def close(self) -> None:
        if self._applying is not None:
            self._applying.close()
        hidden = self._faults - SHOWN_FAULTS
        if hidden > 0:
            print(f"and {hidden} more lines", file=sys.stderr)

    def _faulty(self, fault: Fault) -> None:
        self._faults += 1
        if self._faults <= SHOWN_FAULTS:
            # Above a bar, if there is one.
            tqdm.write(str(fault), file=sys.stderr)

    def _approved(self, total: int) -> None:
        self._applying = _bar("importing", total, "")

    def _applied(self, rows: int) -> None:
        if self._applying is not None:
            self._applying.update(rows)


@contextmanager
def looking_on() -> Iterator[Watch]:
    """Whoever calls a command sees what becomes of an import."""
    onlooker = Onlooker()
    try:
        yield onlooker.watch()
    finally:
        onlooker.close()


async def write_all(
    texts: AsyncIterator[str], table: Table, args: argparse.Namespace
) -> dict[str, object] | None:
    """Write objects to the file or stream that a command line asks for.

    A file is there once it is complete: what was there before stays until then.

    Returns:
        What was written; None for standard output, which holds the objects alone.

    Raises:
        OperatorError: the file cannot be written, or the result would stand among the objects.
    """
    out: str | None = args.out
    if out is None and getattr(args, "json", False):
        raise OperatorError("--json needs --out FILE: standard output is for the objects")
    named = format_of(out) if out else None
    file_format = FileFormat(args.format) if args.format else named or FileFormat.JSONL
    if out is None:
        await _write(texts, sys.stdout.buffer, table, file_format)
        sys.stdout.buffer.flush()
        return None
    with made(out) as stream:
        written = await _write(texts, stream, table, file_format)
    return {"file": out, "format": file_format.value, "written": written}


@contextmanager
def made(name: str) -> Iterator[BinaryIO]:
    """A file that is there under its name once the block has ended well.

    Raises:
        OperatorError: it cannot be written.
    """
    try:
        with _made(Path(name)) as stream:
            yield stream
    except OSError as error:
        raise OperatorError(f"{name} cannot be written: {error.strerror or error}") from None


@contextmanager
def _made(path: Path) -> Iterator[BinaryIO]:
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("wb") as stream:
            yield stream
        return
    # Only who made it may read it: it is full of what identifies people.
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


async def _write(
    texts: AsyncIterator[str], target: BinaryIO, table: Table, file_format: FileFormat
) -> int:
    written = 0
    with _bar("writing", None, "") as bar:
        writer = RecordWriter(target, table, file_format)
        async for text in texts:
            writer.write(text)
            written += 1
            bar.update()
    return written


def _bar(what: str, total: int | None, unit: str) -> Bar:
    """A progress bar on stderr, which is none where nobody looks."""
    return tqdm(
        total=total,
        desc=what,
        unit=unit or " objects",
        unit_scale=True,
        file=sys.stderr,
        disable=None,
        leave=False,
    )
