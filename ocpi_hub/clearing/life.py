"""The life of a CDR: its stages, and every way from one to another. Pure.

    received ──► delivered ──► settled ──► corrected
      │  ▲ ▲         └──────────────────────▲
      ▼  │ └── refused, uncertain, dead: by a receiver, the hub or an operator
     held

Custody decides the steps (`delivery/custody_verdicts.py`) and the database records each with its
own hand, in the transaction that makes it; `cdr_stage` there says which stage a row is in. Whether
a CDR is just being sent is no matter of its life. `settled` is told by the statement that holds the
CDR, and `corrected` by the Credit CDRs that were delivered; neither is stored a second time. A
dispute stands beside the stage and changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ocpi_hub.domain.value import value


class Stage(StrEnum):
    RECEIVED = "received"
    """The hub has it and brings it to its receiver."""
    HELD = "held"
    """An operator has to decide first."""
    DELIVERED = "delivered"
    """Its receiver has it."""
    SETTLED = "settled"
    """It is on a closed statement."""
    REFUSED = "refused"
    """Its receiver, or an operator, does not take it; its owner may send a better one."""
    UNCERTAIN = "uncertain"
    """It was refused after an attempt of which nobody knows the outcome."""
    DEAD = "dead"
    """It could not be delivered for as long as the hub tries."""
    CORRECTED = "corrected"
    """Credit CDRs took all of it back."""


@value
class Step:
    """A way from one stage to another.

    Attributes:
        before: None: it enters custody.
        who: who may take it: owner, receiver, hub, operator.
        why: what brings it about.
    """

    before: Stage | None
    after: Stage
    who: tuple[str, ...]
    why: str


S = Stage
STEPS: Final[tuple[Step, ...]] = (
    Step(None, S.RECEIVED, ("owner",), "it is taken into custody"),
    Step(None, S.HELD, ("hub",), "a hold rule matches at its arrival"),
    Step(S.RECEIVED, S.HELD, ("hub",), "a hold rule matches when it is looked at again"),
    Step(S.RECEIVED, S.DELIVERED, ("receiver", "operator"), "answered 1xxx, fetched, or by file"),
    Step(S.RECEIVED, S.REFUSED, ("receiver",), "answered 2xxx"),
    Step(S.RECEIVED, S.UNCERTAIN, ("receiver",), "answered 2xxx after an unknown outcome"),
    Step(S.RECEIVED, S.DEAD, ("hub",), "not delivered within `retry_give_up_days`"),
    Step(S.HELD, S.RECEIVED, ("operator", "hub"), "it is released"),
    Step(S.HELD, S.REFUSED, ("operator",), "it is refused"),
    Step(S.HELD, S.DELIVERED, ("receiver",), "a late answer to an earlier attempt: 1xxx"),
    Step(S.REFUSED, S.RECEIVED, ("owner", "operator"), "sent again or anew, or driven again"),
    Step(S.REFUSED, S.HELD, ("hub",), "sent again or anew, and a hold rule matches"),
    Step(S.REFUSED, S.DELIVERED, ("receiver",), "a late answer to an earlier attempt: 1xxx"),
    Step(S.UNCERTAIN, S.RECEIVED, ("operator",), "it is driven again"),
    Step(S.UNCERTAIN, S.REFUSED, ("receiver", "operator"), "the doubt is taken back"),
    Step(S.UNCERTAIN, S.DELIVERED, ("receiver", "operator"), "a late 1xxx, or it is confirmed"),
    Step(S.DEAD, S.RECEIVED, ("owner", "operator"), "sent again, or driven again"),
    Step(S.DEAD, S.HELD, ("hub",), "sent again, and a hold rule matches"),
    Step(S.DEAD, S.REFUSED, ("operator",), "it is refused"),
    Step(S.DEAD, S.DELIVERED, ("receiver", "operator"), "a late 1xxx, or it is confirmed"),
    Step(S.DELIVERED, S.SETTLED, ("operator", "hub"), "its statement is closed"),
    Step(S.DELIVERED, S.CORRECTED, ("owner",), "Credit CDRs that took all of it back arrived"),
    Step(S.SETTLED, S.CORRECTED, ("owner",), "Credit CDRs that took all of it back arrived"),
)

WAYS: Final[Mapping[tuple[Stage | None, Stage], Step]] = MappingProxyType(
    {(step.before, step.after): step for step in STEPS}
)


def life_table() -> str:
    """All steps as a table of Markdown."""
    lines = ["| from | to | by | when |", "|---|---|---|---|"]
    lines += [
        f"| {step.before or '-'} | {step.after} | {', '.join(step.who)} | {step.why} |"
        for step in STEPS
    ]
    return "\n".join(lines)
