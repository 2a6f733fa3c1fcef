"""Fixtures for all tests."""

pytest_plugins = [
    "tests.support.bytecode",
    "tests.support.postgres",
    "tests.support.embedded",
    "tests.support.conformance",
]
