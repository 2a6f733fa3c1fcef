"""What a CDR should cost, from its charging periods and tariffs alone: docs/pricing.md.

The way of a CDR: `source` parses it; `session` reads its periods, `choice` and `tariff` its
tariffs; `grid` finds when restrictions change, `matching` what is active then, `segments` what
becomes of a period that a change falls into; `walk` gives each volume to a component, `charges`
collects them; `steps` applies step_size, `totals` VAT and limits; `compare` judges, `explain`
tells. `readings` has the ways in which the text can be understood.
"""

from ocpi_hub.clearing.pricing.engine import check_price
from ocpi_hub.clearing.pricing.explain import as_json, as_text
from ocpi_hub.clearing.pricing.model import PriceCheck, Verdict
from ocpi_hub.clearing.pricing.source import Source, read_source

__all__ = [
    "PriceCheck",
    "Source",
    "Verdict",
    "as_json",
    "as_text",
    "check_price",
    "read_source",
]
