"""The arithmetic of the bench, and that its partner is one the hub can work with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ocpi_hub.authorization.answer import Answered, Asked, read_answer
from ocpi_hub.domain.exchange import Answer
from ocpi_hub.domain.party import PartyId
from tests.bench import messages, programs, report
from tests.bench.cpu import ProcessTimes, cpu_s, parse_stat, tree_ticks
from tests.bench.figures import Better, Figure, Quantity, Verdict, per_core, percentile
from tests.bench.http import line
from tests.bench.load import Load
from tests.bench.profiling import summary
from tests.bench.rows.workers import cores_there, rate_by_core

COST = Quantity("a cost", Better.LOWER, "us", gate=10.0, goal=5.0)
RATIO = Quantity("a ratio", Better.HIGHER, gate=0.5, goal=0.9)
TOLD = Quantity("told only", Better.LOWER)


@pytest.mark.parametrize(
    ("quantity", "value", "verdict"),
    [
        (COST, 5.0, Verdict.GOAL),
        (COST, 5.1, Verdict.PASSED),
        (COST, 10.0, Verdict.PASSED),
        (COST, 10.1, Verdict.FAILED),
        (RATIO, 0.9, Verdict.GOAL),
        (RATIO, 0.5, Verdict.PASSED),
        (RATIO, 0.49, Verdict.FAILED),
        (TOLD, 1e9, Verdict.TOLD),
    ],
)
def test_value_is_judged_by_gate_and_goal(
    quantity: Quantity, value: float, verdict: Verdict
) -> None:
    assert quantity.verdict(value) is verdict


def test_median_of_the_repetitions_is_what_counts() -> None:
    assert Figure(COST, [100.0, 4.0, 4.5]).verdict is Verdict.GOAL


def test_bench_fails_past_a_gate_and_when_something_with_a_gate_is_missing() -> None:
    good, bad, missing = Figure(COST, [7.0]), Figure(COST, [11.0]), Figure(COST, (), note="why")
    assert report.exit_status([good], allow_missing=False) == 0
    assert report.exit_status([good, bad], allow_missing=True) == 1
    assert report.exit_status([good, missing], allow_missing=False) == 1
    assert report.exit_status([good, missing], allow_missing=True) == 0
    assert report.exit_status([Figure(TOLD, ())], allow_missing=False) == 0
    assert report.exit_status([Figure(TOLD, (), broken=True)], allow_missing=True) == 1


def test_table_has_a_line_for_each_quantity() -> None:
    text = report.table([Figure(COST, [7.0, 8.0, 9.0]), Figure(RATIO, (), note="no tool")])
    head, _, cost, ratio = text.splitlines()
    assert head.split() == ["quantity", "measured", "spread", "gate", "goal", "verdict"]
    assert cost.split() == ["a", "cost", "8", "us", "7", "-", "9", "10", "5", "passed"]
    assert ratio.split() == ["a", "ratio", "0.5", "0.9", "not", "measured"]


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (50, 50.0), (99, 99.0), (99.5, 100.0), (100, 100.0)]
)
def test_percentile_is_a_measured_value_that_so_many_do_not_exceed(
    percent: float, expected: float
) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == expected


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([3.0], 1) == percentile([3.0], 99) == 3.0


def test_cost_of_a_request_tells_how_many_a_core_serves() -> None:
    assert per_core(250.0) == 4000.0


def test_stat_line_is_read_whatever_the_process_is_called() -> None:
    times = " ".join(["11", "22", "3", "4"])
    found = parse_stat(f"42 (a) b) c) S 7 1 1 0 -1 4194304 0 0 0 0 {times} 20 0 1 0 99 1 1")
    assert found == ProcessTimes(pid=42, parent=7, ticks=40)


def test_cpu_time_of_a_tree_counts_all_descendants_and_nobody_else() -> None:
    processes = {
        pid: ProcessTimes(pid, parent, ticks)
        for pid, parent, ticks in ((10, 1, 100), (11, 10, 20), (12, 11, 3), (20, 1, 5000))
    }
    assert tree_ticks(processes, 10) == 123
    assert tree_ticks(processes, 99) == 0


def test_own_cpu_time_is_found() -> None:
    assert cpu_s(os.getpid()) > 0


def test_workers_are_rated_by_the_cores_that_others_left() -> None:
    # 1,000 requests/s; the hub used 1 core, all others 0.5, the rest was idle.
    load = Load(2000, 2.0, {"hub": 1000.0}, busy_s=3.0)
    assert cores_there(load, 1) == 1.0
    assert cores_there(load, 2) == 1.5
    assert rate_by_core(load, 2) == pytest.approx(1000 / 1.5)


def test_profile_counts_functions_and_files() -> None:
    stacks = [
        "main (ocpi_hub/cli/serve.py:9);run (lib/loop.py:1);f (ocpi_hub/a.py:3);g (lib/x.py:1) 3",
        "main (ocpi_hub/cli/serve.py:9);run (lib/loop.py:2) 1",
    ]
    lines = summary(stacks).splitlines()
    assert lines[0] == "4 samples"
    assert " 75.0 %  g (lib/x.py)" in lines
    assert " 75.0 %  ocpi_hub/a.py" in lines
    assert " 25.0 %  the HTTP server and the loop" in lines
    assert " 75.0 %  f (ocpi_hub/a.py)" in lines
    assert not [each for each in lines if "main" in each]


def test_requests_survive_their_file(tmp_path: Path) -> None:
    requests = [b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n1\n"]
    path = messages.write_requests(tmp_path / "requests", requests)
    assert messages.read_requests(path) == requests


async def test_partner_allows_the_token_that_is_asked_for() -> None:
    emsp, cpo = PartyId("DE", "AAA"), PartyId("NL", "CPO")
    request = messages.authorize("/DE/AAA/tokens", "04AB", token="secret", to=emsp, sender=cpo)
    async with programs.python("tests.bench.sink", "--ports", "2") as sink:
        assert len(set(sink.ports)) == 2
        async with line(sink.ports[1]) as way:
            _, body = await way.get_done(request)
            _, _, counts = await way.ask(messages.request("GET", "/counts"))
    found = read_answer(Answer(200, {}, body), Asked("04AB", "RFID"), emsp)
    assert isinstance(found, Answered)
    assert found.says_yes
    assert json.loads(counts)["authorized"] == 1
