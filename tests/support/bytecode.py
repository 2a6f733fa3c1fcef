"""Compiled modules are kept also where the environment forbids writing them beside the source.

Tests start some hundred processes, and each would compile the whole package. The prefix is handed
on through the environment, to xdist's workers as well.
"""

from __future__ import annotations

import os
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".pytest_cache" / "bytecode"


def pytest_configure() -> None:
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(CACHE)
