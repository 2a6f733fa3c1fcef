"""The steps of a handshake, noted for the people on both sides while it happens.

Any process may get a partner's call, so steps are kept in the database, the newest of a platform.
No token is in them. A handshake never fails because a step cannot be noted.
"""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from ocpi_hub.domain.exchange import Answer, Exchange
from ocpi_hub.domain.party import PlatformId
from ocpi_hub.errors import OcpiError
from ocpi_hub.registration.failures import Failure, failure_of_call

MAX_SHOWN = 2000
"""Characters of a body that are kept."""
MAX_SAID = 500
_MASKED = "***"
_MAX_UNREADABLE = 200
_MAX_READ = 262_144
"""Bytes of a body that are read to show it; of a longer one only its size is told."""
_DEEPEST = 20
_TOKEN = re.compile(r"""(token["']?\s*[:=]\s*["']?)[^"'\s,}<]+""", re.IGNORECASE)


class StepName(StrEnum):
    """What happened. The first three are the partner's requests, and the hub's answer."""

    CAME = "came"
    """The partner asked for versions, version details, or deleted its credentials."""
    CREDENTIALS_CAME = "credentials_came"
    ANSWERED = "answered"
    VERSIONS = "versions"
    DETAILS = "details"
    CREDENTIALS = "credentials"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to register.

    Attributes:
        platform_id: None as long as there is none.
    """

    attempt_id: uuid.UUID
    platform_id: PlatformId | None = None

    @classmethod
    def new(cls, platform_id: PlatformId | None = None) -> Attempt:
        return cls(uuid.uuid4(), platform_id)


@dataclass(frozen=True, slots=True)
class Step:
    """A step.

    Attributes:
        request: method and URL, or what happened.
        sent: the body of the request, masked; `answer` likewise.
        failure: None: it went well, as far as it has ended.
        said: what was wrong.
        ms: how long it took, milliseconds.
    """

    name: StepName
    request: str
    sent: str | None = None
    http_status: int | None = None
    answer: str | None = None
    failure: Failure | None = None
    said: str | None = None
    ms: int | None = None


class StepLog(Protocol):
    """Keeps steps. Never raises for reasons of its own."""

    async def note(self, attempt: Attempt, step: Step) -> None: ...

    async def belongs(self, attempt: Attempt, platform_id: PlatformId) -> None:
        """The platform of an attempt is known now."""
        ...


class NoSteps:
    """Keeps none."""

    async def note(self, attempt: Attempt, step: Step) -> None:
        """Nobody looks."""

    async def belongs(self, attempt: Attempt, platform_id: PlatformId) -> None:
        """Nobody looks."""


class Noting:
    """A call to a partner that is under way.

    Attributes:
        exchange: what came of it, once it is known.
        failed: why it was of no use, where nothing is raised.
    """

    def __init__(self) -> None:
        self.exchange: Exchange | None = None
        self.failed: str | None = None


@asynccontextmanager
async def noting(
    log: StepLog, attempt: Attempt | None, step: Step, *secrets: str
) -> AsyncIterator[Noting]:
    """Note a call with what comes of it.

    Args:
        secrets: tokens that are never shown.
    """
    noted, began = Noting(), time.monotonic()
    error: OcpiError | str | None = None
    try:
        yield noted
        error = noted.failed
    except OcpiError as raised:
        error = raised
        raise
    finally:
        if attempt is not None and (error is not None or noted.exchange is not None):
            await log.note(attempt, _ended(step, noted.exchange, error, secrets, began))


def _ended(
    step: Step,
    exchange: Exchange | None,
    error: OcpiError | str | None,
    secrets: Sequence[str],
    began: float,
) -> Step:
    answer = exchange if isinstance(exchange, Answer) else None
    return replace(
        step,
        request=without(step.request, secrets)[:MAX_SAID],
        http_status=answer.http_status if answer else None,
        answer=shown(answer.body, *secrets) if answer else None,
        failure=failure_of_call(exchange, error) if error is not None else None,
        said=without(str(error), secrets)[:MAX_SAID] if error is not None else None,
        ms=round((time.monotonic() - began) * 1000) if exchange else None,
    )


def shown(body: bytes, *secrets: str) -> str:
    """The beginning of a body without what is secret in it.

    Args:
        secrets: credentials tokens that may stand anywhere in it.
    """
    if len(body) > _MAX_READ:
        return f"{len(body)} bytes"
    text = without(body.decode(errors="replace"), secrets)
    try:
        text = json.dumps(_masked(json.loads(text), 0), ensure_ascii=False)
    except (ValueError, RecursionError):
        # Nobody knows what stands where: only what it is can be told.
        text = _TOKEN.sub(rf"\1{_MASKED}", text)
        text = text[:MAX_SHOWN] if text.lstrip()[:1] == "<" else text[:_MAX_UNREADABLE]
    clean = "".join(
        each if each.isprintable() or each == "\n" else "?" for each in without(text, secrets)
    )
    return f"{clean[:MAX_SHOWN]}…" if len(clean) > MAX_SHOWN else clean


def _masked(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        return "…"
    match value:
        case dict():
            return {
                name: _MASKED if "token" in name.lower() else _masked(each, depth + 1)
                for name, each in value.items()
            }
        case list():
            return [_masked(each, depth + 1) for each in value]
        case _:
            return value


def without(text: str, secrets: Sequence[str]) -> str:
    """A text with no secret in it: partners quote what they were sent, in Base64 too."""
    for secret in filter(None, secrets):
        for spelling in (secret, base64.b64encode(secret.encode()).decode()):
            text = text.replace(spelling, _MASKED)
    return text
