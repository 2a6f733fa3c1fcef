"""A listening address that can stop listening for a while without losing its port."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

CLOSE_TIMEOUT_S = 0.5
"""Seconds that requests under way get when the address closes."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """One address; while it refuses, the system rejects connections to it.

    Attributes:
        port: the port in use, once started.
    """

    def __init__(self, host: str, port: int, public_url: str = "") -> None:
        self._host = host
        self._public_url = public_url.rstrip("/")
        self._handler: Handler | None = None
        self._runner: web.ServerRunner | None = None
        self._reserved: socket.socket | None = None
        self.port = port

    @property
    def base_url(self) -> str:
        """What every URL of this platform starts with."""
        return self._public_url or f"http://{self._host}:{self.port}"

    @property
    def versions_url(self) -> str:
        return f"{self.base_url}/ocpi/versions"

    async def start(self, handler: Handler) -> None:
        """Listen from now on.

        Raises:
            OSError: the address cannot be used.
        """
        self._handler = handler
        self._reserve()
        await self.accept()

    async def accept(self) -> None:
        """Listen again after `refuse`; nothing happens when it listens already."""
        if self._handler is None or self._reserved is None:
            return
        bound, self._reserved = self._reserved, None
        self._runner = web.ServerRunner(
            web.Server(self._handler, access_log=None), shutdown_timeout=CLOSE_TIMEOUT_S
        )
        await self._runner.setup()
        await web.SockSite(self._runner, bound).start()

    async def refuse(self) -> None:
        """Stop listening and end all connections, but keep the port from everybody else."""
        if self._runner is not None:
            await self._close()
            self._reserve()

    async def stop(self) -> None:
        """Close for good."""
        await self._close()
        self._handler = None
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def _close(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def _reserve(self) -> None:
        """Bind without listening: connections are then refused by the system."""
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self._host, self.port))
        except OSError:
            bound.close()
            raise
        self._reserved = bound
        self.port = int(bound.getsockname()[1])
