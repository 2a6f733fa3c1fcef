"""The audit log's one mechanism: who acts now, and what a change looked like before and after.

Commands, the admin API and the console each say once who acts (`acting`). Every action wraps what
it does in `change`; so the entry is there whichever way the action was reached. It is written
before the change begins, and completed after it: a process that dies in between leaves an entry
without an outcome, never a change without an entry.
"""

from __future__ import annotations

import getpass
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from ocpi_hub.admin.views.base import View
from ocpi_hub.errors import OcpiError, OperatorError, StoreError
from ocpi_hub.store.audit import Actor, ActorKind, AuditLog, AuditOutcome
from ocpi_hub.telemetry import get_logger

log = get_logger(__name__)

V = TypeVar("V", bound=View)

_SECRETS = frozenset({"token", "secret", "password"})


@dataclass(frozen=True, slots=True)
class _Acting:
    actor: Actor
    audit: AuditLog
    correlation_id: str


_ACTING: ContextVar[_Acting | None] = ContextVar("acting", default=None)


@contextmanager
def acting(actor: Actor, audit: AuditLog, correlation_id: str | None = None) -> Iterator[None]:
    """What is changed inside was changed by this actor."""
    token = _ACTING.set(_Acting(actor, audit, correlation_id or str(uuid.uuid4())))
    try:
        yield
    finally:
        _ACTING.reset(token)


def acting_command() -> Actor:
    """Whoever types a command."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = "unknown"
    return Actor(ActorKind.COMMAND, user, user)


def who_acts() -> str:
    """The same in a word or two, for what keeps a record of its own."""
    doing = _ACTING.get()
    match doing.actor.kind if doing is not None else None:
        case ActorKind.ACCOUNT:
            word = "operator"
        case ActorKind.KEY:
            word = "key"
        case _:
            word = "command"
    return f"{word} {doing.actor.name}" if doing is not None else word


class Change:
    """A change on its way.

    Attributes:
        object_name: set it when it is known only now.
    """

    def __init__(self) -> None:
        self.after: object = None
        self.object_name: str | None = None

    def became(self, view: V, object_name: str | None = None) -> V:
        """What the object looks like now."""
        self.after = without_secrets(view.shown())
        self.object_name = object_name
        return view


@asynccontextmanager
async def change(what: str, object_name: str, before: View | None = None) -> AsyncIterator[Change]:
    """A change that is noted in the audit log.

    Args:
        what: the deed, for instance `platform.suspend`.
        object_name: its object: an id, or `CC*PID/id`. Never a secret, nor personal data.

    Raises:
        StoreUnavailable: it cannot be noted, and is not carried out.
    """
    doing, now = _ACTING.get(), Change()
    if doing is None:
        yield now
        return
    seen = without_secrets(before.shown()) if before is not None else None
    entry = await doing.audit.begin(doing.actor, what, object_name, seen, doing.correlation_id)
    try:
        yield now
    except (OperatorError, OcpiError) as error:
        await _end(doing.audit, entry, AuditOutcome.REFUSED, now, str(error))
        raise
    except Exception as error:
        await _end(doing.audit, entry, AuditOutcome.FAILED, now, type(error).__name__)
        raise
    await _end(doing.audit, entry, AuditOutcome.DONE, now, None)


async def refused_attempt(what: str, object_name: str, error: str, address: str) -> None:
    """An attempt that can be repeated at will was refused; a minute's are summed up in one entry.

    Raises:
        StoreUnavailable: it cannot be noted.
    """
    doing = _ACTING.get()
    if doing is not None:
        await doing.audit.sum_up(
            doing.actor,
            what,
            object_name,
            error=error,
            address=address,
            correlation_id=doing.correlation_id,
        )


async def _end(
    audit: AuditLog, entry: int, outcome: AuditOutcome, now: Change, error: str | None
) -> None:
    """What was done stays done, even if this cannot be noted."""
    try:
        await audit.end(entry, outcome, after=now.after, error=error, object_name=now.object_name)
    except StoreError as failure:
        log.error("audit_entry_not_completed", entry=entry, outcome=outcome, reason=str(failure))


def without_secrets(value: object) -> object:
    """A JSON value without what nobody may read again."""
    match value:
        case Mapping():
            return {
                name: without_secrets(each) for name, each in value.items() if name not in _SECRETS
            }
        case list() | tuple():
            return [without_secrets(each) for each in value]
        case _:
            return value
