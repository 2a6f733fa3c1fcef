"""Fixtures for tests that run the program within their own process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

from ocpi_hub.telemetry import bind


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Every command configures logging for its process, which here is pytest's."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    bind({})


@pytest.fixture
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """None from outside: the environment names no key of the hub."""
    for name in [each for each in os.environ if each.startswith("OCPI_HUB_")]:
        monkeypatch.delenv(name)
