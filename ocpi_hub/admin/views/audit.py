"""How the audit log looks."""

from __future__ import annotations

from pydantic import Field, JsonValue, TypeAdapter

from ocpi_hub.admin.views.base import Moment, View, moment
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.store.audit import ActorKind, AuditEntry, AuditOutcome

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class AuditItem(View):
    """A change."""

    entry: int
    at: Moment
    by: ActorKind
    actor: str = Field(description="id of the account or key, or a user of the machine")
    name: str = Field(description="of the actor, at that time")
    what: str = Field(examples=["platform.suspend"])
    object: str
    outcome: AuditOutcome
    error: str | None
    times: int = Field(description="more than 1: refused attempts of one minute, summed up")
    before: JsonValue
    after: JsonValue
    ended_at: Moment | None
    correlation_id: str


def audit_item(entry: AuditEntry) -> AuditItem:
    return AuditItem(
        entry=entry.entry_id,
        at=timestamp(entry.at),
        by=entry.actor.kind,
        actor=entry.actor.actor,
        name=entry.actor.name,
        what=entry.what,
        object=entry.object_name,
        outcome=entry.outcome,
        error=entry.error,
        times=entry.times,
        before=_JSON.validate_python(entry.before),
        after=_JSON.validate_python(entry.after),
        ended_at=moment(entry.ended_at),
        correlation_id=entry.correlation_id,
    )
