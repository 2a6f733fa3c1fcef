"""How `cdr list` and `cdr show` look to people. What partners wrote is shown without control
characters: a terminal would obey them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ocpi_hub.cli.table import render_plain
from ocpi_hub.cli.terminal import clean

Shown = Mapping[str, Any]
"""A view as the command gives it with `--json`."""

_INDENT = "  "


def render_list(result: Any) -> str:
    """Lines of a list: what a person looks for first."""
    rows = [_row(item) for item in result]
    return clean(render_plain(rows))


def _row(item: Shown) -> dict[str, object]:
    figures = item["figures"] or {}
    money = f"{figures['excl_vat']} {figures['currency']}" if figures else None
    noted = [*figures.get("holds", ()), *figures.get("flags", ())]
    return {
        "owner": item["owner"],
        "id": item["id"],
        "receiver": item["receiver"],
        "stage": item["stage"] + (", disputed" if item["disputed"] else ""),
        "kWh": figures.get("energy_kwh"),
        "excl_vat": money,
        "price": figures.get("price_verdict"),
        "noted": noted,
        "attempts": item["attempts"],
        "next_attempt_at": item["next_attempt_at"],
        "reason": item["reason"],
    }


def render_story(result: Any) -> str:
    """Everything about one CDR, from what it says to what became of it."""
    parts: list[Iterator[str]] = [
        _headline(result),
        _section("What it says", _figures(result)),
        _section("Price", _price(result)),
        _section("Findings", _findings(result)),
        _section("Where it comes from", _origin(result)),
        _section("Credits and corrections", _credits(result)),
        _section("Disputes", _disputes(result)),
        _section("Delivery", _delivery(result)),
        _section("Its life", _life(result)),
    ]
    return "\n".join(clean(" ".join(line.split("\n"))) for part in parts for line in part)


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == 0:
            yield ""
            yield title
        yield _INDENT + line


def _headline(cdr: Shown) -> Iterator[str]:
    kind = "Credit CDR" if cdr["figures"] and cdr["figures"]["credit"] else "CDR"
    disputed = ", disputed" if cdr["disputed"] else ""
    yield f"{kind} {cdr['id']} of {cdr['owner']} for {cdr['receiver']}: {cdr['stage']}{disputed}"
    if cdr["reason"]:
        yield f"{_INDENT}because: {cdr['reason']}"


def _figures(cdr: Shown) -> Iterator[str]:
    figures = cdr["figures"]
    if figures is None:
        yield "not entered in the ledger yet; --json shows its text"
        return
    yield f"from {figures['started_at']} to {figures['ended_at']}"
    parking = f", {figures['parking_h']} h of them parked" if figures["parking_h"] else ""
    yield f"{figures['energy_kwh']} kWh in {figures['time_h']} h{parking}"
    gross = f", {figures['incl_vat']} with VAT" if figures["incl_vat"] else ""
    yield f"{figures['excl_vat']} {figures['currency']} without VAT{gross}"
    place = (figures["location_id"], figures["evse_id"], figures["connector_id"])
    yield "at location {}, EVSE {}, connector {}".format(*place)


def _price(cdr: Shown) -> Iterator[str]:
    figures, price = cdr["figures"], cdr["price"]
    if figures and figures["price_verdict"]:
        mine = figures["price_excl_vat"]
        cost = f": {mine} {figures['currency']} without VAT" if mine else ""
        at = figures["checked_at"] or "its arrival"
        yield f"as checked at {at}: {figures['price_verdict']}{cost}"
    elif figures:
        yield "not checked yet"
    if price is None:
        yield "too large to be recomputed here: `ocpi-hub cdr price FILE` does it"
        return
    yield "recomputed now:"
    yield from (_INDENT + line for line in price["explained"])


def _findings(cdr: Shown) -> Iterator[str]:
    for each in cdr["findings"]:
        yield f"{each['code']} ({'held' if each['hold'] else 'flag'}): {each['text']}"
    if not cdr["findings"] and cdr["figures"]:
        yield "none" if cdr["figures"]["checked_at"] else "none so far; it is to be looked at again"


def _origin(cdr: Shown) -> Iterator[str]:
    figures, session = cdr["figures"], cdr["session"]
    if session is None:
        yield "it names no session"
    else:
        state = f"in custody, {session['state']}" if session["state"] else "the hub has none such"
        yield f"session {session['id']}: {state}"
    for each in cdr["authorizations"]:
        word = each["allowed"] or "no answer"
        reference = f", reference {each['reference']}" if each["reference"] else ""
        yield (
            f"authorized at {each['at']}: {word} by {each['decided_by']} ({each['reason']})"
            f"{reference}; linked by {each['linked_by']}"
        )
    if not cdr["authorizations"]:
        yield "no authorization is on record"
    metering = figures["metering"] if figures else None
    yield f"signed meter data: {metering or 'none'}"


def _credits(cdr: Shown) -> Iterator[str]:
    credits_ = cdr["credits"]
    if credits_ is None:
        return
    figures = cdr["figures"]
    if figures["credit"]:
        original = credits_["takes_back"]
        what = (
            _related(original) if original else f"{figures['credited_id']}, which the hub has not"
        )
        yield f"takes back {what}"
    for each in credits_["taken_back_by"]:
        yield f"taken back by {_related(each)}"
    if credits_["taken_back_by"]:
        yield f"left of it: {credits_['left_excl_vat']} {figures['currency']} without VAT"
    if credits_["corrects"]:
        yield f"corrects {credits_['corrects']}"
    for each in credits_["corrected_by"]:
        yield f"corrected by {each}"
    for each in credits_["same_session"]:
        yield f"same session: {_related(each)}"


def _related(each: Shown) -> str:
    return f"{each['id']}: {each['excl_vat']} {each['currency']}, {each['stage']}"


def _disputes(cdr: Shown) -> Iterator[str]:
    for each in cdr["disputes"]:
        amount = f", {each['amount']} {each['currency']}" if each["amount"] else ""
        state = each["outcome"] or ("answered" if each["answer"] else "open")
        waits = "; a Credit CDR is awaited" if each["awaits_credit"] else ""
        name = f"{each['dispute']}, {state}, by the {each['raised_by']}"
        yield f"{name}{amount}: {each['reason']}{waits}"


def _delivery(cdr: Shown) -> Iterator[str]:
    yield f"state: {cdr['state']}, {cdr['attempts']} attempts; last answer: {cdr['status']}"
    if cdr["next_attempt_at"]:
        yield f"next attempt: {cdr['next_attempt_at']}"
    if cdr["unknown_outcomes"]:
        yield f"attempts of which nobody knows the outcome: {cdr['unknown_outcomes']}"
    if cdr["refused_after_ack"]:
        yield "refused after its owner had been told 1000"
    if cdr["statement"]:
        one = cdr["statement"]
        yield f"on statement {one['statement']} of {one['month']}"
    yield f"correlation id: {cdr['correlation_id']}"
    yield f"text: {len(cdr['body'].encode())} bytes, version {cdr['version']}; --json shows it"


def _life(cdr: Shown) -> Iterator[str]:
    events = sorted(_events(cdr), key=lambda event: event[0])
    for at, who, what in events:
        yield f"{at}  {who}: {what}"


def _events(cdr: Shown) -> Iterator[tuple[str, str, str]]:
    """Time, who, what."""
    if not any(step["before"] is None for step in cdr["steps"]):
        yield (
            cdr["received_at"],
            "owner",
            "received; its steps until the next line are not on record",
        )
    for step in cdr["steps"]:
        why = f" ({step['why']})" if step["why"] else ""
        version = f", version {step['version']}" if step["version"] > 1 else ""
        yield step["at"], step["by"], f"{step['after']}{version}{why}"
    for each in cdr["attempt_history"]:
        codes = [f"HTTP {each['http']}" if each["http"] else "", each["message"] or ""]
        codes.insert(1, f"OCPI {each['ocpi']}" if each["ocpi"] else "")
        answer = ", ".join(code for code in codes if code)
        yield each["at"], "hub", f"attempt: {each['outcome']}" + (f" ({answer})" if answer else "")
    for each in cdr["other_contents"]:
        fields = ", ".join(cdr["conflicting_fields"]) if each["kind"] == "conflict" else ""
        yield each["at"], "owner", _other(each["kind"], fields)
    yield from _dispute_events(cdr["disputes"])


def _other(kind: str, fields: str) -> str:
    if kind == "conflict":
        return f"another content came and was refused; conflicts differ in: {fields or 'nothing'}"
    return "its content was replaced"


def _dispute_events(disputes: Sequence[Shown]) -> Iterator[tuple[str, str, str]]:
    for each in disputes:
        name = f"dispute {each['dispute']}"
        yield each["opened_at"], each["opened_by"], f"{name} opened for the {each['raised_by']}"
        if each["answered_at"]:
            yield each["answered_at"], each["answered_by"], f"{name} answered: {each['answer']}"
        if each["closed_at"]:
            yield each["closed_at"], each["closed_by"], f"{name} {each['outcome']}: {each['note']}"
