"""Clients that speak HTTP without TLS."""

from __future__ import annotations

import ssl


def trusting_nobody() -> ssl.SSLContext:
    """For a client that calls no `https` URL: to load the certificates of everybody else takes
    longer than most tests."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
