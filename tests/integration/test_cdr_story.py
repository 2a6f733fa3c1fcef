"""`cdr show ID` tells the whole life of a CDR, so that nobody has to open the database."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocpi_hub.clearing.ledger import CdrFinding
from ocpi_hub.cli.cdr_story import render_list, render_story
from ocpi_hub.cli.main import build_parser
from ocpi_hub.delivery.custody import Start
from ocpi_hub.delivery.verdict import Delivered, Failed
from ocpi_hub.domain.objects import LastAnswer
from ocpi_hub.errors import NoSuchObject, OperatorError
from ocpi_hub.store.address import DatabaseAddress
from ocpi_hub.store.custody import PostgresCustodyStore
from ocpi_hub.store.database import Database
from tests.support.cdr_lives import deliver, make_cdr
from tests.support.factories import CPO, EMSP
from tests.support.ledger import Run, clearing_commands
from tests.support.stores import OK, custody_store, ended, execute, taken

TARIFF = {
    "country_code": "NL",
    "party_id": "CPO",
    "id": "T1",
    "currency": "EUR",
    "elements": [
        {"price_components": [{"type": "ENERGY", "price": 0.4, "vat": 21, "step_size": 1}]}
    ],
    "last_updated": "2026-01-01T00:00:00Z",
}
BUSY = LastAnswer(503, None, "too busy \x1b[31m")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresCustodyStore]:
    async with custody_store(database) as store:
        yield store


@pytest.fixture
async def run(address: DatabaseAddress, database: Database) -> Run:
    return await clearing_commands(address, database)


async def live(store: PostgresCustodyStore, database: Database, run: Run) -> None:
    """A CDR that is held, released, tried twice, delivered, in dispute, settled and corrected."""
    await execute(
        database,
        "insert into authorization_decision (at, uid, token_type, cpo_country_code, cpo_party_id,"
        " emsp_country_code, emsp_party_id, decided_by, reason, allowed, reference, http_status,"
        " status_code, total_ms, legs, correlation_id) values (now(), '04AABBCC', 'RFID', 'NL',"
        " 'CPO', 'DE', 'MSP', 'emsp', 'answered', 'ALLOWED', 'REF-7', 200, 1000, 1, '[]', 'c')",
    )
    finding = CdrFinding("power_above_limit", "15 kW of 11 kW", hold=True)
    fields: dict[str, Any] = {
        "session_id": "Ses-1",
        "authorization_reference": "REF-7",
        "tariffs": [TARIFF],
    }
    first = make_cdr("Cdr-A", start=Start.HOLD, findings=(finding,), **fields)
    await store.take_in(first)
    await run("cdr", "release", str(CPO), "CDR-A", "--reason", "a truck")
    for verdict in (Failed(BUSY), Delivered(OK)):
        await execute(database, "update directed_object set next_attempt_at = now()")
        await execute(database, "delete from receiver_backoff")
        (attempt,) = await store.claim(EMSP, 1)
        await store.record(ended(attempt, verdict))
    await store.take_in(make_cdr("Cdr-A", remark="oh", **fields))
    about = (str(CPO), "cdr-a")
    opening = ("--by", "emsp", "--reason", "left at two", "--amount", "4.20")
    await run("cdr", "dispute", "open", *about, *opening)
    await run("cdr", "dispute", "answer", *about, "--text", "the cable was locked")
    await run("cdr", "dispute", "close", *about, "--outcome", "accepted", "--note", "so be it")
    who = ("--cpo", str(CPO), "--emsp", str(EMSP))
    await run("statement", "--month", "2026-10", *who, "--close")
    cost = {"excl_vat": -9.0, "incl_vat": -10.89}
    back: dict[str, Any] = {"total_cost": cost, "session_id": "Ses-1"}
    await deliver(store, make_cdr("Cdr-A-C", credit=True, credit_reference_id="cdr-a", **back))
    await deliver(store, make_cdr("Cdr-B", session_id="ses-1"))


async def test_the_whole_life_of_a_cdr_is_told(
    store: PostgresCustodyStore, database: Database, run: Run
) -> None:
    await live(store, database, run)
    story = await run("cdr", "show", "cdr-a")
    assert [(step["after"], step["by"].split()[0]) for step in story["steps"]] == [
        ("held", "hub"),
        ("received", "command"),
        ("delivered", "receiver"),
        ("settled", "command"),
        ("corrected", "owner"),
    ]
    text = render_story(story)
    for told in (
        "CDR Cdr-A of NL*CPO for DE*MSP: corrected",
        "22.5 kWh in 1.5 h",
        "9 EUR without VAT, 10.89 with VAT",
        "verdict: equal",
        "T1 elements[0]",
        "power_above_limit (held): 15 kW of 11 kW",
        "session Ses-1: the hub has none such",
        "ALLOWED by emsp (answered), reference REF-7; linked by reference",
        "signed meter data: none",
        "taken back by Cdr-A-C: -9 EUR, delivered",
        "left of it: 0 EUR",
        "corrected by Cdr-B",
        "1, accepted, by the EMSP, 4.2 EUR: left at two",
        "on statement 1 of 2026-10",
        "received (a truck)",
        "attempt: failed (HTTP 503, too busy",
        "attempt: delivered (HTTP 201, OCPI 1000)",
        "another content came and was refused; conflicts differ in: remark",
        "dispute 1 answered: the cable was locked",
        "dispute 1 accepted: so be it",
        "settled (statement 1 was closed)",
        "corrected (Credit CDR Cdr-A-C was delivered)",
    ):
        assert told in text, (told, text)
    assert "\x1b" not in text
    times = [line.split()[0] for line in text.split("Its life\n")[1].splitlines()]
    assert times == sorted(times)

    (conflict,) = await run("cdr", "conflicts", "--owner", str(CPO))
    assert (conflict["id"], conflict["differs"]) == ("CDR-A", ["remark"])
    lines = render_list(await run("cdr", "list", "--hold", "power_above_limit"))
    assert "corrected" in lines
    assert "22.5" in lines
    assert len(lines.splitlines()) == 2
    credit = render_story(await run("cdr", "show", str(CPO), "Cdr-A-C"))
    assert credit.startswith("Credit CDR Cdr-A-C")
    assert "takes back Cdr-A: 9 EUR, corrected" in credit
    assert "corrects Cdr-A" in render_story(await run("cdr", "show", "CDR-B"))
    (dispute,) = await run("cdr", "dispute", "list", "--closed")
    assert not dispute["awaits_credit"]


async def test_what_is_wrong_with_a_name_is_said(run: Run, store: PostgresCustodyStore) -> None:
    with pytest.raises(NoSuchObject):
        await run("cdr", "show", "nothing")
    await deliver(store, make_cdr("X"), make_cdr("X", owner=EMSP))
    with pytest.raises(OperatorError, match=r"DE\*MSP, NL\*CPO"):
        await run("cdr", "show", "x")
    for wrong in (["NLCPO", "X"], ["NL*CPO", "X", "Y"], []):
        with pytest.raises(SystemExit):
            build_parser().parse_args(["cdr", "show", *wrong])
    for given in (["--state", "dead"], ["NL*CPO"], ["NL*CPO", "X", "--receiver", "DE*MSP"]):
        with pytest.raises(OperatorError):
            await run("cdr", "redrive", *given)


async def test_a_cdr_from_before_the_record_is_told_all_the_same(
    store: PostgresCustodyStore, database: Database, run: Run
) -> None:
    await deliver(store, make_cdr("Old"))
    await execute(database, "delete from cdr_transition")
    await execute(database, "delete from cdr_ledger")
    text = render_story(await run("cdr", "show", "old"))
    assert "not entered in the ledger yet" in text
    assert "received; its steps until the next line are not on record" in text
    assert "delivered" in text


async def test_gaps_are_counted_by_kind(
    store: PostgresCustodyStore, database: Database, run: Run
) -> None:
    for name in ("A", "B", "C"):
        await store.record(
            ended(await taken(store, make_cdr(name)), Failed(BUSY), acknowledged=True)
        )
    await execute(database, "update directed_object set state = 'dead', next_attempt_at = null")
    report = await run("cdr", "gaps", "--limit", "2", "--hours", "0")
    assert (report["counts"]["dead"], report["cut"]) == (2, ["dead"])
    assert {gap["kind"] for gap in report["gaps"]} == {"dead"}
    args: argparse.Namespace = build_parser().parse_args(["cdr", "gaps"])
    assert "dead 2 or more" in args.render(report)
