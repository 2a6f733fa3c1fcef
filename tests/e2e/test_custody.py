"""Every row of the custody table, through real HTTP (decision D-6)."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hub import HubProcess, Roaming, roaming
from tests.support.party import PartyProcess, make_cdr
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

_ids = itertools.count(1)


def new_cdr(**fields: Any) -> dict[str, Any]:
    return make_cdr(f"CDR-{next(_ids)}", **fields)


@pytest_asyncio.fixture(loop_scope="module")
async def clear(roam: Roaming) -> AsyncIterator[Roaming]:
    """No fault is active before or after."""
    await roam.emsp.clear_faults()
    yield roam
    await roam.emsp.clear_faults()


@pytest.mark.req("CD-01", "CD-02", "CD-03", "RT-06", "RT-07", "RT-34")
async def test_1xxx_is_delivered_and_answered_as_received(clear: Roaming) -> None:
    cdr = new_cdr()
    answer = await clear.cpo.push_cdr(cdr)
    assert (answer["http"], answer["ocpi"]) == (201, 1000)
    location = answer["headers"]["location"]
    assert location == f"{clear.hub.url}/ocpi/2.2.1/receiver/cdrs/NL/CPO/{cdr['id']}"
    assert (await clear.cdr_in(cdr["id"], "delivered"))["attempts"] == 1
    assert await clear.received(cdr["id"]) == 1
    copy = await clear.cpo.send("GET", "cdrs", url=location)
    assert (copy["http"], json.loads(copy["body"])["data"]) == (200, cdr)


async def test_a_cdr_of_a_batch_is_acknowledged_and_goes_when_batches_end(clear: Roaming) -> None:
    pair = ("relation", "set", "NL*CPO", "DE*MSP", "--mode", "realtime")
    await clear.hub.run(*pair, "--cdrs", "batch", "--cdr-schedule", "0 0 1 1 *")
    cdr = new_cdr()
    answer = await clear.cpo.push_cdr(cdr)
    assert (answer["http"], answer["ocpi"]) == (201, 1000)
    assert "gets it with others at " in json.loads(answer["body"])["status_message"]
    waits = await clear.cdr_in(cdr["id"], "pending")
    assert waits["reason"].endswith(waits["next_attempt_at"])
    assert (await clear.cpo.push_cdr(cdr))["ocpi"] == 1000
    (run,) = await clear.hub.run("cdr", "runs")
    assert (run["state"], run["waiting"]) == ("gathering", 1)
    await clear.hub.run(*pair, "--cdrs", "immediate")
    await clear.cdr_in(cdr["id"], "delivered")
    assert await clear.received(cdr["id"]) == 1
    (run,) = await clear.hub.run("cdr", "runs")
    assert (run["state"], run["delivered"], run["waiting"]) == ("done", 1, 0)


@pytest.mark.req("RT-17")
async def test_2xxx_is_refused_and_answered_as_received(clear: Roaming) -> None:
    cdr = new_cdr()
    await clear.emsp.fault(match={"module": "cdrs"}, ocpi=2002, message="who is this?", times=1)
    answer = await clear.cpo.push_cdr(cdr)
    assert answer["ocpi"] == 2002
    assert json.loads(answer["body"])["status_message"] == "who is this?"
    assert "location" not in answer["headers"]
    shown = await clear.cdr_in(cdr["id"], "refused")
    assert shown["refused_after_ack"] is False


@pytest.mark.parametrize(
    "fault",
    [
        {"ocpi": 3000},
        {"ocpi": 4001},
        {"http": 500},
        {"http": 503},
        {"http": 401},
        {"http": 403},
        {"http": 404},
        {"http": 405},
        {"http": 429},
        {"garbage": True},
        {"drop": True},
        {"drop_before": True},
        {"hang": True},
        {"delay_s": 3.0},
    ],
    ids=lambda fault: "-".join(f"{key}={value}" for key, value in fault.items()),
)
async def test_what_is_no_verdict_is_kept_and_delivered_later(
    clear: Roaming, fault: dict[str, Any]
) -> None:
    cdr = new_cdr()
    await clear.emsp.fault(match={"module": "cdrs", "body_contains": cdr["id"]}, times=1, **fault)
    answer = await clear.cpo.push_cdr(cdr)
    assert answer["ocpi"] == 1000
    assert "hub holds" in json.loads(answer["body"])["status_message"]
    assert answer["headers"]["location"].endswith(cdr["id"])
    shown = await clear.cdr_in(cdr["id"], "delivered")
    unknown = [one for one in shown["attempt_history"] if one["outcome"] == "unknown"]
    assert await clear.received(cdr["id"]) <= 1 + len(unknown)


async def test_a_receiver_that_refuses_connections_gets_it_later(clear: Roaming) -> None:
    cdr = new_cdr()
    await clear.emsp.fault(refuse=True)
    answer = await clear.cpo.push_cdr(cdr)
    assert answer["ocpi"] == 1000
    assert await clear.received(cdr["id"]) == 0
    await clear.emsp.clear_faults()
    await clear.cdr_in(cdr["id"], "delivered")
    assert await clear.received(cdr["id"]) == 1


async def test_a_late_refusal_is_listed_as_coming_after_the_1000(clear: Roaming) -> None:
    cdr = new_cdr()
    mine = {"module": "cdrs", "body_contains": cdr["id"]}
    await clear.emsp.fault(match=mine, http=429, times=1)
    await clear.emsp.fault(match=mine, ocpi=2001)
    assert (await clear.cpo.push_cdr(cdr))["ocpi"] == 1000
    assert (await clear.cdr_in(cdr["id"], "refused"))["refused_after_ack"] is True


async def test_a_verdict_after_the_wait_counts(clear: Roaming) -> None:
    cdr = new_cdr()
    mine = {"module": "cdrs", "body_contains": cdr["id"]}
    await clear.emsp.fault(match=mine, delay_s=1.5, ocpi=2001)
    assert (await clear.cpo.push_cdr(cdr))["ocpi"] == 1000
    shown = await clear.cdr_in(cdr["id"], "refused")
    assert (shown["refused_after_ack"], shown["attempts"]) == (True, 1)


async def test_a_refusal_after_an_unknown_outcome_is_uncertain(clear: Roaming) -> None:
    cdr = new_cdr()
    mine = {"module": "cdrs", "body_contains": cdr["id"]}
    await clear.emsp.fault(match=mine, drop_before=True, times=1)
    await clear.emsp.fault(match=mine, ocpi=2001)
    assert (await clear.cpo.push_cdr(cdr))["ocpi"] == 1000
    assert (await clear.cdr_in(cdr["id"], "uncertain"))["unknown_outcomes"] == 1
    await clear.hub.run("cdr", "confirm", "NL*CPO", cdr["id"], "--reason", "found in their books")
    await clear.cdr_in(cdr["id"], "delivered")


@pytest.mark.req("CD-08")
async def test_identical_and_delivered_is_unchanged(clear: Roaming) -> None:
    cdr = new_cdr()
    await clear.cpo.push_cdr(cdr)
    again = dict(reversed(cdr.items()))
    answer = await clear.cpo.push_cdr(again)
    assert (answer["http"], answer["ocpi"]) == (200, 1000)
    assert answer["headers"]["location"].endswith(cdr["id"])
    assert await clear.received(cdr["id"]) == 1


async def test_identical_and_in_flight_gets_that_attempts_verdict(clear: Roaming) -> None:
    cdr = new_cdr()
    await clear.emsp.fault(match={"body_contains": cdr["id"]}, delay_s=0.5, ocpi=2003)
    first, second = await asyncio.gather(clear.cpo.push_cdr(cdr), clear.cpo.push_cdr(cdr))
    assert (first["ocpi"], second["ocpi"]) == (2003, 2003)
    assert (await clear.cdr_in(cdr["id"], "refused"))["attempts"] == 1


async def test_identical_and_refused_is_delivered_again(clear: Roaming) -> None:
    cdr = new_cdr()
    await clear.emsp.fault(match={"body_contains": cdr["id"]}, ocpi=2001, times=1)
    assert (await clear.cpo.push_cdr(cdr))["ocpi"] == 2001
    assert (await clear.cpo.push_cdr(cdr))["ocpi"] == 1000
    await clear.cdr_in(cdr["id"], "delivered")


async def test_different_and_refused_is_replaced_with_history(clear: Roaming) -> None:
    cdr = new_cdr()
    await clear.emsp.fault(match={"body_contains": cdr["id"]}, ocpi=2001, times=1)
    assert (await clear.cpo.push_cdr(cdr))["ocpi"] == 2001
    corrected = cdr | {"remark": "corrected"}
    assert (await clear.cpo.push_cdr(corrected))["ocpi"] == 1000
    shown = await clear.cdr_in(cdr["id"], "delivered")
    assert json.loads(shown["body"])["remark"] == "corrected"
    assert shown["version"] == 2
    assert [other["kind"] for other in shown["other_contents"]] == ["replaced"]
    assert json.loads(shown["other_contents"][0]["body"]) == cdr


@pytest.mark.req("CD-08")
async def test_different_otherwise_is_a_conflict_shown_to_the_operator(clear: Roaming) -> None:
    cdr = new_cdr()
    await clear.cpo.push_cdr(cdr)
    answer = await clear.cpo.push_cdr(cdr | {"remark": "changed"})
    assert (answer["http"], answer["ocpi"]) == (200, 2001)
    shown = await clear.cdr_in(cdr["id"], "delivered")
    assert [other["kind"] for other in shown["other_contents"]] == ["conflict"]
    assert "remark" not in json.loads(shown["body"])
    assert await clear.received(cdr["id"]) == 1


@pytest.mark.req("RT-12")
async def test_an_unknown_receiver_is_4001_and_nothing_is_stored(clear: Roaming) -> None:
    cdr = new_cdr(receiver="FR*XXX")
    answer = await clear.cpo.push_cdr(cdr)
    assert (answer["http"], answer["ocpi"]) == (200, 4001)
    assert all(item["id"] != cdr["id"] for item in await clear.hub.run("cdr", "list"))


@pytest.mark.req("CD-06")
async def test_a_cdr_of_another_owner_is_refused(clear: Roaming) -> None:
    answer = await clear.cpo.push_cdr(new_cdr(owner="NL*OTH"))
    assert (answer["http"], answer["ocpi"]) == (200, 2001)


# Rows that need a hub or partners of their own ---------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def hub(
    postgres_server: PostgresServer, tmp_path: Path
) -> AsyncIterator[Callable[..., HubProcess]]:
    """Makes hubs on fresh databases."""
    address = await postgres_server.create_database()

    def make(**settings: str) -> HubProcess:
        return HubProcess(address, tmp_path / "hub.log", settings=settings)

    yield make
    await postgres_server.drop_database(address)


async def test_a_held_cdr_waits_for_an_operator(hub: Callable[..., HubProcess]) -> None:
    async with roaming(hub(hold_energy_kwh="100")) as roam:
        suspicious, refused = new_cdr(total_energy=900.5), new_cdr(total_energy=901)
        for cdr in (suspicious, refused):
            answer = await roam.cpo.push_cdr(cdr)
            assert answer["ocpi"] == 1000
            assert "operator" in json.loads(answer["body"])["status_message"]
            shown = await roam.cdr_in(cdr["id"], "held")
            assert shown["reason"] == f"total_energy {cdr['total_energy']} kWh is above 100.0"
        assert (await roam.cpo.push_cdr(suspicious))["ocpi"] == 1000
        assert await roam.emsp.received_cdrs() == []
        listed = await roam.emsp.pull("cdrs", to="EU*HUB")
        assert listed["objects"] == []
        await roam.hub.run("cdr", "release", "NL*CPO", suspicious["id"], "--reason", "a truck")
        await roam.cdr_in(suspicious["id"], "delivered")
        await roam.hub.run("cdr", "refuse", "NL*CPO", refused["id"], "--reason", "meter fault")
        assert (await roam.cdr_in(refused["id"], "refused"))["reason"] == "meter fault"
        assert await roam.received(refused["id"]) == 0


async def test_without_a_receiver_interface_a_cdr_waits_to_be_pulled(
    hub: Callable[..., HubProcess],
) -> None:
    async with roaming(hub(), "--no-module", "cdrs:RECEIVER") as roam:
        cdr = new_cdr()
        answer = await roam.cpo.push_cdr(cdr)
        assert answer["ocpi"] == 1000
        assert "fetches" in json.loads(answer["body"])["status_message"]
        shown = await roam.cdr_in(cdr["id"], "pending")
        assert (shown["next_attempt_at"], shown["attempts"]) == (None, 0)
        listed = await roam.emsp.pull("cdrs", to="EU*HUB")
        assert listed["objects"] == [cdr]
        await roam.cdr_in(cdr["id"], "delivered")


async def test_what_is_fetched_is_settled_without_any_attempt_to_push_it(
    hub: Callable[..., HubProcess],
) -> None:
    async with roaming(hub(hold_energy_kwh="100"), "--no-module", "cdrs:RECEIVER") as roam:
        released, waiting = new_cdr(total_energy=900), new_cdr()
        await roam.cpo.push_cdr(released)
        await roam.cpo.push_cdr(waiting)
        await roam.hub.run("cdr", "release", "NL*CPO", released["id"], "--reason", "a truck")
        await roam.hub.run("cdr", "redrive", "NL*CPO", waiting["id"])
        await roam.hub.run("platform", "suspend", roam.emsp_platform)
        await roam.hub.run("platform", "resume", roam.emsp_platform)
        for cdr in (released, waiting):
            shown = await roam.cdr_in(cdr["id"], "pending")
            assert (shown["next_attempt_at"], shown["attempts"]) == (None, 0)
        # Later than any last_updated: it asks for news only.
        news = {"date_from": "2026-06-01T00:00:00Z"}
        listed = await roam.emsp.pull("cdrs", query=news, to="EU*HUB")
        assert [cdr["id"] for cdr in listed["objects"]] == [released["id"], waiting["id"]]
        for cdr in (released, waiting):
            assert (await roam.cdr_in(cdr["id"], "delivered"))["attempts"] == 0


async def test_without_a_relation_nothing_is_stored(hub: Callable[..., HubProcess]) -> None:
    async with roaming(hub(default_relation="none")) as roam:
        answer = await roam.cpo.push_cdr(new_cdr())
        assert (answer["http"], answer["ocpi"]) == (200, 4003)
        assert await roam.hub.run("cdr", "list") == []


@pytest.mark.req("CD-07")
async def test_a_cdr_is_its_payers_whichever_party_of_the_platform_it_is_addressed_to(
    hub: Callable[..., HubProcess],
) -> None:
    both = [("EMSP", "DE*MSP"), ("EMSP", "DE*SIB")]
    async with (
        hub(default_relation="none") as running,
        PartyProcess.of([("CPO", "NL*CPO")]) as cpo,
        PartyProcess.of(both) as emsp,
    ):
        await running.onboard(cpo, "Charge Co")
        await running.onboard(emsp, "Mobility Group")
        await running.run("relation", "set", "NL*CPO", "DE*SIB", "--mode", "realtime")
        cdr = new_cdr()
        for to in ("DE*MSP", "DE*SIB"):
            assert (await cpo.push_cdr(cdr, to=to))["ocpi"] == 4003
        assert await running.run("cdr", "list") == []
        await running.run("relation", "set", "NL*CPO", "DE*MSP", "--mode", "realtime")
        assert (await cpo.push_cdr(cdr, to="DE*SIB"))["ocpi"] == 1000
        assert (await running.run("cdr", "show", "NL*CPO", cdr["id"]))["receiver"] == "DE*MSP"
        assert len(await emsp.received_cdrs()) == 1
        for reader, shown in (("DE*MSP", [cdr]), ("DE*SIB", [])):
            listed = await emsp.pull("cdrs", to="EU*HUB", **{"from": reader})
            assert listed["objects"] == shown


async def test_a_suspended_or_planned_receiver_is_4003(hub: Callable[..., HubProcess]) -> None:
    async with roaming(hub()) as roam:
        await roam.hub.run("platform", "suspend", roam.emsp_platform)
        answer = await roam.cpo.push_cdr(new_cdr())
        assert (answer["http"], answer["ocpi"]) == (200, 4003)
        await roam.hub.run("platform", "resume", roam.emsp_platform)
        assert (await roam.cpo.push_cdr(new_cdr()))["ocpi"] == 1000
        await roam.emsp.unregister()
        answer = await roam.cpo.push_cdr(new_cdr())
        assert (answer["http"], answer["ocpi"]) == (200, 4003)


async def test_after_the_last_try_a_cdr_is_a_dead_letter_that_can_be_redriven(
    hub: Callable[..., HubProcess],
) -> None:
    async with roaming(hub()) as roam:
        cdr = new_cdr()
        await roam.emsp.fault(match={"module": "cdrs"}, ocpi=3000)
        assert (await roam.cpo.push_cdr(cdr))["ocpi"] == 1000
        async with roam.database.connection() as connection:
            await connection.execute(
                "update directed_object set received_at = now() - interval '91 days'"
            )
        shown = await roam.cdr_in(cdr["id"], "dead")
        assert "90 days" in shown["reason"]
        await roam.emsp.clear_faults()
        assert await roam.hub.run("cdr", "redrive", "--receiver", "DE*MSP") == {"redriven": 1}
        await roam.cdr_in(cdr["id"], "delivered")


async def test_a_cdr_for_another_platform_than_its_token_says_is_refused(
    hub: Callable[..., HubProcess],
) -> None:
    async with roaming(hub()) as roam, PartyProcess.of([("EMSP", "FR*TWO")]) as other:
        await roam.hub.onboard(other, "Another eMSP")
        answer = await roam.cpo.push_cdr(new_cdr(), to="FR*TWO")
        assert (answer["http"], answer["ocpi"]) == (200, 2001)
        assert await other.received_cdrs() == []
