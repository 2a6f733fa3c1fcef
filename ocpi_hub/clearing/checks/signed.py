"""Signed meter data, in the words of the checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ocpi_hub.clearing.ledger import CdrFinding, MeteringOutcome
from ocpi_hub.clearing.metering import MeteringResult, Outcome, Reason, verify
from ocpi_hub.clearing.pricing.model import told
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR

_UNREADABLE: Final = frozenset(
    (Reason.RECORD_TRUNCATED, Reason.RECORD_UNREADABLE, Reason.SIGNATURE_UNREADABLE)
)


def look_at_meter(cdr: CDR) -> tuple[MeteringOutcome | None, tuple[CdrFinding, ...]]:
    """What the meter signed; None without signed data."""
    if cdr.signed_data is None:
        return None, ()
    result = verify(cdr.signed_data, total_energy_kwh=cdr.total_energy)
    return MeteringOutcome(result.outcome.value), tuple(_findings(result))


def _findings(result: MeteringResult) -> Iterator[CdrFinding]:
    match result.outcome:
        case Outcome.INVALID:
            yield CdrFinding("signature_invalid", result.message)
        case Outcome.NOT_VERIFIABLE if result.reason in _UNREADABLE:
            yield CdrFinding("signed_data_unreadable", result.message)
        case Outcome.NOT_VERIFIABLE:
            yield CdrFinding("signature_not_verifiable", result.message)
        case Outcome.VALID:
            if result.differs and result.difference_kwh is not None:
                text = f"total_energy is {told(result.difference_kwh)} kWh from the meter's"
                yield CdrFinding("meter_energy_differs", text)
