"""A partner without OCPI, beside others: its files decide, and CDRs wait for a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.hub import CommandFailed, Roaming
from tests.support.party import make_cdr, make_location, make_session, make_token
from tests.support.waiting import eventually
from tests.support.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILED = "FR*FIL"
AUTHORIZE = "/2.2.1/sender/tokens/{}/authorize"


def token(uid: str) -> dict[str, object]:
    return {"country_code": "FR", "party_id": "FIL", "uid": uid, "type": "RFID"}


async def allowed(cpo: Wire, uid: str, to: str | None = FILED) -> str:
    answer = await cpo.send("POST", AUTHORIZE.format(uid), to=to, sender="NL*CPO")
    return str(answer.data["allowed"]) if answer.codes[1] == 1000 else str(answer.codes)


async def test_a_partner_without_ocpi_takes_part_by_file(
    roam: Roaming, cpo: Wire, tmp_path: Path
) -> None:
    hub = roam.hub
    made = await hub.run("platform", "by-file", "--name", "Filed Co", "--party", FILED)
    assert (made["state"], made["version"]) == ("by_file", None)
    assert made["parties"] == [{"party": FILED, "role": "EMSP", "status": "CONNECTED"}]
    # Nobody answers for a token that no file has brought.
    assert await allowed(cpo, "FILED1") == "(200, 4003)"

    await hub.run("relation", "set", "NL*CPO", FILED, "--mode", "whitelist")
    tokens = tmp_path / "tokens.jsonl"
    texts = [
        json.dumps(make_token("FILED1", FILED)),
        json.dumps(make_token("FILED2", FILED, valid=False)),
        json.dumps(make_token("FILED3", FILED, whitelist="NEVER")),
    ]
    tokens.write_text("\n".join(texts))
    imported = await hub.run("whitelist", "import", "--emsp", FILED, str(tokens), "--full")
    assert imported["added"] == 3

    async def decided() -> bool:
        return await allowed(cpo, "FILED1") == "ALLOWED"

    await eventually(decided, "the file decides")
    assert await allowed(cpo, "FILED1", to=None) == "ALLOWED"
    assert await allowed(cpo, "FILED2") == "BLOCKED"
    assert await allowed(cpo, "FILED3") == "(200, 4003)"
    listed = await cpo.send("GET", "/2.2.1/sender/tokens", to="EU*HUB", sender="NL*CPO")
    assert {"FILED1", "FILED2", "FILED3"} <= {each["uid"] for each in listed.data}
    # A CPO that wants the tokens beforehand gets them as any others.
    pushed = [each["uid"] for each in (await roam.cpo.tokens())["cached"]]
    assert "FILED1" in pushed

    told = await cpo.send("GET", "/2.2.1/sender/hubclientinfo")
    statuses = {each["party_id"]: each["status"] for each in told.data}
    assert statuses["FIL"] == "CONNECTED"

    answer = await roam.cpo.push_cdr(make_cdr("FILED-CDR", cdr_token=cdr_token("FILED1")))
    assert (answer["http"], answer["ocpi"]) == (201, 1000), answer
    assert (await roam.cdr("FILED-CDR"))["state"] == "pending"
    cdrs = tmp_path / "cdrs.csv"
    export = ("cdr", "export", "--cpo", "NL*CPO", "--emsp", FILED, "--out", str(cdrs))
    assert (await hub.run(*export))["written"] == 1
    assert (await roam.cdr("FILED-CDR"))["state"] == "pending"
    assert "FILED-CDR" in cdrs.read_text(encoding="utf-8-sig")

    session = make_session("FILED-SESSION", cdr_token=cdr_token("FILED1"))
    assert (await roam.cpo.push_session(session))["ocpi"] == 4003
    located = await roam.cpo.push_location(make_location("FILED-LOC"), to=FILED)
    assert located["ocpi"] == 4003

    await hub.run("platform", "suspend", made["platform"])
    assert await allowed(cpo, "FILED1") == "(200, 4003)"
    late = make_cdr("FILED-LATE", cdr_token=cdr_token("FILED1"))
    assert (await roam.cpo.push_cdr(late))["ocpi"] == 4003
    assert (await hub.run("platform", "resume", made["platform"]))["state"] == "by_file"
    assert await allowed(cpo, "FILED1") == "ALLOWED"


def cdr_token(uid: str) -> dict[str, object]:
    return token(uid) | {"contract_id": "FRFIL1"}


async def test_a_partner_that_is_on_board_does_not_turn_to_files(roam: Roaming) -> None:
    with pytest.raises(CommandFailed, match="only one that is invited or disconnected"):
        await roam.hub.run("platform", "by-file", roam.emsp_platform)
    with pytest.raises(CommandFailed, match="belongs to another platform"):
        await roam.hub.run("platform", "by-file", "--name", "Copy", "--party", "DE*MSP")
