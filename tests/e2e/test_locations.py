"""Locations, EVSEs and connectors through the running hub, to an eMSP that keeps them."""

from __future__ import annotations

import itertools
import re
from functools import partial
from typing import Any

import pytest

from tests.support.hub import Roaming
from tests.support.party import (
    make_cdr,
    make_connector,
    make_evse,
    make_location,
    make_session,
    make_token,
)
from tests.support.waiting import eventually
from tests.support.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "/2.2.1/receiver/locations/NL/CPO"
LIST = "/2.2.1/sender/locations"
LATER = "2026-02-01T00:00:00Z"

_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    """The id of a Location that no other test uses."""
    return f"Loc{next(_numbers)}"


async def cached(roam: Roaming, name: str) -> dict[str, Any] | None:
    """The eMSP's copy."""
    return (await roam.emsp.locations()).get(f"NL*CPO/{name}".upper())


async def has(roam: Roaming, name: str, uid: str, status: str) -> bool:
    copy = await cached(roam, name)
    return copy is not None and any(
        (evse["uid"], evse["status"]) == (uid, status) for evse in copy["evses"]
    )


async def pushed(roam: Roaming, name: str) -> list[dict[str, Any]]:
    record = await roam.emsp.record(direction="in", module="locations")
    return [item for item in record if name in item["path"]]


@pytest.mark.req("LO-03", "LO-05", "RT-21", "RT-24", "ER-04")
async def test_a_status_reaches_the_emsp_as_the_evse_alone(
    roam: Roaming, cpo: Wire, name: str
) -> None:
    assert (await cpo.send("PUT", f"{OWN}/{name}", make_location(name))).codes == (201, 1000)
    await eventually(partial(has, roam, name, "EVSE1", "AVAILABLE"), "the eMSP has it")
    patch = {"status": "CHARGING", "last_updated": LATER}
    answer = await cpo.send("PATCH", f"{OWN}/{name}/EVSE1", patch, to="EU*HUB")
    assert (answer.codes, answer.routing()) == ((200, 1000), ("NL*CPO", "EU*HUB"))
    await eventually(partial(has, roam, name, "EVSE1", "CHARGING"), "and its new status")
    last = (await pushed(roam, name))[-1]
    assert (last["method"], last["path"].endswith(f"/NL/CPO/{name}/EVSE1")) == ("PUT", True)
    assert last["headers"]["OCPI-from-party-id"] == "HUB"


@pytest.mark.req("LO-01", "LO-02", "LO-09", "LO-03", "TF-25", "TF-39")
async def test_levels_are_read_and_refused_over_http(cpo: Wire, emsp: Wire, name: str) -> None:
    uid = "DE/1*a"
    place = f"{OWN}/{name}"
    evse = make_evse(uid, connectors=[make_connector("1"), make_connector("2")])
    escaped = "DE%2F1*A"
    assert (await cpo.send("PUT", f"{place}/{escaped}", evse)).codes == (404, 2003)
    assert (await cpo.send("PUT", place, make_location(name, evses=[]))).codes == (201, 1000)
    assert (await cpo.send("PUT", f"{place}/{escaped}", evse)).codes == (201, 1000)
    assert (await cpo.send("GET", f"{place}/{escaped}/2")).data == make_connector("2")
    for path, expected in (
        (f"{LIST}/{name}", make_location(name, evses=[evse])),
        (f"{LIST}/{name.lower()}/{escaped}/", evse),
        (f"{LIST}/{name}/{escaped}/1", make_connector("1")),
    ):
        assert (await emsp.send("GET", path, to="EU*HUB")).data == expected
    for path, codes in (
        (f"{LIST}/{name}/nothing", (404, 2000)),
        (f"{LIST}/nothing", (404, 2003)),
        (f"{LIST}/{name}/a/b/c", (404, 2000)),
    ):
        assert (await emsp.send("GET", path, to="EU*HUB")).codes == codes
    assert (await emsp.send("GET", f"{LIST}/nothing")).codes == (200, 4001)
    assert (await cpo.send("DELETE", place)).codes == (405, 2000)
    listed = (await emsp.send("GET", LIST, to="EU*HUB")).data
    assert [each["evses"] for each in listed if each["id"] == name] == [[evse]]


