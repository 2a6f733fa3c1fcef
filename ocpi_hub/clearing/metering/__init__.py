"""What a meter has signed, and how the CDR's energy stands to it: docs/metering.md.

`text` finds a record in what was sent, `record` takes it apart, `keys` and `signature` say whether
the key's owner signed it, `energy` tells what went through the meter; `check` puts them together
and `explain` tells. Nothing here asks the clock, the database or the network.
"""

from ocpi_hub.clearing.metering.check import verify
from ocpi_hub.clearing.metering.explain import as_json, as_text
from ocpi_hub.clearing.metering.model import MeteringResult, Note, Outcome, Reason

__all__ = ["MeteringResult", "Note", "Outcome", "Reason", "as_json", "as_text", "verify"]
