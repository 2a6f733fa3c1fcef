"""CDRs leave as they came: the hub checks, routes and keeps them, and changes nothing."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.support.hub import Roaming
from tests.support.party import make_cdr, make_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = itertools.count(1)

TOKEN = {"country_code": "DE", "party_id": "MSP", "uid": "TOKEN1", "type": "RFID"}


async def delivered(roam: Roaming, **fields: Any) -> dict[str, Any]:
    """Send a CDR with its figures spelled oddly, and require that its text arrives unchanged."""
    cdr = make_cdr(f"ODD-{next(_numbers)}", **fields)
    text = json.dumps(cdr, indent=1).replace('"volume": 11.0', '"volume": 1.10e1')
    text = text.replace('"total_time": 1.0', '"total_time": 1.00')
    answer = await roam.cpo.send("POST", "cdrs", role="RECEIVER", raw_body=text)
    assert (answer["http"], answer["ocpi"]) == (201, 1000), answer
    arrived = [
        item["body"]
        for item in await roam.emsp.record(direction="in", module="cdrs")
        if cdr["id"] in item["body"]
    ]
    assert arrived == [text]
    return cdr


@pytest.mark.req("CR-22")
@pytest.mark.parametrize(
    ("evse_id", "contract_id"),
    [("FR*ABC*E1", "FR-XYZ-C0000001-1"), ("#NA", "no prefix at all"), ("DE*MSP*E9", "NLCPOC1")],
)
async def test_the_party_of_the_token_decides_and_no_prefix_of_an_id(
    roam: Roaming, evse_id: str, contract_id: str
) -> None:
    location = make_cdr()["cdr_location"] | {"evse_id": evse_id}
    token = TOKEN | {"contract_id": contract_id}
    await delivered(roam, cdr_location=location, cdr_token=token)


@pytest.mark.req("CD-20")
async def test_parking_time_is_the_cpos_own_figure(roam: Roaming) -> None:
    period = {
        "start_date_time": "2026-01-01T10:00:00Z",
        "dimensions": [
            {"type": "ENERGY", "volume": 11.0},
            {"type": "PARKING_TIME", "volume": 7.25},
        ],
    }
    await delivered(roam, charging_periods=[period], total_parking_time=0.5)


@pytest.mark.req("CD-21", "RT-44")
async def test_what_the_hub_knows_of_the_token_today_does_not_enter_a_cdr(roam: Roaming) -> None:
    today = make_token("TOKEN1", contract_id="DEMSPCNEW", valid=False, whitelist="NEVER")
    pushed = await roam.emsp.send(
        "PUT", "tokens", role="RECEIVER", path="DE/MSP/TOKEN1", body=today
    )
    assert pushed["ocpi"] == 1000
    await delivered(roam, cdr_token=TOKEN | {"contract_id": "DEMSPCOLD"})
    # A token and a location that never came through this hub are no obstacle either.
    location = make_cdr()["cdr_location"] | {"id": "NOBODY-KNOWS", "evse_uid": "NOR-THIS"}
    token = TOKEN | {"uid": "NEVER-SEEN", "contract_id": "DEMSPC9"}
    await delivered(roam, cdr_token=token, cdr_location=location)


@pytest.mark.req("CD-25", "CD-10")
async def test_figures_that_do_not_add_up_are_relayed_as_sent(roam: Roaming) -> None:
    tariff = {
        "country_code": "NL",
        "party_id": "CPO",
        "id": "T1",
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}],
        "last_updated": "2025-01-01T00:00:00Z",
    }
    cdr = await delivered(
        roam,
        tariffs=[tariff],
        total_cost={"excl_vat": 99999.9999, "incl_vat": 0.0001},
        total_energy=0.001,
        start_date_time="2019-01-01T10:00:00Z",
        end_date_time="2019-01-01T09:00:00Z",
        last_updated="2019-01-01T11:00:05Z",
    )
    assert (await roam.cdr(cdr["id"]))["state"] == "delivered"


@pytest.mark.req("CD-11", "CD-25")
async def test_a_credit_cdr_keeps_its_signs(roam: Roaming) -> None:
    original = await delivered(roam)
    await delivered(
        roam,
        credit=True,
        credit_reference_id=original["id"],
        total_cost={"excl_vat": -3.3, "incl_vat": -3.99},
        total_energy_cost={"excl_vat": 3.3, "incl_vat": 3.99},
    )


@pytest.mark.req("CD-25")
async def test_signed_data_arrives_byte_for_byte(roam: Roaming) -> None:
    signed = {
        "encoding_method": "OCMF",
        "encoding_method_version": 1,
        "signed_values": [
            {
                "nature": "End",
                "plain_data": 'OCMF|{"FV":"1.0","RD":[{"RV":2935.600,"RU":"kWh"}]}|{"SD":"00ff"}',
                "signed_data": "T0NNRnx7IkZWIjoiMS4wIn18eyJTRCI6IjAwZmYifQ==\u00e9\u2028",
            }
        ],
        "url": "https://cpo.example/verify?x=%7B1%7D",
    }
    await delivered(roam, signed_data=signed)