@pytest.mark.req("RT-06", "RT-23")
async def test_an_addressed_status_is_relayed_and_an_emsp_without_the_location_gets_it(
    roam: Roaming, cpo: Wire, name: str
) -> None:
    await roam.emsp.fault(match={"module": "locations", "path": name}, ocpi=2001, times=1)
    await cpo.send("PUT", f"{OWN}/{name}", make_location(name))

    async def refused() -> bool:
        return len(await pushed(roam, name)) == 1

    await eventually(refused, "the eMSP refuses it")
    patch = {"status": "CHARGING", "last_updated": LATER}
    answer = await cpo.send("PATCH", f"{OWN}/{name}/EVSE1", patch, to="DE*MSP")
    assert answer.http == 404
    await eventually(partial(has, roam, name, "EVSE1", "CHARGING"), "the whole Location")
    assert (await pushed(roam, name))[-1]["headers"]["OCPI-from-party-id"] == "CPO"


# Data quality ------------------------------------------------------------------------------------


@pytest.mark.req("TY-02", "TY-11")
async def test_mild_faults_pass_as_they_are_and_are_listed_to_the_operator(
    roam: Roaming, cpo: Wire, emsp: Wire, name: str
) -> None:
    evse = make_evse(evse_id="NL-CPO-1", status="ASLEEP")
    faulty = make_location(name, evses=[evse], name="n" * 300, last_updated=LATER)
    assert (await cpo.send("PUT", f"{OWN}/{name}", faulty)).codes == (201, 1000)
    await eventually(partial(has, roam, name, "EVSE1", "ASLEEP"), "the eMSP has it")
    assert await cached(roam, name) == faulty
    stale = await cpo.send("PUT", f"{OWN}/{name}", make_location(name))
    assert (stale.codes, "newer" in stale.envelope["status_message"]) == ((200, 1000), True)
    hard = await cpo.send("PUT", f"{OWN}/{name}", {**faulty, "publish": "yes"})
    assert hard.codes == (200, 2001)
    expected = "publish: must be a boolean, got a string of 3 characters"
    assert hard.envelope["status_message"] == expected

    owned = "2.2.1/receiver"
    session = make_session(name, status="COMPLETED")
    assert (await cpo.send("PUT", f"/{owned}/sessions/NL/CPO/{name}", session)).http < 300
    cdr = make_cdr(name, tariffs=[])
    assert (await cpo.send("POST", f"/{owned}/cdrs", cdr)).http < 300
    token = make_token("SECRET4711", issuer="i" * 65)
    put = await emsp.send("PUT", f"/{owned}/tokens/DE/MSP/SECRET4711", token)
    assert put.codes == (201, 1000)

    rules = ["evse_id", "stale", "too_long", "unknown_value"]
    query = (
        "select count(*) = 7 from quality where (platform_id = $1 and rule = any($2))"
        " or rule = 'missing' or (module = 'tokens' and platform_id = $3)"
    )

    async def counted() -> bool:
        async with roam.database.connection() as connection:
            return bool(
                await connection.fetchval(query, roam.cpo_platform, rules, roam.emsp_platform)
            )

    await eventually(counted, "all is written")
    found = {
        item["rule"]: item
        for item in await roam.hub.run("platform", "quality", roam.cpo_platform)
        if item["module"] == "locations"
    }
    assert set(rules) <= set(found)
    item = found["too_long"]
    assert {key: item[key] for key in ("platform", "name")} == {
        "platform": roam.cpo_platform,
        "name": "Charge Co",
    }
    assert item["count"] >= 1
    assert item["first_at"] <= item["last_at"]
    assert item["example"] == {
        "id": name,
        "field": "name",
        "shape": "300 characters, string(255) allows 255",
    }
    assert found["unknown_value"]["example"]["field"] == "evses[0].status"
    assert "ASLEEP" not in str(found)
    everybody = await roam.hub.run("platform", "quality")
    [of_tokens] = [item for item in everybody if item["platform"] == roam.emsp_platform]
    assert (of_tokens["module"], of_tokens["example"]["field"]) == ("tokens", "issuer")
    assert re.fullmatch(r"~[0-9a-f]{16}", of_tokens["example"]["id"])
    missing = {item["module"]: item["example"] for item in everybody if item["rule"] == "missing"}
    assert missing["sessions"]["id"] == missing["cdrs"]["id"] == name
    assert (missing["sessions"]["field"], missing["cdrs"]["field"]) == ("end_date_time", "tariffs")
