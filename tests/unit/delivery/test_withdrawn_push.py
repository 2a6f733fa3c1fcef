"""How receivers are told that an object is over."""

from __future__ import annotations

import pytest

from ocpi_hub.delivery.feed.protocols import Current
from ocpi_hub.delivery.feed.push import push_leg
from ocpi_hub.domain.objects import ObjectKey, Origin
from ocpi_hub.domain.party import Role
from tests.support.factories import CPO, EMSP, HUB, make_platform

TOKEN = (
    '{"country_code":"DE","party_id":"msp","uid":"aB","type":"RFID","x":1.50,'
    '"valid" : true,"last_updated":"2026-10-01T08:00:00Z"}'
)
INVALID = (
    '{"country_code":"DE","party_id":"msp","uid":"aB","type":"RFID","x":1.50,'
    '"valid":false,"last_updated":"2026-10-01T08:00:00Z"}'
)


@pytest.mark.req("TK-01")
@pytest.mark.parametrize(
    ("module", "deleted", "method", "body"),
    [
        ("tokens", False, "PUT", TOKEN),
        ("tokens", True, "PUT", INVALID),
        ("tariffs", True, "DELETE", ""),
    ],
)
def test_a_withdrawn_token_is_put_as_not_valid_and_nothing_else_of_it_changes(
    module: str, deleted: bool, method: str, body: str
) -> None:
    key = ObjectKey(module, EMSP, "ab", "RFID" if module == "tokens" else "")
    current = Current(key, 7, TOKEN, Origin.PULL, "correlation-1", deleted)
    leg = push_leg(current, CPO, make_platform((CPO, Role.CPO)), HUB)
    assert (leg.method, leg.body.decode()) == (method, body)
    if module == "tokens":
        assert leg.path == ("DE", "msp", "aB")
