"""Why a decision about an authorization fell as it did, in plain words."""

from __future__ import annotations

from ocpi_hub.authorization.protocols import DecisionRecord
from ocpi_hub.console.texts import t


def why(decision: DecisionRecord) -> str:
    """Who decided, and why: docs/authorization.md in sentences."""
    first, _, second = decision.reason.partition(":")
    emsp = str(decision.emsp) if decision.emsp else t("authorization.the_emsp")
    texts = [
        _told(f"authorization.by_{decision.decided_by}", emsp),
        _told(f"authorization.because_{first}", emsp),
        _told(f"authorization.as_{second}", emsp) if second else "",
    ]
    return " ".join(text for text in texts if text)


def _told(name: str, emsp: str) -> str:
    """Reasons of another version of the hub have no words here; the page shows the code."""
    return t(name, emsp=emsp) if name in t.names() else ""
