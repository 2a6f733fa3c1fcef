"""How receivers take EVSEs: alone, or only with their whole Location.

The hub pushes a change of an EVSE as the EVSE alone. A receiver that lacks the Location, or knows
no EVSEs at all, says so with HTTP 404 or OCPI 2001 or 2003, and gets the Location. Whoever says so
every time is spared the question, until it is asked again now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ocpi_hub.delivery.verdict import Delivered, Failed, NotSent, Refused, Unknown, Verdict
from ocpi_hub.ocpi.status_codes import StatusCode

PATIENCE: Final = 3
"""EVSEs refused in a row, the Location taken each time, after which Locations are sent at once."""
ASK_AGAIN: Final = 100
"""Every so many sends one EVSE is sent alone again."""

_LACKING: Final = frozenset({StatusCode.INVALID_PARAMETERS, StatusCode.UNKNOWN_LOCATION})


@dataclass(slots=True)
class EvseHabit:
    """What a receiver did with EVSEs so far, as far as this process has seen."""

    refused: int = 0
    sends: int = 0

    def wants_locations(self) -> bool:
        """Whether the next EVSE is better sent with its Location."""
        self.sends += 1
        return self.refused >= PATIENCE and self.sends % ASK_AGAIN != 0

    def took_evse(self) -> None:
        self.refused = 0

    def took_location(self) -> None:
        """It refused the EVSE, and took the Location."""
        self.refused += 1


def lacks_location(verdict: Verdict) -> bool:
    """Whether a verdict on an EVSE means that the whole Location is wanted."""
    match verdict:
        case Refused(answer=answer) | Failed(answer=answer):
            return answer.http == 404 or answer.ocpi in _LACKING
        case Delivered() | Unknown() | NotSent():
            return False
