"""Signed meter data that was made to hurt, or was hurt on its way."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ocpi_hub.clearing.metering import MeteringResult, Outcome, as_json, as_text, verify
from ocpi_hub.ocpi.v2_2_1.cdrs import SignedData, SignedValue
from tests.support.metering import Meter, encoded
from tests.support.thorough import rounds

METER = Meter()
SESSION = METER.session(
    datetime(2026, 10, 5, 12, tzinfo=UTC), datetime(2026, 10, 5, 13, tzinfo=UTC), 1000, 9000
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each),
    max_leaves=8,
)
fields = st.sampled_from(("TM", "TX", "RV", "RI", "RU", "RT", "EF", "ST"))
words = st.sampled_from(("B", "E", "kWh", "Wh", "1-0:1.8.0", "01-00:B2.08.00*FF", "G", "1e5"))
payloads = st.fixed_dictionaries(
    {},
    optional={
        "RD": st.lists(st.dictionaries(fields, words | values, max_size=8), max_size=4) | values,
        "MS": values,
    },
)
sections = st.fixed_dictionaries(
    {},
    optional={
        "SA": values | st.sampled_from(("ECDSA-secp256r1-SHA256", "ECDSA-secp192k1-SHA512")),
        "SD": values | st.sampled_from(("3006020101020101", "00" * 64)),
        "SE": values | st.sampled_from(("hex", "base64")),
    },
)
keys = st.one_of(
    st.none(),
    st.text(max_size=80),
    st.binary(max_size=120).map(bytes.hex),
    st.binary(max_size=120).map(lambda found: base64.b64encode(found).decode()),
    st.just(METER.key),
)


def _told(text: str, key: str | None) -> MeteringResult:
    """The answer to what nobody has looked at before."""
    value = SignedValue.model_construct(nature="End", plain_data="", signed_data=text)
    signed = SignedData.model_construct(
        encoding_method="OCMF", public_key=key or None, signed_values=(value,)
    )
    result = verify(signed, total_energy_kwh=Decimal(8))
    json.dumps(as_json(result), allow_nan=False)
    assert as_text(result).startswith(result.outcome.value)
    return result


@given(text=st.text(max_size=200) | st.binary(max_size=200).map(lambda b: encoded(b)), key=keys)
@settings(max_examples=rounds(100, 5000), deadline=None)
def test_whatever_is_sent_gets_an_answer(text: str, key: str | None) -> None:
    for sent in (text, f"OCMF|{text}", f"OCMF|{{}}|{text}"):
        assert _told(sent, key).outcome is not Outcome.VALID


@given(payload=payloads, section=sections, key=keys)
@settings(max_examples=rounds(150, 5000), deadline=None)
def test_whatever_a_record_says_gets_an_answer(
    payload: dict[str, object], section: dict[str, object], key: str | None
) -> None:
    record = f"OCMF|{json.dumps(payload)}|{json.dumps(section)}"
    assert _told(encoded(record), key).outcome is not Outcome.VALID


@given(at=st.integers(0, len(SESSION) - 1), bit=st.integers(0, 7))
@settings(max_examples=rounds(150, 3000), deadline=None)
def test_one_changed_bit_is_never_valid_unless_it_says_the_same(at: int, bit: int) -> None:
    found = bytearray(SESSION.encode())
    found[at] ^= 1 << bit
    result = _told(encoded(bytes(found)), METER.key)
    if at < SESSION.index("}|") + 1:
        assert result.outcome is not Outcome.VALID
    elif result.outcome is Outcome.VALID:
        # Names in the signature section, and the case of its hex digits, are not signed.
        assert result.energy_kwh == Decimal(8)


@given(key=st.binary(max_size=200), prefix=st.sampled_from((b"", b"0Y", b"0\x81", METER.point[:9])))
@settings(max_examples=rounds(100, 5000), deadline=None)
def test_whatever_key_is_sent_gets_an_answer(key: bytes, prefix: bytes) -> None:
    sent = (prefix + key).hex()
    if sent:
        assert _told(encoded(SESSION), sent).outcome is not Outcome.VALID
