"""PATCH on the text of a Session."""

from __future__ import annotations

import json

import pytest

from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.session_text import appended_periods, has_periods
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from tests.unit.ocpi.factories import make_session

STORED = """{"id": "S1", "kwh":1.10, "charging_periods" : [ {"n":1.0, "odd":1e2},
 {"n":2.00} ], "vendor":{"x": 0.50}, "total_cost":{"excl_vat":1}}"""


@pytest.mark.req("SE-04", "TF-21")
def test_periods_of_a_patch_follow_the_stored_ones_and_the_rest_is_replaced() -> None:
    patch = '{"charging_periods":[ {"n":3.000} ],"kwh":2.20,"total_cost":null,"new":5.00}'
    assert appended_periods(STORED, patch) == (
        '{"id":"S1","kwh":2.20,"charging_periods":[{"n":1.0, "odd":1e2},\n {"n":2.00},{"n":3.000}],'
        '"vendor":{"x": 0.50},"new":5.00}'
    )


@pytest.mark.req("SE-04")
@pytest.mark.parametrize("none", ["", '"charging_periods":[],', '"charging_periods" : [ \n],'])
def test_patch_without_periods_leaves_the_stored_ones(none: str) -> None:
    changed = appended_periods(STORED, f'{{{none}"kwh":2}}')
    assert changed == appended_periods(STORED, '{"kwh":2}')
    assert '"charging_periods":[ {"n":1.0, "odd":1e2},\n {"n":2.00} ]' in changed


@pytest.mark.req("SE-04")
def test_null_does_not_remove_the_periods() -> None:
    assert appended_periods(STORED, '{"charging_periods":null,"kwh":2}') == appended_periods(
        STORED, '{"kwh":2}'
    )


@pytest.mark.req("SE-04")
@pytest.mark.parametrize("held", ["", ',"charging_periods":null', ',"charging_periods":[ ]'])
def test_first_periods_may_come_with_a_patch(held: str) -> None:
    changed = appended_periods(f'{{"id":"S1"{held}}}', '{"charging_periods":[{"n":1.0},{"n":2}]}')
    assert changed == '{"id":"S1","charging_periods":[{"n":1.0},{"n":2}]}'


@pytest.mark.req("SE-04")
@pytest.mark.parametrize("held", ["", ',"charging_periods":null', ',"charging_periods":[ ]'])
def test_no_periods_stay_as_they_were_written(held: str) -> None:
    stored = f'{{"id":"S1"{held}}}'
    assert appended_periods(stored, '{"charging_periods":[]}') == stored


@pytest.mark.parametrize(
    ("stored", "patch"),
    [
        ("[]", "{}"),
        ("{}", "[]"),
        ("{}", '{"charging_periods":{}}'),
        ("{}", '{"charging_periods":"x"}'),
        ('{"charging_periods":1}', '{"charging_periods":[{}]}'),
    ],
)
def test_what_cannot_be_appended_is_refused(stored: str, patch: str) -> None:
    with pytest.raises(ValueError, match=r"expected|must be a list"):
        appended_periods(stored, patch)


@pytest.mark.req("SE-04")
def test_patched_session_is_a_session() -> None:
    patch = json.dumps(
        {
            "charging_periods": make_session()["charging_periods"],
            "status": "COMPLETED",
            "end_date_time": "2026-02-03T05:00:00Z",
            "last_updated": "2026-02-03T05:00:00Z",
        }
    )
    text = appended_periods(json.dumps(make_session()), patch)
    parsed = parse_object(text.encode(), Session, max_depth=16)
    assert parsed.findings == ()
    assert (len(parsed.value.charging_periods), parsed.value.status) == (2, "COMPLETED")


@pytest.mark.parametrize(
    ("periods", "held"),
    [
        ('[{"odd":100,"n":1}]', True),
        ('[{"n":2.0},{"n":1.0,"odd":1e2}]', True),
        ('[{"n":2.0},{"n":3}]', False),
        ("[]", False),
        ("null", False),
    ],
)
def test_periods_are_held_when_all_of_them_are_there(periods: str, held: bool) -> None:
    assert has_periods(STORED, f'{{"charging_periods":{periods}}}') is held
