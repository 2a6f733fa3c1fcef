"""Who asks late, or briefly, proves nothing about whom it asks."""

from __future__ import annotations

import pytest

from ocpi_hub.authorization.circuits import answered
from ocpi_hub.domain.exchange import Answer, Busy, Exchange, NoAnswer, Unreachable


@pytest.mark.parametrize("exchange", [NoAnswer("silent"), Unreachable("no connection in time")])
def test_silence_counts_only_if_there_was_time_to_answer(exchange: Exchange) -> None:
    # A CPO that sends its body slowly leaves no time, and must not part others from an eMSP.
    assert answered(exchange, patient=False) is None
    assert answered(exchange, patient=True) is False


@pytest.mark.parametrize("patient", [True, False])
def test_an_answer_always_counts_and_a_queue_of_the_hub_never(patient: bool) -> None:
    assert answered(Answer(500, {}, b""), patient=patient) is True
    assert answered(Busy("too many"), patient=patient) is None
