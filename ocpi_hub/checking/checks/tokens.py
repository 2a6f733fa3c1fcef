"""Tokens beyond their fields."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ocpi_hub.checking.checks.objects import each_object
from ocpi_hub.checking.model import Check, Severity
from ocpi_hub.checking.reading import Object
from ocpi_hub.domain.party import Module

SHOULD, INFO = Severity.SHOULD, Severity.INFO

_LONGEST_OCPP = 20
"""Characters of an idTag in OCPP 1.x."""
_OCPP_CARD = re.compile(r"[\x21-\x7e]+")


def _cards(item: Object) -> Iterable[str]:
    uid = item.get("uid")
    if item.get("type") != "RFID" or not isinstance(uid, str):
        return
    if len(uid) > _LONGEST_OCPP:
        yield f"an RFID uid of {len(uid)} characters: charge points know {_LONGEST_OCPP}"
    elif not _OCPP_CARD.fullmatch(uid):
        yield "an RFID uid with white space"


def _groups(item: Object) -> Iterable[str]:
    group = item.get("group_id")
    if isinstance(group, str) and len(group) > _LONGEST_OCPP:
        yield f"a group_id of {len(group)} characters: charge points know {_LONGEST_OCPP}"


def _contracts(item: Object) -> Iterable[str]:
    if item.get("contract_id") == "":
        yield "an empty contract_id"


def _whitelists(item: Object) -> Iterable[str]:
    if item.get("valid") is False and item.get("whitelist") == "ALWAYS":
        yield "not valid, and ALWAYS on the whitelist: nobody may ask about it"


CHECKS = (
    Check("tokens.cards", "Charge points can hold the uids of cards", ("TK-15",), SHOULD,
          "Write the uid as the reader tells it: hexadecimal, without white space.",
          each_object(Module.TOKENS, _cards)),
    Check("tokens.groups", "Charge points can hold the group ids", ("TK-15",), SHOULD,
          "Keep group_id to 20 characters: OCPP 1.x has no room for more.",
          each_object(Module.TOKENS, _groups)),
    Check("tokens.contracts", "Every Token has a contract", ("TK-15",), SHOULD,
          "Fill contract_id: CDRs are billed by it.", each_object(Module.TOKENS, _contracts)),
    Check("tokens.whitelist", "Blocked Tokens may be asked about", ("TK-12", "TK-13"), SHOULD,
          "Take a blocked Token off ALWAYS: CPOs cannot learn that it is unblocked.",
          each_object(Module.TOKENS, _whitelists)),
)  # fmt: skip
