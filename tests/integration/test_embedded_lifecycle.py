"""What the embedded server does when processes are started, stopped and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.embedded import Place, Service, processes_in

if not Path("/proc/self/exe").exists():
    pytest.skip("these tests look at processes through /proc", allow_module_level=True)


def wait_until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def gone(place: Place) -> bool:
    return not processes_in(place.base / "pg")


def rows(answer: object) -> int:
    assert isinstance(answer, int), answer
    return answer


def test_data_survives_a_stop_and_a_warm_start(place: Place) -> None:
    first = place.service()
    first.ask("query create table kept as select 7 as number")
    first.stop()
    assert gone(place)
    second = place.service()
    assert second.ask("query select number from kept") == 7
    second.stop()


def test_server_is_set_up_for_durability_and_the_socket_only(place: Place) -> None:
    service = place.service()
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "lc_collate": "C.UTF-8",
    }
    sql = "query select current_setting('{}')"
    shown = {key: service.ask(sql.format(key)) for key in expected if key != "lc_collate"}
    shown["lc_collate"] = service.ask(
        "query select datlocale from pg_database where datname = 'ocpi_hub'"
    )
    assert shown == expected
    sockets = service.ask(
        "query select count(*) from pg_stat_activity where client_addr is not null"
    )
    assert sockets == 0
    service.stop()


def test_only_the_needed_directories_belong_to_the_account(place: Place) -> None:
    service = place.service()
    ours = place.runner.entry.pw_uid
    assert place.base.stat().st_uid == ours
    assert place.base.stat().st_mode & 0o777 == (0o755 if ours == 0 else 0o700)
    for name in ("pg", "run"):
        status = (place.base / name).stat()
        assert status.st_mode & 0o777 == 0o700
        assert (status.st_uid == ours) is (ours != 0)
    for name in ("hba.conf", "ident.conf", "postgres.log", "service.lock", "server.lock"):
        assert (place.base / name).stat().st_uid == ours
    service.stop()


def test_umask_of_the_service_is_left_alone(place: Place) -> None:
    before = os.umask(0o027)
    try:
        service = place.service()
    finally:
        os.umask(before)
    assert service.ask("umask") == 0o027
    service.stop()


def test_killing_the_service_shuts_postgresql_down_cleanly(place: Place) -> None:
    service = place.service()
    service.ask("writers 10")
    wait_until(lambda: rows(service.ask("query select count(*) from written")) > 100)
    service.kill()
    wait_until(lambda: gone(place))
    assert "database system is shut down" in place.log


def test_restart_at_once_after_killing_the_service(place: Place) -> None:
    first = place.service()
    first.ask("writers 4")
    first.kill()
    second = place.service()
    assert not second.error
    assert second.ask("query select count(*) >= 0 from written") is True
    second.stop()


def test_restart_at_once_after_killing_service_and_server_replays_the_log(place: Place) -> None:
    first = place.service()
    first.ask("query create table kept as select 7 as number")
    first.process.send_signal(signal.SIGSTOP)  # so that it does not start the server again
    os.kill(first.server_pid, signal.SIGKILL)
    first.process.kill()
    second = place.service()
    assert second.ask("query select number from kept") == 7
    assert "automatic recovery in progress" in place.log
    first.close()
    second.stop()


def test_second_service_is_refused_and_the_first_unharmed(place: Place) -> None:
    first = place.service()
    second = place.service("--lock-wait", "0.2")
    assert second.in_use
    assert "in use by another process" in second.error
    assert second.close() == 0
    assert first.ask("query select 1") == 1
    first.stop()


@pytest.mark.parametrize("kind", ["alive", "zombie"])
def test_pid_file_naming_a_stranger_is_no_obstacle(place: Place, kind: str) -> None:
    place.service().stop()
    stranger = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    assert stranger.stdin is not None
    if kind == "zombie":
        stranger.kill()
        os.waitid(os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)
    pid_file = place.base / "pg" / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{place.base / 'pg'}\n1\n5432\n\n\n0 0\nready\n")
    service = place.service()
    assert service.ask("query select 1") == 1
    service.stop()
    if kind == "alive":
        assert stranger.poll() is None
    stranger.stdin.close()
    stranger.wait(10)


def test_server_started_by_hand_is_refused_and_left_alone(place: Place) -> None:
    service = place.service()
    program = Path(f"/proc/{service.server_pid}/exe").readlink()
    service.stop()
    owner = (place.base / "pg").stat()
    change = owner.st_uid != os.geteuid()
    by_hand = subprocess.Popen(
        [
            *(program, "-D", place.base / "pg", "-c", "unix_socket_directories="),
            *("-c", "listen_addresses=127.0.0.1", "-c", f"port={_free_port()}"),
        ],
        stderr=subprocess.DEVNULL,
        user=owner.st_uid if change else None,
        group=owner.st_gid if change else None,
        extra_groups=[] if change else None,
        cwd="/",
    )
    pid_file = place.base / "pg" / "postmaster.pid"
    wait_until(lambda: pid_file.exists() and "ready" in pid_file.read_text())
    refused = place.service()
    assert "not started by the hub" in refused.error
    assert str(by_hand.pid) in refused.error
    assert by_hand.poll() is None
    by_hand.send_signal(signal.SIGINT)
    assert by_hand.wait(30) == 0
    assert refused.close() == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_no_acknowledged_commit_is_lost_when_the_server_is_killed(place: Place) -> None:
    service = place.service()
    service.ask("writers 8")
    pid = service.server_pid
    for _ in range(3):
        before = rows(service.ask("query select count(*) from written"))
        wait_until(partial(_more_written, service, before + 200))
        os.kill(pid, signal.SIGKILL)
        pid = _next_server(place, pid, service.ask)
    acknowledged = service.ask("acknowledged")
    assert isinstance(acknowledged, list)
    stored = service.ask("query select array_agg(number) from written")
    assert isinstance(stored, list)
    assert len(acknowledged) > 600
    assert set(acknowledged) <= set(stored)
    service.stop()


def _more_written(service: Service, than: int) -> bool:
    return rows(service.ask("query select count(*) from written")) > than


def _next_server(place: Place, old: int, ask: Callable[[str], object]) -> int:
    """The process id of the restarted server, once it answers."""
    pid_file = place.base / "pg" / "postmaster.pid"

    def current() -> int:
        try:
            return int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return old

    wait_until(lambda: current() != old and ask("query select 1") == 1)
    return current()


def test_restart_waits_for_the_last_process_of_the_old_server(place: Place) -> None:
    """Two servers on one directory would destroy it: a backend may outlive its postmaster."""
    first = place.service()
    first.ask("writers 1")
    other_backend = (
        "query select pid from pg_stat_activity where backend_type = 'client backend'"
        " and pid <> pg_backend_pid() limit 1"
    )
    wait_until(lambda: first.ask(other_backend) is not None)  # the writer has connected
    backend = rows(first.ask(other_backend))
    os.kill(backend, signal.SIGSTOP)
    first.process.send_signal(signal.SIGSTOP)
    os.kill(first.server_pid, signal.SIGKILL)
    first.kill()
    starting = place.runner.popen(
        ["-m", "tests.support.embedded_service", str(place.base)], stdin=subprocess.PIPE
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            starting.wait(1.5)
        assert processes_in(place.base / "pg") == [backend]
        os.kill(backend, signal.SIGCONT)
        output, _ = starting.communicate("stop\n", timeout=60)
        assert '"pid"' in output
        assert '"stopped"' in output
    finally:
        starting.kill()
        starting.wait(10)


def test_half_made_data_is_made_again(place: Place) -> None:
    started = place.runner.popen(
        ["-m", "tests.support.embedded_service", str(place.base)], stdin=subprocess.PIPE
    )
    wait_until(lambda: (place.base / "pg.new" / "PG_VERSION").exists())
    started.kill()
    started.communicate()
    assert not (place.base / "pg").exists()
    service = place.service()
    assert service.ask("query select 1") == 1
    assert not (place.base / "pg.new").exists()
    service.stop()


def test_stop_does_not_wait_for_clients(place: Place) -> None:
    service = place.service()
    service.ask("writers 3")
    began = time.monotonic()
    assert service.ask("stop") == "stopped"
    assert time.monotonic() - began < 30
    assert gone(place)
    service.kill()
