"""Chance that repeats itself: the same seed gives the same demo."""

from __future__ import annotations

import random

SEED = 20260601


def chance(seed: int = SEED) -> random.Random:
    """A source of chance; every user has its own, so that one does not change another's numbers."""
    return random.Random(seed)  # noqa: S311 - invented data, no secrets
