"""Whatever a partner sends, the checks come to an end and say something that can be kept."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from ocpi_hub.clearing.checks import (
    CODES,
    CheckContext,
    HoldRules,
    LocationSeen,
    SessionSeen,
    examine,
    examine_in_part,
)
from ocpi_hub.domain.cdr_rules import CdrLimits, CdrRules, Weight
from ocpi_hub.errors import OcpiError
from ocpi_hub.ocpi.parse import parse_object
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from tests.support.examining import good_cdr
from tests.support.thorough import rounds

NOW: Final = datetime(2026, 10, 2, tzinfo=UTC)
RULES: Final = HoldRules.of(
    CdrRules(
        tuple((code, Weight.HOLD) for code in sorted(CODES)),
        CdrLimits(
            energy_kwh=Decimal(1),
            duration_h=Decimal(1),
            total_cost=Decimal(1),
            price_difference=Decimal(1),
            price_tolerance_percent=Decimal(100),
        ),
    )
)
CONTEXT: Final = CheckContext(
    NOW,
    knows_locations=True,
    location=LocationSeen("Europe/Amsterdam", True, {("EVSE1", "1"): Decimal(11)}, {}),
    session=SessionSeen("COMPLETED", Decimal("1E+9"), "", "\x00", None, "x" * 500),
)

numbers = st.one_of(
    st.integers(-(10**30), 10**30),
    st.sampled_from([0, -0.0, 1e-90, 1e99, -1e99, 0.1667, 22.5, 99999999999999999999.5]),
)
moments = st.one_of(
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.sampled_from(
        [
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2026-10-25T00:59:59Z",
            "1970-01-01T00:00:00",
        ]
    ),
)
words = st.one_of(st.text(max_size=40), st.sampled_from(["#NA", "T1", "t1", "EUR", "X", "S"]))
volumes = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["ENERGY", "TIME", "PARKING_TIME", "RESERVATION_TIME", "MAX_POWER", "ODD"]
        ),
        "volume": numbers,
    }
)
periods = st.fixed_dictionaries(
    {"start_date_time": moments, "dimensions": st.lists(volumes, min_size=1, max_size=4)},
    optional={"tariff_id": words},
)
prices = st.fixed_dictionaries({"excl_vat": numbers}, optional={"incl_vat": numbers})
signed = st.fixed_dictionaries(
    {
        "encoding_method": st.sampled_from(["OCMF", "ocmf 1.0", "EDL", ""]),
        "signed_values": st.lists(
            st.fixed_dictionaries(
                {
                    "nature": words,
                    "plain_data": words,
                    "signed_data": st.one_of(
                        st.text(max_size=200),
                        st.sampled_from(["OCMF|{}|{}", "OCMF|", 'OCMF|{"RD":[]}|{"SD":"00"}']),
                    ),
                }
            ),
            min_size=1,
            max_size=3,
        ),
    },
    optional={"public_key": words},
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "start_date_time": moments,
        "end_date_time": moments,
        "charging_periods": st.lists(periods, min_size=1, max_size=5),
        "total_cost": prices,
        "total_energy_cost": prices,
        "total_energy": numbers,
        "total_time": numbers,
        "total_parking_time": numbers,
        "currency": st.sampled_from(["EUR", "eur", "JPY", "XXX"]),
        "tariffs": st.just([]),
        "session_id": words,
        "authorization_reference": words,
        "credit": st.booleans(),
        "credit_reference_id": words,
        "signed_data": signed,
    },
)


def read(content: dict[str, object]) -> CDR | None:
    try:
        return parse_object(json.dumps(content).encode(), CDR, max_depth=32).value
    except (OcpiError, ValueError):
        return None


@settings(max_examples=rounds(300, 20_000), deadline=None)
@given(changes)
def test_no_cdr_that_is_taken_breaks_the_checks(changed: dict[str, Any]) -> None:
    cdr = read(good_cdr(**copy.deepcopy(changed)))
    if cdr is None:
        return
    for examined in (
        examine(cdr, CONTEXT, RULES),
        examine(cdr, CheckContext(NOW), RULES),
        examine_in_part(cdr, None, NOW, RULES),
    ):
        found = [each.code for each in examined.findings]
        assert set(found) <= CODES.keys()
        assert len(found) == len(set(found))
        for each in examined.findings:
            assert len(each.text) < 1000
            assert "\0" not in each.text
            json.dumps(each.text).encode()
