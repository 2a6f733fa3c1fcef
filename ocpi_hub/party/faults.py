"""Disturbances on purpose: how the platform misbehaves towards its peer.

A fault that only delays or changes headers adds up with others; of those that decide the answer
the oldest that matches does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ocpi_hub.party.exchange import Inbound


class FaultMatch(BaseModel):
    """Which requests a fault disturbs: all conditions given must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: str | None = None
    role: str | None = None
    method: str | None = None
    path: str | None = Field(None, description="part of the URL path as it is on the wire")
    query: str | None = Field(None, description="part of the query string as it is on the wire")
    body_contains: str | None = None
    headers: dict[str, str] = Field({}, description="request headers with exactly these values")

    def matches(self, request: Inbound) -> bool:
        exact = (
            (self.module, request.module),
            (self.role, request.role.value if request.role else ""),
            (self.method, request.method),
        )
        parts = (
            (self.path, request.path),
            (self.query, request.query_string),
        )
        return (
            all(want is None or want.lower() == have.lower() for want, have in exact)
            and all(want is None or want in have for want, have in parts)
            and (self.body_contains is None or self.body_contains in request.text)
            and all(request.headers.get(name) == value for name, value in self.headers.items())
        )


class Fault(BaseModel):
    """One disturbance.

    `http` answers that status without a body, `ocpi` an envelope with that code (with `http`:
    under that status), `body` that text, `garbage` HTML. `drop` closes the connection after the
    request was processed, `drop_before` before that, `hang` never answers, `huge` streams that
    many bytes, `refuse` stops listening altogether until the faults are cleared. `delay_s` waits
    first, `headers` sets (or with null removes) headers of the answer. `after` processes the
    request before the fault shows, so that the peer is misled about something that happened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: FaultMatch = FaultMatch()
    times: int | None = Field(None, ge=1)
    delay_s: float = Field(0.0, ge=0)
    http: int | None = Field(None, ge=200, le=599)
    ocpi: int | None = Field(None, ge=1000, le=9999)
    message: str | None = None
    body: str | None = None
    headers: dict[str, str | None] = {}
    garbage: bool = False
    drop: bool = False
    drop_before: bool = False
    hang: bool = False
    huge: int = Field(0, ge=0)
    refuse: bool = False
    after: bool = False

    @property
    def decides(self) -> bool:
        """Whether it takes the place of the answer."""
        return bool(
            self.http is not None
            or self.ocpi is not None
            or self.body is not None
            or self.garbage
            or self.drop
            or self.drop_before
            or self.hang
            or self.huge
        )

    @property
    def processes(self) -> bool:
        """Whether the request is processed although the answer is disturbed."""
        return self.after or self.drop

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happens to one request.

    Attributes:
        decisive: the fault that takes the place of the answer.
        applied: all faults that take part, as the record shows them.
    """

    delay_before_s: float
    delay_after_s: float
    headers: Mapping[str, str | None]
    decisive: Fault | None
    applied: Mapping[str, Any]


class Gate(Protocol):
    """What lets connections in."""

    async def refuse(self) -> None: ...

    async def accept(self) -> None: ...


@dataclass(slots=True)
class _Active:
    fault: Fault
    left: int | None


class FaultTable:
    """The faults in force."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._active: list[_Active] = []
        self._released = asyncio.Event()

    @property
    def refusing(self) -> bool:
        return any(entry.fault.refuse for entry in self._active)

    async def add(self, fault: Fault) -> None:
        self._active.append(_Active(fault, fault.times))
        if fault.refuse:
            await self._gate.refuse()

    async def clear(self) -> None:
        """Forget all faults, let go of requests that hang, listen again."""
        self._active.clear()
        self._released.set()
        self._released = asyncio.Event()
        await self._gate.accept()

    def as_json(self) -> list[dict[str, Any]]:
        """Faults in force, with the number of times each will still show (null: no limit)."""
        return [{**entry.fault.as_json(), "left": entry.left} for entry in self._active]

    async def wait_released(self) -> None:
        """Return when the faults are cleared."""
        await self._released.wait()

    def take(self, request: Inbound) -> Disturbance:
        """What happens to this request; uses up one of the `times` of each fault applied."""
        chosen: list[Fault] = []
        decisive: Fault | None = None
        for entry in self._active:
            fault = entry.fault
            if fault.refuse or not fault.match.matches(request):
                continue
            if fault.decides and decisive is not None:
                continue
            if fault.decides:
                decisive = fault
            chosen.append(fault)
            if entry.left is not None:
                entry.left -= 1
        self._active = [entry for entry in self._active if entry.left != 0]
        applied: dict[str, Any] = {}
        headers: dict[str, str | None] = {}
        for fault in chosen:
            applied |= fault.as_json()
            headers |= fault.headers
        return Disturbance(
            delay_before_s=sum(fault.delay_s for fault in chosen if not fault.after),
            delay_after_s=sum(fault.delay_s for fault in chosen if fault.after),
            headers=headers,
            decisive=decisive,
            applied=applied,
        )
