"""Handlers, one module of OCPI each; the version is data."""
