"""`authorization list`: its arguments, and how a decision is shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ocpi_hub.admin.views.authorizations import authorization_item
from ocpi_hub.authorization.protocols import DecidedBy, DecisionRecord, LateAnswer, LegRecord
from ocpi_hub.cli.main import build_parser
from tests.unit.authorization.scene import CPO, EMSP, OTHER


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00+01:00", datetime(2026, 1, 31, 7, tzinfo=UTC)),
    ],
)
def test_since_is_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    args = build_parser().parse_args(["authorization", "list", "--since", text])
    assert args.since == moment


@pytest.mark.parametrize(
    "wrong", [("--since", "yesterday"), ("--cpo", "NLCPO"), ("--limit", "0"), ("--limit", "-1")]
)
def test_wrong_arguments_are_refused(
    wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args(["authorization", "list", *wrong])
    assert wrong[0] in capsys.readouterr().err


def test_a_decision_is_shown_with_milliseconds_by_emsp() -> None:
    decision = DecisionRecord(
        at=datetime(2026, 1, 31, 8, 0, 0, 250_000, tzinfo=UTC),
        uid="04a1",
        token_type="RFID",
        cpo=CPO,
        emsp=None,
        location=None,
        decided_by=DecidedBy.NOBODY,
        reason="timeout:unknown_token",
        allowed=None,
        reference=None,
        http_status=200,
        status_code=4002,
        total_ms=1000.0,
        legs=(LegRecord(EMSP, 12.5, "2004"), LegRecord(OTHER, 1000.0, "timeout")),
        correlation_id="c",
        late=(LateAnswer(OTHER, 1200.0, "ALLOWED"),),
    )
    assert authorization_item(decision).shown() == {
        "at": "2026-01-31T08:00:00.250Z",
        "uid": "04a1",
        "cpo": "NL*CPO",
        "emsp": None,
        "decided_by": "nobody",
        "reason": "timeout:unknown_token",
        "allowed": None,
        "reference": None,
        "legs_ms": {"DE*MSP": 12.5, "FR*MSP": 1000.0},
        "late": [{"emsp": "FR*MSP", "ms": 1200.0, "answer": "ALLOWED"}],
        "linked_by": None,
        "correlation_id": "c",
        "total_ms": 1000.0,
    }
