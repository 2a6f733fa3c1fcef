"""How the steps of handshakes look."""

from __future__ import annotations

from pydantic import Field

from ocpi_hub.admin.views.base import Moment, View
from ocpi_hub.ocpi.envelope import timestamp
from ocpi_hub.registration.failures import Failure
from ocpi_hub.registration.steps import StepName
from ocpi_hub.store.handshake_steps import NotedStep


class HandshakeStepItem(View):
    """A step of a handshake; no token is in it."""

    at: Moment
    attempt: str = Field(description="steps of one try have the same")
    platform: str | None = Field(description="null: the attempt has led to none")
    step: StepName
    request: str = Field(description="method and URL, or what happened")
    sent: str | None = Field(description="the beginning of the request's body, masked")
    http: int | None
    answer: str | None = Field(description="the beginning of the answer's body, masked")
    failure: Failure | None = Field(description="what kind of thing went wrong; null: nothing")
    said: str | None = Field(description="what was wrong")
    ms: int | None


def handshake_step(noted: NotedStep) -> HandshakeStepItem:
    attempt, step = noted.attempt, noted.step
    return HandshakeStepItem(
        at=timestamp(noted.at),
        attempt=str(attempt.attempt_id),
        platform=attempt.platform_id,
        step=step.name,
        request=step.request,
        sent=step.sent,
        http=step.http_status,
        answer=step.answer,
        failure=step.failure,
        said=step.said,
        ms=step.ms,
    )
