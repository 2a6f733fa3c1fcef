"""Fixtures for all tests."""

from hypothesis import settings

pytest_plugins = [
    "tests.support.bytecode",
    "tests.support.postgres",
    "tests.support.embedded",
    "tests.support.conformance",
    "tests.support.alone",
]

# How long an example takes says how busy the machine is.
settings.register_profile("hub", deadline=None)
settings.load_profile("hub")
