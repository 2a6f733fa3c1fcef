"""Processes, figures, arguments and answers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from ocpi_hub.demo import processes
from ocpi_hub.demo.__main__ import main
from ocpi_hub.demo.authorizing import batches, read_answer
from ocpi_hub.demo.plan import make_plan
from ocpi_hub.demo.process_tree import descendants, parents
from ocpi_hub.demo.processes import Child, clean_environment
from ocpi_hub.demo.report import Report, latency, percentile
from ocpi_hub.errors import OperatorError

PARENT_OF_TWO = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
for _ in range(2):
    subprocess.Popen(sleep, start_new_session=True)
print("{}", flush=True)
time.sleep(600)
"""


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROGRAM", (sys.executable, "-c"))


def test_descendants_are_found_at_any_depth() -> None:
    assert descendants(1, {2: 1, 3: 2, 4: 3, 5: 9, 6: 1}) == [2, 6, 3, 4]


def test_living_processes_have_their_parents() -> None:
    assert parents()[os.getpid()] == os.getppid()


@pytest.mark.usefixtures("program")
async def test_kill_reaches_everything_that_was_started(tmp_path: Path) -> None:
    child = Child("a parent", (PARENT_OF_TWO,), clean_environment(), tmp_path / "log")
    assert await child.start() == {}
    family = {child.pid, *descendants(child.pid, parents())}
    assert await child.kill_with_descendants() == len(family) == 3
    assert parents().keys().isdisjoint(family)


@pytest.mark.usefixtures("program")
async def test_stop_ends_a_child_and_may_be_repeated(tmp_path: Path) -> None:
    source = "print('{}', flush=True); import time; time.sleep(600)"
    child = Child("a child", (source,), clean_environment(), tmp_path / "log")
    await child.start()
    pid = child.pid
    await child.stop()
    await child.stop()
    assert pid not in parents()


@pytest.mark.usefixtures("program")
async def test_a_child_that_ends_at_once_is_told(tmp_path: Path) -> None:
    source = "import sys; sys.exit('no such luck')"
    child = Child("a child", (source,), clean_environment(), tmp_path / "log")
    with pytest.raises(OperatorError, match="a child did not start"):
        await child.start()
    await child.stop()
    text = await asyncio.to_thread((tmp_path / "log").read_text)
    assert text == "no such luck\n"


def test_the_demo_ignores_settings_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCPI_HUB_DATABASE_URL", "postgresql://elsewhere/hub")
    assert "OCPI_HUB_DATABASE_URL" not in clean_environment()


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile([3.0], 99) == 3.0
    assert latency([]) == "-"


def test_plain_output_has_a_line_for_every_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    with Report().progress("tokens", 1000) as progress:
        for _ in range(20):
            progress.update(50)
    with Report().progress("few", 10) as progress:
        progress.update(10)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        f"{done} of 1,000" for done in ("250", "500", "750", "1,000")
    ]


def test_batches_keep_order_and_size() -> None:
    assert list(batches([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]


def test_answers_are_read_with_and_without_a_decision() -> None:
    ask = make_plan(0.02).realtime[0]
    body = {"status_code": 1000, "data": {"allowed": "ALLOWED", "authorization_reference": "R"}}
    read = read_answer(ask, {"ocpi": 1000, "body": json.dumps(body), "ms": 5.0})
    assert (read.allowed, read.reference) == ("ALLOWED", "R")
    read = read_answer(ask, {"ocpi": 2004, "body": '{"status_code": 2004}', "ms": 5.0})
    assert (read.ocpi, read.allowed) == (2004, None)
    read = read_answer(ask, {"error": "timeout after 30 s", "ms": 30000.0})
    assert (read.ocpi, read.error) == (None, "timeout after 30 s")


@pytest.mark.parametrize("scale", ["0", "5", "much"])
def test_a_scale_out_of_range_is_wrong_usage(scale: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--scale", scale])
    assert stopped.value.code == 2
