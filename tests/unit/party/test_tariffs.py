"""Tariffs of the party platform: what it is given, and what it serves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi_hub.domain.party import Module
from ocpi_hub.errors import InvalidRequest, MethodNotAllowed, NotFound, OcpiError
from tests.unit.ocpi.factories import make_tariff
from tests.unit.party.test_modules import Party, make_request

PLACE = "receiver/tariffs/NL/CPO/T1"


@pytest.fixture
def party() -> Party:
    return Party()


def tariff(**overrides: Any) -> dict[str, Any]:
    return {**make_tariff(id="T1"), "country_code": "NL", "party_id": "CPO", **overrides}


@pytest.mark.req("TA-01", "TA-02")
def test_a_tariff_is_put_replaced_and_deleted(party: Party) -> None:
    statuses = [
        party.answer(make_request("PUT", PLACE, tariff(currency=currency))).http_status
        for currency in ("EUR", "CHF")
    ]
    assert statuses == [201, 200]
    held = json.loads(party.answer(make_request("GET", PLACE)).body)["data"]
    assert held == tariff(currency="CHF")
    assert party.answer(make_request("DELETE", PLACE)).accepted
    with pytest.raises(NotFound):
        party.answer(make_request("GET", PLACE))


@pytest.mark.parametrize(
    ("method", "body", "error"),
    [
        ("GET", None, NotFound),
        ("DELETE", None, NotFound),
        ("PUT", {}, InvalidRequest),
        ("PUT", tariff(party_id="TWO"), InvalidRequest),
        ("PATCH", {"currency": "CHF"}, MethodNotAllowed),
    ],
)
def test_what_cannot_be_done_is_refused(
    party: Party, method: str, body: object, error: type[OcpiError]
) -> None:
    with pytest.raises(error):
        party.answer(make_request(method, PLACE, body))


def test_a_cpo_changes_and_lists_its_own_tariffs_and_no_others(party: Party) -> None:
    text = json.dumps(tariff()).replace('"EUR"', '"EUR", "x": 1.50')
    party.held.change(make_request("PUT", PLACE, text=text))
    assert '"x": 1.50' in party.answer(make_request("GET", "sender/tariffs")).body.decode()
    party.held.change(make_request("DELETE", PLACE))
    assert list(party.held.tariffs) == []
    with pytest.raises(InvalidRequest):
        party.held.load_tariff(json.dumps(tariff(party_id="TWO")))


def test_what_a_peer_lists_is_kept(party: Party) -> None:
    party.held.keep(Module.TARIFFS, [tariff()])
    assert [json.loads(text) for text in party.held.cached_tariffs] == [tariff()]
