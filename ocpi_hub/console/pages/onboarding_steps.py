"""The steps of a handshake as people see them, each failure with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocpi_hub.console.cells import At
from ocpi_hub.console.stories import Body
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone
from ocpi_hub.registration.failures import Failure
from ocpi_hub.registration.steps import StepName
from ocpi_hub.store.handshake_steps import NotedStep

_BY_PARTNER = frozenset({StepName.CAME, StepName.CREDENTIALS_CAME})


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step.

    Attributes:
        hint: what to do about a failure.
        first: of its attempt.
        bodies: what was sent, and the answer.
    """

    at: At
    tone: Tone
    title: str
    request: str
    outcome: str
    said: str
    hint: str
    first: bool
    bodies: Sequence[Body]


def shown_steps(noted: Sequence[NotedStep]) -> list[ShownStep]:
    """In the order in which they happened."""
    found = []
    last = None
    for each in noted:
        found.append(_step(each, first=last is not None and each.attempt.attempt_id != last))
        last = each.attempt.attempt_id
    return found


def hint(failure: Failure) -> str:
    """What to do about it."""
    return t(f"onboarding.hint_{failure}")


def _step(noted: NotedStep, *, first: bool) -> ShownStep:
    step = noted.step
    outcome = " · ".join(
        part
        for part in (
            f"HTTP {step.http_status}" if step.http_status and step.name != StepName.CAME else "",
            f"{step.ms} ms" if step.ms is not None else "",
        )
        if part
    )
    bodies = [
        Body(t(f"onboarding.{name}"), text)
        for name, text in (("sent", step.sent), ("answer", step.answer))
        if text
    ]
    tone = Tone.GOOD
    if step.failure is not None:
        tone = Tone.BAD
    elif step.name in _BY_PARTNER:
        tone = Tone.NOTE
    failed = "_failed" if step.failure is not None else ""
    return ShownStep(
        At(noted.at),
        tone,
        t(f"onboarding.step_{step.name}{failed}"),
        step.request,
        outcome,
        step.said or "",
        hint(step.failure) if step.failure is not None else "",
        first,
        bodies,
    )
