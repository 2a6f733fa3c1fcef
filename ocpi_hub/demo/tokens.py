"""Tokens as two eMSPs issue them: charge cards, and some app users."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ocpi_hub.demo.parties import Company
from ocpi_hub.domain.party import PartyId
from ocpi_hub.ocpi.v2_2_1.tokens import TokenType, WhitelistType

BLOCKED_EVERY = 10
NEVER_EVERY = 10
ALWAYS_EVERY = 40
APP_USER_EVERY = 12
LAST_UPDATED = "2026-05-28T04:00:00Z"


@dataclass(frozen=True, slots=True)
class DemoToken:
    """A token, with what the demo has to know about it."""

    owner: PartyId
    uid: str
    type: TokenType
    contract_id: str
    issuer: str
    visual_number: str
    valid: bool
    whitelist: WhitelistType
    language: str

    def as_ocpi(self) -> dict[str, Any]:
        """The Token object."""
        return {
            "country_code": self.owner.country_code,
            "party_id": self.owner.party_id,
            "uid": self.uid,
            "type": self.type.value,
            "contract_id": self.contract_id,
            "visual_number": self.visual_number,
            "issuer": self.issuer,
            "valid": self.valid,
            "whitelist": self.whitelist.value,
            "language": self.language,
            "last_updated": LAST_UPDATED,
        }


def make_tokens(emsp: Company, count: int, source: random.Random) -> tuple[DemoToken, ...]:
    """`count` tokens with different uids.

    Of every few one is blocked, one must always be asked about, one never, one is an app user.
    """
    uids: set[str] = set()
    tokens = []
    for number in range(count):
        app = number % APP_USER_EVERY == APP_USER_EVERY - 1
        uid = _app_uid(source) if app else _card_uid(source)
        while uid in uids:
            uid = _card_uid(source)
        uids.add(uid)
        country_code, party_id = emsp.party.country_code, emsp.party.party_id
        tokens.append(
            DemoToken(
                owner=emsp.party,
                uid=uid,
                type=TokenType.APP_USER if app else TokenType.RFID,
                contract_id=f"{country_code}-{party_id}-C{10_000_000 + number}",
                issuer=emsp.name,
                visual_number=f"{country_code} {party_id} {number + 100_000}",
                valid=number % BLOCKED_EVERY != BLOCKED_EVERY - 1,
                whitelist=_whitelist(number),
                language=country_code.lower(),
            )
        )
    return tuple(tokens)


def unknown_uids(count: int, known: Sequence[DemoToken], source: random.Random) -> tuple[str, ...]:
    """Different uids that nobody issued."""
    taken = {token.uid for token in known}
    uids: list[str] = []
    while len(uids) < count:
        uid = _card_uid(source)
        if uid not in taken:
            taken.add(uid)
            uids.append(uid)
    return tuple(uids)


def _whitelist(number: int) -> WhitelistType:
    if number % NEVER_EVERY == 4:
        return WhitelistType.NEVER
    if number % ALWAYS_EVERY == 6:
        return WhitelistType.ALWAYS
    return WhitelistType.ALLOWED if number % 2 else WhitelistType.ALLOWED_OFFLINE


def _card_uid(source: random.Random) -> str:
    """Seven bytes, as on most cards; the first one names the chip's maker."""
    return f"04{source.getrandbits(48):012X}"


def _app_uid(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))
