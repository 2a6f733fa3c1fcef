"""What the project says about itself: help texts, versions, licence, lock files, tracked files."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocpi_hub import __version__
from ocpi_hub.cli.main import CommandParser, build_parser

ROOT = Path(__file__).parents[2]

PACKAGE_REGISTRIES = tuple(
    ".".join(name)
    for name in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("crates", "io"),
        ("golang", "org"),
    )
)

# Where people keep their checkouts, and the index options that lead to a mirror.
SOMEBODYS_MACHINE = re.compile(
    r"(?<![\w.~$}*])/(?:root|home|Users|work|workspace|mnt|media)/|index-url[ =]+\w"
)


def _commands(
    parser: argparse.ArgumentParser, name: str = "ocpi-hub"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands that do something, each with its full name."""
    if isinstance(parser, CommandParser):
        parser.complete()
    groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not groups:
        yield name, parser
    for group in groups:
        for word, child in group.choices.items():
            yield from _commands(child, f"{name} {word}")


COMMANDS = dict(_commands(build_parser()))


def _tracked() -> list[Path]:
    """Every file under version control that still exists."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # The checkout may belong to another account than the tests.
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name.decode() for name in listing.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def _texts() -> Iterator[tuple[Path, str]]:
    for path in _tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            yield path.relative_to(ROOT), content.decode("utf-8")


def _example_lines(text: str) -> list[str]:
    """The arguments in indented command lines.

    Variables in front are dropped, and so are pipes and, after two spaces, remarks behind; a
    command may go on on the next line.
    """
    text = re.sub(r"\\\n +", "", text)
    line = r"^ +(?:[A-Z_]+=\S+ )*ocpi-hub (.*?)(?: &| \| .*| {2,}.*)?$"
    return re.findall(line, text, flags=re.MULTILINE)


def _assert_parses(line: str) -> None:
    try:
        build_parser().parse_args(shlex.split(line))
    except SystemExit:
        pytest.fail(f"the program does not know: ocpi-hub {line}")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example_that_works(name: str) -> None:
    _, marker, example = COMMANDS[name].format_help().partition("example:\n")
    assert marker, "no example"
    lines = _example_lines(example)
    assert any(line.startswith(name.removeprefix("ocpi-hub ")) for line in lines)
    for line in lines:
        _assert_parses(line)


def test_help_of_the_program_has_an_example_that_works() -> None:
    lines = _example_lines(build_parser().format_help().partition("example:\n")[2])
    assert lines
    for line in lines:
        _assert_parses(line)


def test_every_command_says_what_it_does_and_runs_something() -> None:
    for name, parser in COMMANDS.items():
        runs = [parser.get_default(key) for key in ("run", "run_service")]
        assert sum(run is not None for run in runs) == 1, name


def test_a_command_imports_only_what_it_needs() -> None:
    """Help must come at once, and no command waits for the modules of the others.

    Those of one line run in one process, one after the other: each has what came before as well.
    """
    script = (
        "import json, sys; from ocpi_hub.cli.main import main\n"
        "for argv in json.loads(sys.argv[1]):"
        " main(argv); print(json.dumps([*sys.modules]), file=sys.stderr)"
    )
    database = {"ocpi_hub.store.database", "asyncpg"}
    hub = {"ocpi_hub.assembly", "ocpi_hub.server.app", "httpx"}
    for line in (
        (
            (["--help"], {*database, "aiohttp", "cryptography", "httpx"}),
            (["cdr", "list", "--help"], hub),
            (["platform", "list", "--help"], hub),
            (["serve", "--help"], {"ocpi_hub.cli.party", "ocpi_hub.demo", "httpx"}),
        ),
        ((["party", "run", "--help"], {*database, "ocpi_hub.assembly"}),),
    ):
        argvs = [argv for argv, _ in line]
        done = subprocess.run(
            [sys.executable, "-c", script, json.dumps(argvs)],
            capture_output=True,
            text=True,
            check=True,
        )
        for (argv, unneeded), modules in zip(line, done.stderr.splitlines(), strict=True):
            assert unneeded & set(json.loads(modules)) == set(), argv


def test_no_path_or_package_mirror_of_some_machine_is_left() -> None:
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in _texts()
        for number, line in enumerate(text.splitlines(), 1)
        if SOMEBODYS_MACHINE.search(line)
    ]
    assert found == []


def test_no_package_registry_is_named() -> None:
    found = [
        f"{path}: {host}" for path, text in _texts() for host in PACKAGE_REGISTRIES if host in text
    ]
    assert found == []


def test_tracked_files_are_small_and_end_in_a_line_break() -> None:
    for path in _tracked():
        assert path.stat().st_size < 1_000_000, path
    for name, text in _texts():
        if name.suffix in {".py", ".toml", ".md", ".sql", ".lock"}:
            assert not text or text.endswith("\n"), name


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(__version__)}\]", changes, flags=re.MULTILINE)


def test_licence_is_the_one_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert re.search(r"Apache License\s+Version 2\.0, January 2004", text)


def _pins(name: str) -> dict[str, str]:
    """Package -> version; every line of the file has to be a pin, a hash or a comment."""
    pins: dict[str, str] = {}
    hashed: set[str] = set()
    package = ""
    for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines():
        if pin := re.fullmatch(r"([a-z0-9.-]+)==([\w.]+)(?: ; .+)? \\", line):
            package = pin[1]
            assert package not in pins
            pins[package] = pin[2]
        elif re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}(?: \\)?", line):
            hashed.add(package)
        else:
            assert re.match(r" {4}#", line), line
    assert hashed == pins.keys()
    return pins


def test_lock_files_pin_everything_and_agree() -> None:
    run, dev = _pins("run.lock"), _pins("dev.lock")
    assert run.items() <= dev.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    assert {re.split(r"[<>=[]", each)[0] for each in wanted} <= run.keys()
    tools = {re.split(r"[<>=]", each)[0] for each in project["dependency-groups"]["dev"]}
    assert tools <= dev.keys()


def test_pages_name_only_targets_and_commands_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    groups = {name.rpartition(" ")[0] for name in COMMANDS}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^ +|`)make ([a-z]+)", text, flags=re.MULTILINE))
        assert named <= targets, page
        for line in _example_lines(text):
            _assert_parses(line)
        for command in re.findall(r"`(ocpi-hub(?: [a-z-]+)+)[^`]*`", text):
            assert command in COMMANDS.keys() | groups, page


def test_make_starts_over_after_an_interrupted_installation(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "requirements/run.lock", "requirements/dev.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)

    # These tests may run under make themselves, which would be inherited.
    outside = {key: value for key, value in os.environ.items() if "MAKE" not in key}

    def plan() -> str:
        command = ["make", "--dry-run", "test"]
        done = subprocess.run(
            command, cwd=tmp_path, env=outside, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert "venv --clear" in plan()
    venv = tmp_path / ".venv"
    venv.mkdir()
    for stamp in (".venv-ready", ".run-ready", ".dev-ready"):
        (venv / stamp).touch()
    assert plan().startswith(".venv/bin/python -m pytest")
    (venv / ".unfinished").touch()
    assert "venv --clear" in plan()
    assert plan().count("pip install") == 3
