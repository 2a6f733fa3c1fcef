"""A month of CDRs: four parties, all habits that do no harm, and a few that are wrong.

The same number, seed and share of faults make the same bytes. The month is October 2026, in which
clocks are set back. What each CDR costs is computed by `generated_tariffs`, not by the price
engine, so that one can be tried with the other.

    month = GeneratedMonth(200_000)
    month.locations, month.tariffs      what the CPOs have published, as (party, JSON)
    for each in month: each.body, each.fault
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from tests.support.generated_drafts import FIRST, Draft, credit_of, make_draft, sign
from tests.support.generated_faults import CREDIT_FAULTS, Fault, draft_for, spoil
from tests.support.generated_sessions import LOST, SITES, TARIFFS, Party
from tests.support.generated_tariffs import DAY_MIN
from tests.support.metering import Meter

__all__ = ["Fault", "GeneratedCdr", "GeneratedMonth"]

_DAYS: Final = tuple((FIRST + timedelta(days=each)).strftime("%Y-%m-%d") for each in range(40))


@dataclass(frozen=True, slots=True)
class GeneratedCdr:
    """One CDR and what is true of it.

    Attributes:
        body: JSON, as its CPO sends it.
        kind: of the tariff, with what is special about the session.
        net, gross: of its total_cost, as written; gross None when it is left out.
        kwh: of its total_energy.
        credits: id of the CDR that it takes back; None for others.
    """

    body: bytes
    id: str
    cpo: Party
    emsp: Party
    fault: Fault | None
    kind: str
    currency: str
    net: Decimal
    gross: Decimal | None
    kwh: Decimal
    credits: str | None = None


class GeneratedMonth:
    """CDRs in the order of their numbers.

    Args:
        faulty: share of CDRs with one fault; the kinds of faults take turns.
    """

    def __init__(self, count: int, *, seed: int = 1, faulty: float = 0.01) -> None:
        self.count = count
        self._seed = seed
        self._every = round(1 / faulty) if faulty else 0

    @property
    def locations(self) -> list[tuple[Party, str]]:
        """What the CPOs have published; two Locations are in a zone that there is not."""
        return [(each.owner, each.body) for each in (*SITES, *LOST)]

    @property
    def tariffs(self) -> list[tuple[Party, str]]:
        return [(key[0], each.text) for key, each in TARIFFS.items()]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[GeneratedCdr]:
        chance = random.Random(self._seed)  # noqa: S311 - the same month each time
        meters = {each.id: Meter(number=place) for place, each in enumerate(SITES)}
        faults = 0
        # Those that a credit CDR may take back, each once.
        sound: deque[Draft] = deque(maxlen=4)
        for number in range(self.count):
            fault = None
            if self._every and number % self._every == self._every - 1:
                fault = tuple(Fault)[faults % len(Fault)]
                faults += 1
            if sound and (fault in CREDIT_FAULTS or (fault is None and number % 97 == 1)):
                draft = credit_of(sound.pop(), number)
            elif fault is None:
                draft = make_draft(number, chance)
                sound.append(draft)
            else:
                draft = draft_for(fault, number, chance)
            if fault is not None:
                draft = spoil(draft, fault, chance)
            if fault is Fault.SIGNATURE_WRONG:
                draft = sign(draft, meters[draft.site.id], wrong=True)
            elif fault is None and draft.credits is None and number % 5 == 0:
                draft = sign(draft, meters[draft.site.id])
            yield _written(draft, fault)


def _stamp(minute: int) -> str:
    day, rest = divmod(minute, DAY_MIN)
    return f"{_DAYS[day]}T{rest // 60:02}:{rest % 60:02}:00Z"


def _periods(draft: Draft) -> str:
    named = "" if draft.tariff_id is None else f',"tariff_id":"{draft.tariff_id}"'
    texts = []
    for each in draft.written or draft.pieces:
        told = [f'{{"type":"{each.kind}","volume":{each.minutes / 60:.4f}}}']
        if each.wh:
            told.append(f'{{"type":"ENERGY","volume":{each.wh / 1000}}}')
        if each.wh and draft.tariff.shape.asks_power:
            told += [f'{{"type":"{name}_POWER","volume":{each.kw}}}' for name in ("MIN", "MAX")]
        texts.append(
            f'{{"start_date_time":"{_stamp(each.start)}","dimensions":[{",".join(told)}]{named}}}'
        )
    return ",".join(texts)


def _price(net: Decimal, gross: Decimal | None) -> str:
    return f'{{"excl_vat":{net}}}' if gross is None else f'{{"excl_vat":{net},"incl_vat":{gross}}}'


def _written(draft: Draft, fault: Fault | None) -> GeneratedCdr:
    site, number, emsp = draft.site, draft.number, draft.emsp
    start, last = draft.pieces[0].start, draft.pieces[-1]
    end = last.start + last.minutes
    credit = ""
    if draft.credits is not None:
        credit = f'"credit":true,"credit_reference_id":"{draft.credits}",'
    tariffs = f'"tariffs":[{draft.tariffs}],' if draft.tariffs else ""
    power = "DC" if site.kw > 43 else "AC_3_PHASE"
    body = (
        f'{{"country_code":"{site.owner[0]}","party_id":"{site.owner[1]}","id":"{draft.id}",'
        f'"start_date_time":"{_stamp(start + draft.late_min)}","end_date_time":"{_stamp(end)}",'
        f'"session_id":"S{number:07}","cdr_token":{{"country_code":"{emsp[0]}",'
        f'"party_id":"{emsp[1]}","uid":"04{number % 5000:08X}","type":"RFID",'
        f'"contract_id":"{emsp[0]}-{emsp[1]}-C{number % 5000:08}"}},"auth_method":"WHITELIST",'
        f'"cdr_location":{{"id":"{site.id}","address":"Harbour 1","city":"Harbour",'
        f'"country":"{site.country}","coordinates":{{"latitude":"52.0","longitude":"5.0"}},'
        f'"evse_uid":"E-{site.id}","evse_id":"{site.owner[0]}*{site.owner[1]}*E{site.id}",'
        f'"connector_id":"1","connector_standard":"IEC_62196_T2","connector_format":"SOCKET",'
        f'"connector_power_type":"{power}"}},"currency":"{draft.currency}",{tariffs}'
        f'"charging_periods":[{_periods(draft)}],{draft.signed}{draft.parts}{credit}'
        f'"total_cost":{_price(draft.net, draft.gross)},"total_energy":{draft.kwh},'
        f'"total_time":{(end - start - draft.late_min) / 60:.4f},'
        f'"last_updated":"{_stamp(end + 5)}"}}'
    )
    return GeneratedCdr(
        body.encode(), draft.id, site.owner, emsp, fault, draft.kind, draft.currency,
        draft.net, draft.gross, draft.kwh, draft.credits,
    )  # fmt: skip
