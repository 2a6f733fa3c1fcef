"""Clients that do not read their answers: nobody may hold a connection, and an answer in memory, by
reading nothing, or next to nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final

from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

LEAST_BYTES: Final = 16_384
"""Bytes that a client has to take of a large answer each time."""


class WriteWatch:
    """Watches a connection whose answer does not fit into the client's buffers, until it does.

    Args:
        within_s: seconds within which the client has to take `LEAST_BYTES`; else the connection is
            cut.
    """

    def __init__(self, transport: asyncio.Transport, within_s: float) -> None:
        self._transport = transport
        self._within_s = within_s
        self._left = transport.get_write_buffer_size()
        self._timer = self._later()

    def end(self) -> None:
        """The client has read, or is gone."""
        self._timer.cancel()

    def _later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._within_s, self._look)

    def _look(self) -> None:
        left = self._transport.get_write_buffer_size()
        if self._left - left < LEAST_BYTES:
            log.info("answer_not_read", bytes_left=left)
            self._transport.abort()
            return
        self._left, self._timer = left, self._later()
