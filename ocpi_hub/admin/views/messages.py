"""How message records look."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from ocpi_hub.admin.views.base import Moment, PartyText, View
from ocpi_hub.domain.exchange import LegKind
from ocpi_hub.domain.message_record import Direction, HeaderLines, MessageRecord, Outcome
from ocpi_hub.domain.party import InterfaceRole
from ocpi_hub.ocpi.envelope import timestamp


class MessageItem(View):
    """A request between a platform and the hub; docs/messages.md explains the fields."""

    model_config = ConfigDict(serialize_by_alias=True)

    at: Moment
    direction: Direction
    platform: str | None
    sender: PartyText | None = Field(alias="from")
    receiver: PartyText | None = Field(alias="to")
    module: str
    method: str
    path: str
    http: int | None
    ocpi: int | None
    ms: float
    correlation_id: str
    request_id: str
    request_bytes: int
    response_bytes: int | None
    outcome: Outcome


class HeaderView(View):
    """A header; `~`: what it says is not told."""

    name: str
    value: str


class MessageDetail(MessageItem):
    """The same with what lists leave out. Headers and bodies are masked, and there only if they
    are recorded and still kept."""

    kind: LegKind
    interface_role: InterfaceRole | None
    error: str | None
    request_headers: tuple[HeaderView, ...] | None
    response_headers: tuple[HeaderView, ...] | None
    request_body: str | None
    response_body: str | None
    cut: bool = Field(description="a body was longer than what was kept of it")


def message_item(record: MessageRecord) -> MessageItem:
    return MessageItem.model_validate(_fields(record))


def message_detail(record: MessageRecord) -> MessageDetail:
    return MessageDetail.model_validate(
        {
            **_fields(record),
            "kind": record.kind,
            "interface_role": record.interface_role,
            "error": record.error,
            "request_headers": _headers(record.request_headers),
            "response_headers": _headers(record.response_headers),
            "request_body": _text(record.request_body),
            "response_body": _text(record.response_body),
            "cut": record.cut,
        }
    )


def _fields(record: MessageRecord) -> dict[str, object]:
    return {
        "at": timestamp(record.at),
        "direction": record.direction,
        "platform": record.platform_id,
        "from": str(record.sender) if record.sender else None,
        "to": str(record.receiver) if record.receiver else None,
        "module": record.module,
        "method": record.method,
        "path": record.path,
        "http": record.http,
        "ocpi": record.ocpi,
        "ms": record.ms,
        "correlation_id": record.correlation_id,
        "request_id": record.request_id,
        "request_bytes": record.request_bytes,
        "response_bytes": record.response_bytes,
        "outcome": record.outcome,
    }


def _headers(lines: HeaderLines | None) -> tuple[HeaderView, ...] | None:
    if lines is None:
        return None
    return tuple(HeaderView(name=name, value=value) for name, value in lines)


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", "replace")
