"""What must be true at the end, told from the parties' own records. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.demo import checks_apps, checks_shared
from ocpi_hub.demo.copies import differences, open_to
from ocpi_hub.demo.evidence import Check, Checks, Evidence
from ocpi_hub.demo.notes import exact
from ocpi_hub.demo.parties import EMSPS, related
from ocpi_hub.demo.settling import unproved, unsettled


def run_checks(evidence: Evidence) -> list[Check]:
    """All checks, in the order of `CHECKS`."""
    return [Check(name, tuple(find(evidence))) for name, find in CHECKS]


def _everything_acknowledged(evidence: Evidence) -> Iterator[str]:
    for cdr in evidence.cdrs:
        if cdr.cdr_id not in evidence.acknowledged:
            yield f"{cdr.cdr_id} of {cdr.owner} never got a 1000"


def _acknowledged_arrived(evidence: Evidence) -> Iterator[str]:
    held = {
        (emsp.party, item["id"]): item
        for emsp, items in evidence.received.items()
        for item in items
    }
    for cdr in evidence.cdrs:
        if cdr.cdr_id not in evidence.acknowledged:
            continue
        item = held.get((cdr.receiver, cdr.cdr_id))
        if item is None:
            yield f"{cdr.cdr_id} of {cdr.owner} was acknowledged and is not at {cdr.receiver}"
        elif exact(item["body"]) != exact(cdr.text):
            yield f"{cdr.cdr_id} of {cdr.owner} reached {cdr.receiver} with other content"


def _twice_only_after_unknown(evidence: Evidence) -> Iterator[str]:
    for items in evidence.received.values():
        for item in items:
            unknown = Counter(evidence.attempts.get(item["id"], ()))["unknown"]
            if item["count"] > 1 + unknown:
                yield (
                    f"{item['id']} came {item['count']} times, with {unknown} attempts of"
                    " unknown outcome on record"
                )
            if item["conflicts"]:
                yield f"{item['id']} came with different contents"


def _nothing_at_the_wrong_place(evidence: Evidence) -> Iterator[str]:
    receiver_of = {cdr.cdr_id: cdr.receiver for cdr in evidence.cdrs}
    owner_of = {token.uid: token.owner for token in evidence.tokens}
    for emsp, items in evidence.received.items():
        for item in items:
            if receiver_of.get(item["id"]) != emsp.party:
                yield f"{item['id']} is at {emsp.name}"
        for uid in evidence.asked[emsp]:
            if owner_of.get(uid, emsp.party) != emsp.party:
                yield f"{emsp.name} was asked about a token of {owner_of[uid]}"


def _ledger_is_settled(evidence: Evidence) -> Iterator[str]:
    listed = {row["id"]: row["state"] for row in evidence.ledger}
    for cdr in evidence.cdrs:
        state = listed.get(cdr.cdr_id, "absent")
        if state != "delivered":
            yield f"{cdr.cdr_id} is {state} in the hub's list, expected delivered"


def _answers_as_expected(evidence: Evidence) -> Iterator[str]:
    for answered in evidence.answers:
        expected = answered.ask.expected
        right = answered.ocpi in expected.status_codes and answered.allowed == expected.allowed
        if not right:
            yield (
                f"{answered.ask.cpo.name} was answered {answered.ocpi} {answered.allowed or ''}"
                f" {answered.error or ''}, expected {sorted(expected.status_codes)}"
                f" {expected.allowed or ''}"
            )


def _every_decision_on_record(evidence: Evidence) -> Iterator[str]:
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for decision in evidence.decisions:
        found.setdefault((decision["cpo"], decision["uid"]), []).append(decision)
    for answered in evidence.answers:
        ask = answered.ask
        records = found.get((str(ask.cpo.party), ask.uid), [])
        if len(records) != 1:
            yield f"{len(records)} records of an authorization by {ask.cpo.name}"
            continue
        record = records[0]
        recorded = (record["decided_by"], record["allowed"], record["reference"])
        told = (ask.expected.decided_by.value, answered.allowed, answered.reference)
        if recorded != told:
            yield f"an authorization is on record as {recorded}, but was {told}"


def _nobody_asked_needlessly(evidence: Evidence) -> Iterator[str]:
    asked = {uid for uids in evidence.asked.values() for uid in uids}
    for answered in evidence.answers:
        by_list = answered.ask.expected.decided_by is DecidedBy.HUB_WHITELIST
        if by_list and answered.ask.uid in asked:
            yield f"an eMSP was asked for {answered.ask.cpo.name} in spite of the whitelist"


def _tokens_are_served(evidence: Evidence) -> Iterator[str]:
    for cpo, tokens in evidence.pulled.items():
        issuers = {emsp.party for emsp in EMSPS if related(cpo, emsp)}
        wanted = {
            token.uid: exact(json.dumps(token.as_ocpi()))
            for token in evidence.tokens
            if token.owner in issuers
        }
        served = {token["uid"]: exact(json.dumps(token)) for token in tokens}
        if len(tokens) != len(wanted) or served != wanted:
            yield f"{cpo.name} got {len(tokens):,} tokens instead of the {len(wanted):,} issued"


def _copies_are_right(evidence: Evidence) -> Iterator[str]:
    copies = evidence.copies
    for emsp, held in copies.held.items():
        yield from differences(emsp.name, held, open_to(emsp, copies.own))


def _lists_are_right(evidence: Evidence) -> Iterator[str]:
    copies = evidence.copies
    for emsp, served in copies.served.items():
        name = f"the hub's list for {emsp.name}"
        yield from differences(name, served, open_to(emsp, copies.own))


def _told_once(evidence: Evidence) -> Iterator[str]:
    yield from evidence.copies.returned.too_many()


def _prices_fit(evidence: Evidence) -> Iterator[str]:
    for row in evidence.ledger:
        verdict = row["figures"]["price_verdict"] if row["figures"] else None
        if verdict not in ("equal", "rounding"):
            yield f"the price of {row['id']} is {verdict}"


def _statements_add_up(evidence: Evidence) -> Iterator[str]:
    yield from unsettled(evidence.settlement, evidence.cdrs)


def _statements_are_proved(evidence: Evidence) -> Iterator[str]:
    yield from unproved(evidence.settlement)


def _log_is_clean(evidence: Evidence) -> Iterator[str]:
    if "Traceback" in evidence.hub_log:
        yield "a traceback"
    words = set(re.findall(r"[0-9A-Za-z-]+", evidence.hub_log.upper()))
    uids = {token.uid.upper() for token in evidence.tokens}
    uids |= {answered.ask.uid.upper() for answered in evidence.answers}
    if words & uids:
        yield f"{len(words & uids)} token uids in clear"
    for secret in evidence.secrets:
        encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
        if secret in evidence.hub_log or encoded in evidence.hub_log:
            yield "a credentials token in clear"


CHECKS: Checks = (
    ("every CDR was acknowledged in the end", _everything_acknowledged),
    ("every acknowledged CDR arrived, unchanged", _acknowledged_arrived),
    ("twice only after an unknown outcome", _twice_only_after_unknown),
    ("nothing went to the wrong eMSP", _nothing_at_the_wrong_place),
    ("the hub's list of CDRs is settled", _ledger_is_settled),
    ("every authorization ended as expected", _answers_as_expected),
    ("every decision is on record", _every_decision_on_record),
    ("whitelist answers asked nobody", _nobody_asked_needlessly),
    ("CPOs read all tokens of their eMSPs", _tokens_are_served),
    ("eMSPs have every location as its CPO", _copies_are_right),
    ("the hub lists every location as its CPO", _lists_are_right),
    ("who was away was told each change once", _told_once),
    *checks_apps.CHECKS,
    *checks_shared.CHECKS,
    ("the price of every CDR was recomputed", _prices_fit),
    ("statements are the sum of CPOs' CDRs", _statements_add_up),
    ("statements can be proved", _statements_are_proved),
    ("the hub's log is clean", _log_is_clean),
)
