"""How a request between a platform and the hub is shown: in a table of all, and by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, Number, Span, url
from ocpi_hub.console.stories import Block, Body, Facts, Grid
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit
from ocpi_hub.delivery.message_privacy import recordable_body
from ocpi_hub.domain.message_record import HeaderLines, MessageRecord, Outcome
from ocpi_hub.domain.party import PlatformId

_OCPI_CODES = 1000


def code_chip(code: int | None) -> Cell:
    """An HTTP status or an OCPI code."""
    if code is None:
        return None
    is_good = code < 400 if code < _OCPI_CODES else code < 2 * _OCPI_CODES
    is_theirs = code < 500 if code < _OCPI_CODES else code < 3 * _OCPI_CODES
    return Chip(str(code), Tone.GOOD if is_good else Tone.WARN if is_theirs else Tone.BAD)


def outcome_chip(outcome: Outcome) -> Cell:
    # What was answered may still be a refusal: only the codes tell.
    return Chip(outcome.value, Tone.NOTE if outcome is Outcome.ANSWERED else None)


def platform_cell(visit: Visit, platform_id: PlatformId | None) -> Cell:
    """The platform at the other end, with its name."""
    if platform_id is None:
        return None
    platform = visit.parts.admin.directory().platforms.get(platform_id)
    if platform is None:
        return Code(platform_id)
    return Link(platform.name or platform_id, url("platforms", platform_id))


def leg_grid(visit: Visit, correlation_id: str, legs: Sequence[MessageRecord]) -> Grid:
    """All requests of a message, and when each of them was under way."""
    began = min(leg.at for leg in legs)
    whole_ms = max((leg.at - began) / timedelta(milliseconds=1) + leg.ms for leg in legs) or 1.0
    return Grid(
        t("messages.legs"),
        ["", t("messages.time"), t("messages.platform"), t("messages.parties"),
         t("messages.request"), "HTTP", "OCPI", "ms", t("messages.error")],
        [
            [
                Link(str(number), url("messages", correlation_id, leg=str(number))),
                [At(leg.at), t(f"messages.{leg.direction}"), Chip(leg.kind, Tone.NOTE)],
                platform_cell(visit, leg.platform_id),
                _parties(leg),
                [leg.method, leg.module, Code(leg.path)],
                code_chip(leg.http),
                code_chip(leg.ocpi),
                _span(leg, began, whole_ms),
                _error(leg),
            ]
            for number, leg in enumerate(legs, 1)
        ],
    )  # fmt: skip


def _span(leg: MessageRecord, began: datetime, whole_ms: float) -> Span:
    start = (leg.at - began) / timedelta(milliseconds=1)
    return Span(start / whole_ms, (start + leg.ms) / whole_ms, Number(leg.ms, 1))


def leg_blocks(visit: Visit, number: int, leg: MessageRecord) -> Sequence[Block]:
    """One request with what was in it."""
    title = t(
        "messages.leg",
        number=number,
        direction=t(f"messages.{leg.direction}"),
        method=leg.method,
        module=leg.module,
    )
    role = f"{leg.interface_role} {leg.module}" if leg.interface_role else leg.module
    blocks: list[Block] = [
        Facts(
            title,
            [
                (t("messages.time"), At(leg.at)),
                (t("messages.kind"), Chip(leg.kind, Tone.NOTE)),
                (t("messages.platform"), platform_cell(visit, leg.platform_id)),
                (t("messages.party_from"), Code(_party(leg.sender))),
                (t("messages.party_to"), Code(_party(leg.receiver))),
                (t("messages.request"), [leg.method, role]),
                (t("messages.path"), Code(leg.path)),
                (t("messages.answer"), [code_chip(leg.http), code_chip(leg.ocpi)]),
                (t("messages.outcome"), outcome_chip(leg.outcome)),
                (t("messages.error"), leg.error),
                ("ms", Number(leg.ms, 2)),
                (t("messages.bytes"), [Number(leg.request_bytes), "/", Number(leg.response_bytes)]),
                ("X-Request-ID", Code(leg.request_id)),
            ],
        )
    ]
    contents = [
        ("request_headers", _lines(leg.request_headers)),
        ("request_body", _text(leg.request_body)),
        ("response_headers", _lines(leg.response_headers)),
        ("response_body", _text(leg.response_body)),
    ]
    blocks += [
        Body(f"{number}. {t(f'messages.{name}')}", text, masked=True)
        for name, text in contents
        if text
    ]
    return blocks


def content_notes(legs: Sequence[MessageRecord]) -> Sequence[str]:
    """What is to be known about what was in these requests."""
    kept = [leg for leg in legs if leg.has_content]
    said = {
        "hidden": bool(kept),
        "no_bodies": any(not recordable_body(leg.module) for leg in kept),
        "cut": any(leg.cut for leg in kept),
        "no_content": len(kept) < len(legs),
    }
    return [t(f"messages.{name}") for name, is_so in said.items() if is_so]


def _error(leg: MessageRecord) -> Cell:
    """Why it failed, in the hub's words; what a partner answered stands in the codes."""
    if leg.outcome is Outcome.ANSWERED:
        return leg.error
    return [outcome_chip(leg.outcome), leg.error or ""]


def _parties(leg: MessageRecord) -> Cell:
    """From whom, to whom."""
    named = [str(party) for party in (leg.sender, leg.receiver) if party is not None]
    return Code(" → ".join(named)) if named else None


def _lines(headers: HeaderLines | None) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers or ())


def _text(body: bytes | None) -> str:
    return "" if body is None else body.decode("utf-8", "replace")


def _party(party: object | None) -> str | None:
    return None if party is None else str(party)
