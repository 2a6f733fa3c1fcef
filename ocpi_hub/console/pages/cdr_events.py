"""The life of a CDR or a Session as a timeline: steps, attempts, other contents, disputes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ocpi_hub.admin.views.cdr_affairs import DisputeView
from ocpi_hub.admin.views.cdr_life import CdrLifeStory, StepView
from ocpi_hub.admin.views.cdrs import AttemptView, CdrStory
from ocpi_hub.console.cells import At, Cell, Chip
from ocpi_hub.console.pages.cdr_cells import stage_chips, who
from ocpi_hub.console.stories import Event, Timeline
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit

_Told = tuple[str, Event]

_OUTCOMES = {"delivered": Tone.GOOD, "refused": Tone.WARN, "failed": Tone.BAD}


def life(visit: Visit, shown: CdrLifeStory) -> Timeline:
    """All that happened to a CDR, in order."""
    told = [
        *_arrival(shown),
        *(_step(visit, shown.owner, step) for step in shown.steps),
        *attempts(shown),
        *_contents(visit, shown),
        *_disputes(visit, shown.disputes),
    ]
    return Timeline(t("cdr.life"), in_order(told))


def in_order(told: Sequence[_Told]) -> Sequence[Event]:
    return [event for _, event in sorted(told, key=lambda each: each[0])]


def _arrival(shown: CdrLifeStory) -> Iterator[_Told]:
    """What came before steps were recorded."""
    if not any(step.before is None for step in shown.steps):
        at = shown.received_at or ""
        yield at, Event(At(at), t("cdr.arrived"), t("cdr.arrived_unrecorded"))


def _step(visit: Visit, owner: str, step: StepView) -> _Told:
    version = t("cdr.of_version", version=step.version) if step.version > 1 else ""
    # What checks found and operators said may name the rivals of a receiver.
    told = visit.viewer.sees_party(owner) or step.by.startswith("receiver ")
    why = step.why if told else None
    text: list[Cell] = [each for each in (who(visit.viewer, step.by), version, why) if each]
    return step.at or "", Event(At(step.at), stage_chips(step.after, disputed=False), _joined(text))


def attempts(shown: CdrStory) -> Iterator[_Told]:
    """Attempts to deliver, each with its answer."""
    for each in shown.attempt_history:
        title: Cell = [t("cdr.attempt"), Chip(each.outcome, _OUTCOMES.get(each.outcome))]
        yield each.at or "", Event(At(each.at), title, _answer(each))


def _answer(attempt: AttemptView) -> str:
    parts = (
        f"HTTP {attempt.http}" if attempt.http else "",
        f"OCPI {attempt.ocpi}" if attempt.ocpi else "",
        attempt.message or "",
    )
    return _joined([part for part in parts if part])


def _contents(visit: Visit, shown: CdrStory) -> Iterator[_Told]:
    if visit.viewer.sees_party(shown.owner):
        for each in shown.other_contents:
            yield each.at or "", Event(At(each.at), t(f"cdr.came_{each.kind}"))


def _disputes(visit: Visit, disputes: Sequence[DisputeView]) -> Iterator[_Told]:
    for each in disputes:
        steps = (
            (each.opened_at, t("cdr.dispute_opened", side=each.raised_by), each.opened_by,
             each.reason),
            (each.answered_at, t("cdr.dispute_answered"), each.answered_by, each.answer),
            (each.closed_at, t("cdr.dispute_closed", outcome=t.word(each.outcome or "open")),
             each.closed_by, each.note),
        )  # fmt: skip
        for at, title, by, text in steps:
            if at is not None:
                said = [who(visit.viewer, by or ""), text or ""]
                yield at, Event(At(at), title, _joined([part for part in said if part]))


def _joined(parts: Sequence[Cell]) -> str:
    return ", ".join(map(str, parts))
