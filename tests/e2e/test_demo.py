"""The demo itself, small: a real start, a real kill, and its own checks.

It takes half a minute and shows nothing that `make demo` does not show; so it runs with `make soak`
only.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.thorough import THOROUGH


@pytest.mark.skipif(not THOROUGH, reason="make demo runs all of it; make soak runs this")
@pytest.mark.timeout(180)
def test_the_demo_keeps_its_promises() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ocpi_hub.demo", "--scale", "0.05"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "demo: ok"
    assert "FAILED" not in done.stdout
