"""What a CDR's signed meter data proves, verified while one looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

from ocpi_hub.admin.views.cdr_life import CdrLifeStory
from ocpi_hub.clearing.metering import MeteringResult, Outcome, verify
from ocpi_hub.clearing.metering.explain import NOTES
from ocpi_hub.console.cells import At, Chip, Code
from ocpi_hub.console.pages.cdr_cells import number
from ocpi_hub.console.stories import Block, Body, Facts
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone
from ocpi_hub.ocpi.v2_2_1.cdrs import SignedData

_TONES = {
    Outcome.VALID: Tone.GOOD,
    Outcome.INVALID: Tone.BAD,
    Outcome.NOT_VERIFIABLE: Tone.WARN,
}


def meter_blocks(shown: CdrLifeStory) -> Iterator[Block]:
    """Nothing for a CDR without signed data. One with many signatures is told by its record alone:
    where the price takes too long to be shown by the way, so do they."""
    signed = json.loads(shown.body, parse_int=str, parse_float=str).get("signed_data")
    if signed is None:
        return
    text = json.dumps(signed)
    if shown.price is not None and shown.figures is not None:
        try:
            result = verify(
                SignedData.model_validate(json.loads(shown.body)["signed_data"]),
                total_energy_kwh=Decimal(shown.figures.energy_kwh),
            )
        except ValueError:
            pass  # It is shown as it came.
        else:
            yield _proved(result)
    yield Body(t("cdr.signed_data"), text)


def _proved(result: MeteringResult) -> Facts:
    return Facts(
        t("cdr.meter"),
        [
            (t("cdr.meter_outcome"), Chip(result.outcome, _TONES[result.outcome])),
            (t("cdr.meter_message"), result.message),
            (t.label("energy"), number(_text(result.energy_kwh), 3, "kWh")),
            (t.label("difference"), number(_text(result.difference_kwh), 3, "kWh")),
            (t.label("started_at"), At(result.begin)),
            (t.label("ended_at"), At(result.end)),
            (t("cdr.meter_number"), Code(result.meter)),
            (t("cdr.meter_values"), f"{result.verified} / {result.values}"),
            (t("cdr.meter_notes"), [NOTES[note] for note in result.notes]),
        ],
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
