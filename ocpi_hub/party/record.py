"""The record: everything that arrived or left, in the order in which it was settled.

Authorization headers are never kept, and the `token` of a credentials object is masked.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ocpi_hub.ocpi import headers as ocpi_headers

MAX_BODY_CHARS = 64 * 1024
"""Longer bodies are cut, except those of CDRs, which are evidence."""

Direction = Literal["in", "out"]

_HEADERS = (
    ocpi_headers.TO_COUNTRY,
    ocpi_headers.TO_PARTY,
    ocpi_headers.FROM_COUNTRY,
    ocpi_headers.FROM_PARTY,
    ocpi_headers.REQUEST_ID,
    ocpi_headers.CORRELATION_ID,
)


@dataclass(frozen=True, slots=True)
class RecordItem:
    """One exchange.

    Attributes:
        at: when it was settled, an OCPI DateTime.
        role: interface role of the endpoint called: ours for `in`, the peer's for `out`.
        headers: routing and id headers of the request.
        http, ocpi: of the answer; None where there was none of that kind.
        acked: the party that was called accepted the request: for `in` also when the answer was
            then lost on purpose, for `out` when its answer said so.
        fault: the faults applied; empty when none was.
        error: why there was no answer, for `out`.
    """

    at: str
    direction: Direction
    method: str
    path: str
    query: str
    module: str
    role: str | None
    headers: Mapping[str, str]
    body: str
    http: int | None
    ocpi: int | None
    ms: float
    acked: bool
    fault: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def headers_of_interest(headers: Mapping[str, str]) -> dict[str, str]:
    """Routing and id headers under their usual spelling."""
    folded = {name.lower(): value for name, value in headers.items()}
    return {name: folded[name.lower()] for name in _HEADERS if name.lower() in folded}


def body_text(module: str, body: bytes) -> str:
    """The body as it is kept."""
    text = body.decode(errors="replace")
    if module == "credentials":
        return _without_token(text)
    return text if module == "cdrs" else text[:MAX_BODY_CHARS]


def _without_token(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return ""
    if isinstance(value, dict) and "token" in value:
        value["token"] = "***"  # noqa: S105 - this is the mask
    return json.dumps(value)


class Record:
    """A bounded list of exchanges; positions only grow, also when the list is cleared."""

    def __init__(self, limit: int) -> None:
        self._items: deque[RecordItem] = deque(maxlen=limit)
        self._next = 0
        self._grown = asyncio.Event()

    def __iter__(self) -> Iterator[RecordItem]:
        return iter(tuple(self._items))

    def __len__(self) -> int:
        return len(self._items)

    @property
    def next(self) -> int:
        """The position that the next exchange will take."""
        return self._next

    def add(self, item: RecordItem) -> None:
        self._items.append(item)
        self._next += 1
        self._grown.set()
        self._grown = asyncio.Event()

    def clear(self) -> None:
        self._items.clear()

    def items(
        self, *, module: str | None = None, direction: str | None = None, since: int = 0
    ) -> list[RecordItem]:
        """Exchanges from position `since` on."""
        skip = max(0, since - (self._next - len(self._items)))
        return [
            item
            for index, item in enumerate(self._items)
            if index >= skip
            and (module is None or item.module == module)
            and (direction is None or item.direction == direction)
        ]

    async def wait(self, predicate: Callable[[RecordItem], bool], timeout_s: float) -> RecordItem:
        """The first exchange that satisfies `predicate`, once there is one.

        Raises:
            TimeoutError: there was none within `timeout_s` seconds.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                grown = self._grown
                for item in self._items:
                    if predicate(item):
                        return item
                await grown.wait()

    async def wait_for_more(self, position: int, timeout_s: float) -> None:
        """Return when an exchange with at least `position` exists, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._next <= position:
                    await self._grown.wait()
        except TimeoutError:
            return
