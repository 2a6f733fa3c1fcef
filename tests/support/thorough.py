"""How long the long tests run: as long as a suite allows, or, with `make soak`, as they deserve."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("THOROUGH"))


def rounds(usual: int, thorough: int) -> int:
    """How many rounds a test makes."""
    return thorough if THOROUGH else usual
