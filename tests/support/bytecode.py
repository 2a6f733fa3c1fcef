"""Compiled modules are kept also where the environment forbids writing them beside the source.

Tests start some hundred processes, and each would compile the whole package; pytest itself would
rewrite the assertions of each test module anew. The prefix is handed on through the environment,
to xdist's workers as well.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".pytest_cache" / "bytecode"


def pytest_configure() -> None:
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(CACHE)
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(CACHE)
