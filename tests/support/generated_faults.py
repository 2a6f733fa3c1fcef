"""What can be wrong with a CDR of the month, and how it comes about."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from tests.support.generated_drafts import Draft, cents, make_draft, money
from tests.support.generated_sessions import LOST, SITES
from tests.support.generated_tariffs import EVENINGS, NIGHTS, PLAIN, SHAPES, Shape


class Fault(StrEnum):
    """What is wrong with a CDR."""

    TOTAL_COST_WRONG = "total_cost_wrong"
    ENERGY_SUM_WRONG = "energy_sum_wrong"
    CURRENCY_DIFFERS = "currency_differs"
    PERIODS_UNSORTED = "periods_unsorted"
    PERIODS_OVERLAP = "periods_overlap"
    PERIOD_OUTSIDE = "period_outside"
    ENERGY_ABSURD = "energy_absurd"
    POWER_ABOVE_CONNECTOR = "power_above_connector"
    NEGATIVE_TOTAL = "negative_total"
    CREDIT_EXCEEDS = "credit_exceeds"
    CREDIT_REFERENCE = "credit_reference"
    TARIFF_MISSING = "tariff_missing"
    TIME_ZONE_UNKNOWN = "time_zone_unknown"
    SIGNATURE_WRONG = "signature_wrong"


def draft_for(fault: Fault, number: int, chance: random.Random) -> Draft:
    """A CDR with nothing wrong yet, of a kind in which the fault can be seen."""
    sites = LOST if fault is Fault.TIME_ZONE_UNKNOWN else SITES
    return make_draft(number, chance, sites, _SHAPES_OF.get(fault, SHAPES), usual=False)


def spoil(draft: Draft, fault: Fault, chance: random.Random) -> Draft:
    """The draft with its fault; a wrong signature is made by the meter."""
    spoiler = _SPOILERS.get(fault)
    return draft if spoiler is None else spoiler(draft, chance)


def _with_other_total(draft: Draft, chance: random.Random) -> Draft:
    """At least two more than it should be; the same for a credit CDR, below nothing."""
    more = Decimal(2 + int(chance.random() * 50)) * (1 if draft.credits is None else -1)
    gross = None if draft.gross is None else draft.gross + 2 * more
    return replace(draft, net=draft.net + more, gross=gross, parts="")


def _negative(draft: Draft, _chance: random.Random) -> Draft:
    gross = None if draft.gross is None else -draft.gross - 2
    return replace(draft, net=-draft.net - 1, gross=gross, parts="")


def _with_other_energy(draft: Draft, chance: random.Random) -> Draft:
    return replace(draft, kwh=draft.kwh + Decimal(1 + int(chance.random() * 50)) / 10)


def _in_crowns(draft: Draft, _chance: random.Random) -> Draft:
    return replace(draft, currency="SEK")


def _unsorted(draft: Draft, _chance: random.Random) -> Draft:
    longer = _longer(draft)
    return replace(longer, written=tuple(reversed(longer.pieces)))


def _overlapping(draft: Draft, _chance: random.Random) -> Draft:
    """The second period begins before the first one can have ended."""
    draft = _longer(draft)
    first, second, *rest = draft.pieces
    early = replace(second, start=second.start - max(1, first.minutes // 2))
    return replace(draft, written=(first, early, *rest))


def _begun_late(draft: Draft, _chance: random.Random) -> Draft:
    return replace(draft, late_min=5)


def _absurd(draft: Draft, _chance: random.Random) -> Draft:
    """More than 20 MWh, which no vehicle takes."""
    return _with_energy(draft, 20_000_000 // int(draft.kwh * 1000) + 1000)


def _too_powerful(draft: Draft, _chance: random.Random) -> Draft:
    """Twice what the connector can give in all the time of the session, parking included."""
    last = draft.pieces[-1]
    minutes = last.start + last.minutes - draft.pieces[0].start
    can_wh = draft.site.kw * 1000 * minutes // 60
    return _with_energy(draft, 2 * can_wh // int(draft.kwh * 1000) + 1)


def _with_energy(draft: Draft, times: int) -> Draft:
    """So many times the energy, at the right price."""
    pieces = [replace(each, wh=each.wh * times) for each in draft.pieces]
    cost = draft.tariff.cost(pieces, draft.site.local_minute)
    return replace(
        draft,
        pieces=pieces,
        net=money(cents(cost.net)),
        gross=money(cents(cost.gross)),
        kwh=draft.kwh * times,
        parts="",
    )


def _refers_wrongly(draft: Draft, chance: random.Random) -> Draft:
    """To nothing, or to itself."""
    return replace(draft, credits=draft.id if chance.random() < 0.5 else "NOT-THERE")


def _without_tariff(draft: Draft, _chance: random.Random) -> Draft:
    return replace(draft, tariffs="", tariff_id="GONE")


def _longer(draft: Draft) -> Draft:
    """At least two pieces, so that they can be in the wrong order."""
    if len(draft.pieces) > 1:
        return draft
    whole = draft.pieces[0]
    half = max(1, whole.minutes // 2)
    first = replace(whole, minutes=half, wh=whole.wh // 2)
    second = replace(
        whole, start=whole.start + half, minutes=whole.minutes - half, wh=whole.wh - first.wh
    )
    return replace(draft, pieces=[first, second])


_SPOILERS: Final[Mapping[Fault, Callable[[Draft, random.Random], Draft]]] = {
    Fault.TOTAL_COST_WRONG: _with_other_total,
    Fault.ENERGY_SUM_WRONG: _with_other_energy,
    Fault.CURRENCY_DIFFERS: _in_crowns,
    Fault.PERIODS_UNSORTED: _unsorted,
    Fault.PERIODS_OVERLAP: _overlapping,
    Fault.PERIOD_OUTSIDE: _begun_late,
    Fault.ENERGY_ABSURD: _absurd,
    Fault.POWER_ABOVE_CONNECTOR: _too_powerful,
    Fault.NEGATIVE_TOTAL: _negative,
    Fault.CREDIT_EXCEEDS: _with_other_total,
    Fault.CREDIT_REFERENCE: _refers_wrongly,
    Fault.TARIFF_MISSING: _without_tariff,
}
CREDIT_FAULTS: Final = (Fault.CREDIT_EXCEEDS, Fault.CREDIT_REFERENCE)
_SHAPES_OF: Final[Mapping[Fault, tuple[Shape, ...]]] = {
    Fault.TIME_ZONE_UNKNOWN: (EVENINGS, NIGHTS),
    Fault.PERIODS_OVERLAP: (PLAIN,),  # which costs the same, whenever a period begins
}
