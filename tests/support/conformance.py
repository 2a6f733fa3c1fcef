"""Requirement rows covered by the tests."""
