"""The OCPI-facing HTTP application: one pipeline, handlers per module."""
