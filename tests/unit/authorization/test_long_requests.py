"""What a CPO makes long is refused, and not held against the eMSP that could not be called."""

from __future__ import annotations

import pytest

from ocpi_hub.authorization.reply import MAX_QUERY, MAX_UID, read_request
from ocpi_hub.delivery.leg import join_url
from ocpi_hub.delivery.url_safety import MAX_URL_LENGTH
from ocpi_hub.domain.party import Role
from ocpi_hub.errors import InvalidRequest
from tests.support.factories import CPO, make_message, make_platform

CALLER = make_platform((CPO, Role.CPO))


@pytest.mark.parametrize("query", [("type", "R" * MAX_QUERY), ("x" * MAX_QUERY, "1")])
def test_a_query_that_makes_the_url_too_long_to_call_is_refused(query: tuple[str, str]) -> None:
    asked = make_message(CALLER, CPO, method="POST", path=("UID", "authorize"), query=(query,))
    with pytest.raises(InvalidRequest, match="query"):
        read_request(asked, max_depth=8)


def test_what_is_not_refused_can_be_called() -> None:
    path, query = ("\U0001f50b" * MAX_UID, "authorize"), (("type", "\U0001f50b" * (MAX_QUERY - 4)),)
    read_request(make_message(CALLER, CPO, method="POST", path=path, query=query), max_depth=8)
    assert len(join_url(f"https://{'e' * 247}", path, query)) <= MAX_URL_LENGTH
