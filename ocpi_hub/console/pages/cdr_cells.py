"""What pages about CDRs, sessions and authorizations share: who sees them, links, amounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.admin.views.cdr_life import CdrFigures
from ocpi_hub.admin.views.cdrs import CdrItem
from ocpi_hub.clearing.life import Stage
from ocpi_hub.clearing.pricing import Verdict
from ocpi_hub.console.cells import At, Cell, Chip, Code, Link, Number, url
from ocpi_hub.console.stories import Grid
from ocpi_hub.console.texts import t
from ocpi_hub.console.visit import Tone, Visit
from ocpi_hub.domain.objects import DirectedState
from ocpi_hub.domain.party import PartyId
from ocpi_hub.store.evidence import LinkedDecision

_STAGES = {
    Stage.RECEIVED: Tone.NOTE,
    Stage.HELD: Tone.WARN,
    Stage.DELIVERED: Tone.GOOD,
    Stage.SETTLED: Tone.GOOD,
    Stage.REFUSED: Tone.WARN,
    Stage.UNCERTAIN: Tone.WARN,
    Stage.DEAD: Tone.BAD,
    Stage.CORRECTED: Tone.NOTE,
}
_VERDICTS = {
    Verdict.EQUAL: Tone.GOOD,
    Verdict.ROUNDING: Tone.GOOD,
    Verdict.DIFFERS: Tone.BAD,
    Verdict.AMBIGUOUS: Tone.NOTE,
    Verdict.NOT_CHECKABLE: Tone.WARN,
}


def sees(viewer: Viewer, item: CdrItem) -> bool:
    """Its owner sees a CDR or Session; its receiver does unless the hub keeps it back."""
    if viewer.sees_party(item.owner):
        return True
    kept_back = item.state is DirectedState.HELD or (
        item.state is DirectedState.REFUSED and not item.attempts
    )
    return viewer.sees_party(item.receiver) and not kept_back


def sees_linked(viewer: Viewer, owner: str, receiver: str, stage: Stage) -> bool:
    """The same of a CDR that another story leads to: what may have been kept back is left out."""
    kept_back = stage in (Stage.HELD, Stage.REFUSED)
    return viewer.sees_party(owner) or (viewer.sees_party(receiver) and not kept_back)


def reason_for(viewer: Viewer, item: CdrItem) -> str | None:
    """Why it stands as it does. To a receiver this is not told: it may name its rivals."""
    return item.reason if viewer.sees_party(item.owner) else None


# Where things are ---------------------------------------------------------------------------------


def cdr_url(owner: str, cdr_id: str) -> str:
    return url("cdrs", owner, cdr_id)


def session_url(owner: str, session_id: str) -> str:
    return url("sessions", owner, session_id)


def decision_url(at: datetime, correlation_id: str) -> str:
    """A decision is known by its time, to the microsecond, and its correlation id."""
    return url("authorizations", at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), correlation_id)


def messages_link(correlation_id: str) -> Cell:
    """To all legs of a correlation id."""
    return Link(correlation_id, url("messages", correlation_id)) if correlation_id else None


def party_cell(visit: Visit, party: str | None) -> Cell:
    """A party, with the way to its platform for those who may go there."""
    if party is None:
        return None
    platform = visit.parts.admin.directory().platform_of(PartyId.parse(party))
    if platform is None or not visit.viewer.sees_platform(platform.platform_id):
        return Code(party)
    return [Link(party, url("platforms", platform.platform_id)), platform.name]


# Words and figures --------------------------------------------------------------------------------


def stage_chips(stage: Stage, disputed: bool) -> Cell:
    chips = [Chip(stage, _STAGES[stage])]
    return [*chips, Chip("disputed", Tone.WARN)] if disputed else chips


def verdict_chip(verdict: str | None) -> Chip:
    return Chip(verdict, _VERDICTS.get(Verdict(verdict)) if verdict else None)


def weight_chip(*, hold: bool) -> Chip:
    return Chip("hold" if hold else "flag", Tone.WARN if hold else Tone.NOTE)


def difference(figures: CdrFigures) -> str | None:
    """What a CDR asks for beyond the recomputed price, without VAT."""
    if figures.price_excl_vat is None:
        return None
    return f"{Decimal(figures.excl_vat) - Decimal(figures.price_excl_vat):f}"


def number(text: str | float | None, digits: int, unit: str = "") -> Number:
    """An exact decimal as it is shown."""
    return Number(None if text is None else float(text), digits, unit)


def who(viewer: Viewer, by: str) -> str:
    """Who took a step. Names of operators, keys and commands are no matter of partners."""
    kind, _, _ = by.partition(" ")
    if viewer.is_partner and kind in ("operator", "key", "command"):
        return t("cdr.the_operators")
    return by


def decisions_grid(linked: Sequence[LinkedDecision]) -> Grid:
    """The authorizations that a CDR or a Session rests on."""
    names = ("at", "decided_by", "reason", "allowed", "linked_by")
    rows: list[list[Cell]] = [
        [
            Link(
                At(each.decision.at),
                decision_url(each.decision.at, each.decision.correlation_id),
            ),
            Chip(each.decision.decided_by),
            Code(each.decision.reason),
            Chip(each.decision.allowed),
            Chip(each.linked_by),
        ]
        for each in linked
    ]
    return Grid(
        t("cdr.authorized"), [t.label(name) for name in names], rows, t("cdr.not_authorized")
    )
