from __future__ import annotations

import pytest

from ocpi_hub.ocpi.status_codes import StatusCode, is_client_error, is_success


@pytest.mark.req("ER-05")
def test_codes_are_those_of_the_specification() -> None:
    assert {code.name: code.value for code in StatusCode} == {
        "SUCCESS": 1000,
        "CLIENT_ERROR": 2000,
        "INVALID_PARAMETERS": 2001,
        "NOT_ENOUGH_INFORMATION": 2002,
        "UNKNOWN_LOCATION": 2003,
        "UNKNOWN_TOKEN": 2004,
        "SERVER_ERROR": 3000,
        "CLIENT_API_UNUSABLE": 3001,
        "UNSUPPORTED_VERSION": 3002,
        "ENDPOINTS_MISSING": 3003,
        "HUB_ERROR": 4000,
        "UNKNOWN_RECEIVER": 4001,
        "RECEIVER_TIMEOUT": 4002,
        "RECEIVER_NOT_CONNECTED": 4003,
    }


@pytest.mark.req("ER-06")
def test_custom_ranges_are_not_used() -> None:
    assert all(code % 1000 < 900 for code in StatusCode)


@pytest.mark.req("ER-06")
@pytest.mark.parametrize(
    ("code", "success", "client_error"),
    [
        (999, False, False),
        (1000, True, False),
        (1999, True, False),
        (2000, False, True),
        (2950, False, True),
        (3000, False, False),
        (4003, False, False),
    ],
)
def test_ranges_include_the_custom_codes(code: int, success: bool, client_error: bool) -> None:
    assert (is_success(code), is_client_error(code)) == (success, client_error)
