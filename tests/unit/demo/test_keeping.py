from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocpi_hub.demo import keeping
from ocpi_hub.demo.__main__ import main


def test_a_demo_that_was_left_running_ends_without_a_trace(tmp_path: Path) -> None:
    folder = tmp_path / f"{keeping.PREFIX}1"
    folder.mkdir()
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        subprocess.Popen(command, start_new_session=True) as own,
        subprocess.Popen(command) as other,
    ):
        try:
            keeping.note(folder, [own.pid, other.pid])
            assert main(["--stop", str(folder)]) == 0
            assert own.wait() != 0
            assert not folder.exists()
            assert other.poll() is None  # it has only got the number
        finally:
            own.kill()
            other.kill()


@pytest.mark.parametrize("text", [None, "", "x"])
def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "processes").write_text(text)
    assert main(["--stop", str(tmp_path)]) == 1
    assert tmp_path.exists()
    assert str(tmp_path) in capsys.readouterr().err
