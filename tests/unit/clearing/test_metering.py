"""Signed meter data: what is verified, what is not, and what went through the meter."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from ecdsa import SigningKey  # type: ignore[import-untyped]
from ecdsa.util import sigencode_der  # type: ignore[import-untyped]

from ocpi_hub.clearing.metering import (
    MeteringResult,
    Note,
    Outcome,
    Reason,
    as_json,
    as_text,
    verify,
)
from ocpi_hub.clearing.metering.koblitz import CURVE
from ocpi_hub.clearing.metering.model import MAX_CHARACTERS, MAX_READINGS, MAX_VALUES
from tests.support.metering import Meter, dense, encoded, reading, signed_data

BEGIN = datetime(2026, 10, 5, 14, 0, tzinfo=timezone(timedelta(hours=2)))
END = BEGIN + timedelta(minutes=90)
METER = Meter()
SESSION = METER.session(BEGIN, END, 12_000, 34_500)


def _verify(
    *records: str, key: str | None = METER.key, total: str = "22.5", method: str = "OCMF"
) -> MeteringResult:
    signed = signed_data(*records, key=key, method=method)
    return verify(signed, total_energy_kwh=Decimal(total))


def _readings(*rows: dict[str, Any], **fields: Any) -> MeteringResult:
    return _verify(encoded(METER.record({"RD": list(rows), **fields})))


def test_record_of_a_session_is_valid_and_tells_its_energy() -> None:
    result = _verify(encoded(SESSION))
    assert (result.outcome, result.reason) == (Outcome.VALID, Reason.VERIFIED)
    assert result.energy_kwh == Decimal("22.5")
    assert (result.begin, result.end) == (BEGIN, END)
    assert result.meter == METER.serial
    assert result.difference_kwh == 0
    assert not result.differs
    assert (result.verified, result.values, result.notes) == (1, 1, ())


@pytest.mark.parametrize(
    "curve",
    [
        ec.SECP192R1(),
        ec.SECP256R1(),
        ec.SECP256K1(),
        ec.SECP384R1(),
        ec.SECP521R1(),
        ec.BrainpoolP256R1(),
        ec.BrainpoolP384R1(),
    ],
    ids=lambda each: each.name,
)
def test_signature_of_each_curve_is_verified_and_a_changed_payload_refused(
    curve: ec.EllipticCurve,
) -> None:
    meter = Meter(curve)
    record = meter.session(BEGIN, END, 12_000, 34_500)
    assert _verify(encoded(record), key=meter.key).outcome is Outcome.VALID
    changed = record.replace("34.500", "34.600")
    assert _verify(encoded(changed), key=meter.key).reason is Reason.SIGNATURE_WRONG


def test_secp192k1_is_verified_too() -> None:
    key = SigningKey.generate(curve=CURVE)
    payload = dense({"RD": [reading(BEGIN, "B", 0), reading(END, "E", 22_500)]})
    signature = key.sign(
        payload.encode(), hashfunc=hashlib.sha256, sigencode=sigencode_der,
        allow_truncate=True,
    )  # fmt: skip
    record = f'OCMF|{payload}|{{"SA":"ECDSA-secp192k1-SHA256","SD":"{signature.hex()}"}}'
    point = key.verifying_key.to_string("uncompressed")
    whole = key.verifying_key.to_der()
    for sent in (whole, point, point[1:]):
        assert _verify(encoded(record), key=sent.hex()).outcome is Outcome.VALID
    changed = record.replace("22.500", "22.501")
    assert _verify(encoded(changed), key=whole.hex()).outcome is Outcome.INVALID
    broken = whole[:-1] + bytes([whole[-1] ^ 1])
    assert _verify(encoded(record), key=broken.hex()).reason is Reason.KEY_UNREADABLE


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()],
                         ids=lambda each: each.name)  # fmt: skip
def test_hash_is_the_one_that_the_record_names(digest: hashes.HashAlgorithm) -> None:
    key = ec.derive_private_key(7, ec.SECP256R1())
    payload = dense({"RD": [reading(BEGIN, "B", 0)]})
    signature = key.sign(payload.encode(), ec.ECDSA(digest)).hex()
    named = f"ECDSA-secp256r1-{digest.name.upper()}"
    record = f'OCMF|{payload}|{{"SA":"{named}","SD":"{signature}"}}'
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert _verify(encoded(record), key=public.hex()).outcome is Outcome.VALID


def test_payload_is_verified_as_it_came_and_never_as_it_would_be_written_anew() -> None:
    payload = (
        '{"MS" : "A|B", "RD":[ {"TM":"2026-10-05T12:00:00,000+0000 S","TX":"B",'
        '"RV":1.500,"RI":"1-0:1.8.0","RU":"kWh","ST":"G"},\n'
        '{"TX":"E","RV":2.0000,"X":1e3,"Y":"\\u00e4"} ]}'
    )
    record = METER.record(payload)
    result = _verify(encoded(record), total="0.5")
    assert (result.outcome, result.energy_kwh, result.meter) == (
        Outcome.VALID, Decimal("0.5"), "A|B",
    )  # fmt: skip
    for changed in (record.replace("1.500", "1.50"), record.replace(" : ", ":")):
        assert _verify(encoded(changed)).outcome is Outcome.INVALID


def test_record_in_latin_1_is_verified_by_its_bytes() -> None:
    payload = dense({"RD": [reading(BEGIN, "B", 0), reading(END, "E", 500)]})[:-1]
    signed = (payload + ',"TT":"').encode() + b'M\xfcnchen"}'
    section = dense({"SA": METER.algorithm, "SD": METER.sign(signed).hex()}).encode()
    record = base64.b64encode(b"OCMF|" + signed + b"|" + section).decode()
    result = _verify(record)
    assert (result.outcome, result.energy_kwh) == (Outcome.VALID, Decimal("0.5"))


def test_record_may_be_text_or_hex_in_place_of_base64() -> None:
    hexadecimal = SESSION.encode().hex().upper()
    padless = encoded(SESSION).rstrip("=")
    wrapped = "\n".join(padless[at : at + 64] for at in range(0, len(padless), 64))
    for sent, notes in (
        (SESSION, (Note.SENT_AS_TEXT,)),
        (f"  {SESSION}\n", (Note.SENT_AS_TEXT,)),
        (hexadecimal, (Note.SENT_AS_HEX,)),
        (padless, ()),
        (wrapped, ()),
        (base64.urlsafe_b64encode(SESSION.encode()).decode(), ()),
    ):
        result = _verify(sent)
        assert (result.outcome, result.notes) == (Outcome.VALID, notes)


def test_key_may_be_hex_or_base64_or_pem_or_a_bare_point() -> None:
    der, point = METER.public_key, METER.point
    spaced = " ".join(der.hex()[at : at + 4] for at in range(0, 2 * len(der), 4))
    body = base64.b64encode(der).decode()
    pem = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    for key in (
        der.hex(), der.hex().upper(), spaced, body, pem, point.hex(), point[1:].hex(),
        base64.b64encode(point).decode(),
    ):  # fmt: skip
        assert _verify(encoded(SESSION), key=key).outcome is Outcome.VALID


def test_key_in_the_record_is_used_where_there_is_no_other_and_told() -> None:
    record = f"{SESSION}|{METER.public_key.hex()}"
    result = _verify(encoded(record), key=None)
    assert (result.outcome, result.notes) == (Outcome.VALID, (Note.KEY_IN_RECORD,))
    other = Meter(number=2)
    assert _verify(encoded(record), key=other.key).outcome is Outcome.INVALID


def test_signature_may_be_base64_or_two_numbers_in_a_row() -> None:
    payload = dense({"RD": [reading(BEGIN, "B", 0), reading(END, "E", 500)]})
    signature = METER.sign(payload.encode())
    r, s = decode_dss_signature(signature)
    bare = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    for fields in (
        {"SD": base64.b64encode(signature).decode(), "SE": "base64"},
        {"SD": base64.b64encode(signature).decode()},
        {"SD": bare.hex().upper()},
    ):
        assert _verify(encoded(METER.record(payload, **fields))).outcome is Outcome.VALID


def test_curve_is_the_keys_own_whatever_the_record_says() -> None:
    meter = Meter(ec.BrainpoolP256R1())
    record = meter.session(BEGIN, END, 0, 22_500).replace(meter.algorithm, METER.algorithm)
    result = _verify(encoded(record), key=meter.key)
    assert (result.outcome, result.notes) == (Outcome.VALID, (Note.CURVE_DIFFERS,))


def test_curve_has_several_names() -> None:
    for curve, name in (
        (ec.BrainpoolP384R1(), "brainpool384r1"),
        (ec.SECP192R1(), "prime192v1"),
    ):
        meter = Meter(curve)
        record = meter.session(BEGIN, END, 0, 22_500).replace(curve.name, name)
        for key in (meter.key, meter.point.hex()):
            result = _verify(encoded(record), key=key)
            assert (result.outcome, result.notes) == (Outcome.VALID, ())


def test_begin_and_end_may_be_records_of_their_own_in_any_order() -> None:
    first = METER.record({"RD": [reading(BEGIN, "B", 1000)]})
    middle = METER.record({"RD": [reading(BEGIN + timedelta(minutes=9), "C", 5000)]})
    last = METER.record({"RD": [reading(END, "E", 23_500)]})
    pairs = [("End", encoded(last)), ("Intermediate", encoded(middle)), ("start", encoded(first))]
    signed = signed_data(*pairs, key=METER.key)
    result = verify(signed, total_energy_kwh=Decimal("22.5"))
    assert (result.outcome, result.energy_kwh) == (Outcome.VALID, Decimal("22.5"))
    assert (result.verified, result.values) == (3, 3)
    # One wrong signature is enough.
    pairs[1] = ("Intermediate", encoded(middle.replace("5.000", "6.000")))
    result = verify(signed_data(*pairs, key=METER.key), total_energy_kwh=Decimal(1))
    assert (result.outcome, result.verified) == (Outcome.INVALID, 2)


def test_reading_takes_what_it_lacks_from_the_one_before() -> None:
    first = reading(BEGIN, "B", 0, RU="Wh", RV=1000)
    result = _readings(first, {"TX": "E", "RV": "     23500"})
    assert result.energy_kwh == Decimal("22.5")
    assert (result.begin, result.end) == (BEGIN, BEGIN)


@pytest.mark.parametrize(
    ("registers", "kwh"),
    [
        (("1-0:1.8.0", "1-0:2.8.0"), "10"),
        (("1-0:2.8.0", "1-0:1.8.0*198"), "20"),
        (("01-00:B0.08.00*FF", "01-00:B2.08.00*FF"), "20"),
        (("01-00:B3.08.00*FF", "01-00:B2.08.00*FF"), "10"),
        (("1-b:1.8.e", "1-0:98.8.0.FF"), "20"),
    ],
)
def test_energy_is_that_of_the_import_register_nearest_to_the_vehicle(
    registers: tuple[str, str], kwh: str
) -> None:
    rows = [
        reading(at, kind, factor * wh, RI=register)
        for at, kind, wh in ((BEGIN, "B", 1000), (END, "E", 11_000))
        for register, factor in zip(registers, (1, 2), strict=True)
    ]
    assert _readings(*rows).energy_kwh == Decimal(kwh)


def test_energy_is_compared_with_the_cdr_to_a_watt_hour() -> None:
    for total, differs in (("22.501", False), ("22.499", False), ("22.502", True), ("0", True)):
        result = _verify(encoded(SESSION), total=total)
        assert result.differs is differs
        assert result.difference_kwh == Decimal(total) - Decimal("22.5")


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [reading(BEGIN, "B", 0)],
        [reading(BEGIN, "B", 0), reading(END, "C", 500)],
        [reading(BEGIN, "B", 0, RU="s"), reading(END, "E", 500, RU="s")],
        [reading(BEGIN, "B", 0, RI="1-0:2.8.0"), reading(END, "E", 500, RI="1-0:2.8.0")],
        [reading(BEGIN, "B", 0, RI=5), reading(END, "E", 500, RI=5)],
        [reading(BEGIN, "B", 0, RV="NaN"), reading(END, "E", 500, RV="x")],
        [reading(BEGIN, "B", 0, RV=True), reading(END, "E", 500)],
        [reading(BEGIN, "B", 0, RV="1" * 41), reading(END, "E", 500, RV="1e99")],
        [reading(BEGIN, "B", 0, RV="1e-99999"), reading(END, "E", 500, RV="0e99999")],
        [1, None, "x"],
    ],
    ids=range(11),
)
def test_readings_that_tell_no_energy_are_signed_all_the_same(rows: list[Any]) -> None:
    result = _readings(*rows)
    assert result.outcome is Outcome.VALID
    assert (result.energy_kwh, result.difference_kwh) == (None, None)
    assert result.notes == (Note.READINGS_INCOMPLETE,)
    assert not result.differs


def test_faults_of_the_meter_are_told() -> None:
    first, last = reading(BEGIN, "B", 5000), reading(END, "E", 6000)
    assert _readings(first, {**last, "ST": "T"}).notes == (Note.METER_FAULT,)
    assert _readings({**first, "EF": "E"}, {**last, "EF": ""}).notes == (Note.METER_FAULT,)
    assert _readings({**first, "EF": "t"}, last).notes == ()  # its clock alone
    fallen = _readings(first, {**last, "RV": "4.000"})
    assert (fallen.energy_kwh, fallen.notes) == (Decimal(-1), (Note.READINGS_FALL,))


def test_records_of_several_meters_are_told() -> None:
    first = METER.record({"RD": [reading(BEGIN, "B", 0)]})
    last = METER.record({"MS": "ANOTHER", "RD": [reading(END, "E", 500)]})
    assert Note.METERS_DIFFER in _verify(encoded(first), encoded(last)).notes


def test_times_are_told_in_utc_or_not_at_all() -> None:
    first, last = reading(BEGIN, "B", 0), reading(END, "E", 500)
    result = _readings({**first, "TM": "2026-10-05T12:00:00Z"}, {**last, "TM": "at noon"})
    assert (result.begin, result.end) == (datetime(2026, 10, 5, 12, tzinfo=UTC), None)
    result = _readings({**first, "TM": "0001-01-01T00:00:00,000+0500 I"}, last)
    assert (result.begin, result.energy_kwh) == (None, Decimal("0.5"))


def test_without_a_key_nothing_is_verified_and_the_energy_is_told() -> None:
    result = _verify(encoded(SESSION), key=None)
    assert (result.outcome, result.reason) == (Outcome.NOT_VERIFIABLE, Reason.NO_KEY)
    assert result.energy_kwh == Decimal("22.5")


def _rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    ).hex()


# A key on secp112r1, which nothing here knows.
UNKNOWN_CURVE = "3032301006072a8648ce3d020106052b81040006031e0004" + "12" * 28


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("no key at all!", Reason.KEY_UNREADABLE),
        ("00", Reason.KEY_UNREADABLE),
        (METER.public_key.hex()[:-2], Reason.KEY_UNREADABLE),
        (METER.public_key.hex()[:-2] + "00", Reason.KEY_UNREADABLE),
        (METER.point.hex()[:-2], Reason.KEY_UNREADABLE),
        ("ä" * 100, Reason.KEY_UNREADABLE),
        (UNKNOWN_CURVE, Reason.CURVE_UNSUPPORTED),
        (_rsa_key()[:500], Reason.KEY_UNREADABLE),
        (_rsa_key(), Reason.CURVE_UNSUPPORTED),
        ("30" * 3000, Reason.TOO_LARGE),
    ],
    ids=range(10),
)
def test_key_that_cannot_be_used_leaves_the_record_unverified(key: str, reason: Reason) -> None:
    result = _verify(encoded(SESSION), key=key)
    assert (result.outcome, result.reason) == (Outcome.NOT_VERIFIABLE, reason)
    assert result.energy_kwh == Decimal("22.5")


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ('{"SD":""}', Reason.SIGNATURE_UNREADABLE),
        ('{"SD":5}', Reason.SIGNATURE_UNREADABLE),
        ("{}", Reason.SIGNATURE_UNREADABLE),
        ('{"SD":"not hex, not base64"}', Reason.SIGNATURE_UNREADABLE),
        ('{"SD":"abcd"}', Reason.SIGNATURE_WRONG),
        ('{"SD":"3006020100020100"}', Reason.SIGNATURE_WRONG),
        ('{"SD":"abcd","SA":"RSA-SHA256"}', Reason.ALGORITHM_UNSUPPORTED),
        ('{"SD":"abcd","SA":"ECDSA-secp256r1-MD5"}', Reason.ALGORITHM_UNSUPPORTED),
        ('{"SD":"abcd","SA":[]}', Reason.SIGNATURE_WRONG),
        ('{"SD":"abcd","SA":["x"]}', Reason.ALGORITHM_UNSUPPORTED),
    ],
)
def test_signature_that_is_none(section: str, reason: Reason) -> None:
    payload = dense({"RD": [reading(BEGIN, "B", 0)]})
    assert _verify(encoded(f"OCMF|{payload}|{section}")).reason is reason


def test_truncated_record_is_called_that() -> None:
    payload_ends = SESSION.index("}|")
    for length in range(5, len(SESSION)):
        result = _verify(encoded(SESSION[:length]))
        assert result.outcome is Outcome.NOT_VERIFIABLE
        assert result.reason is Reason.RECORD_TRUNCATED, SESSION[:length]
        assert result.energy_kwh is None
        if length == payload_ends + 1:
            assert "behind its payload" in result.message
    # As a field that is too short cuts base64 or text.
    assert _verify(encoded(SESSION)[:301]).reason is Reason.RECORD_TRUNCATED
    assert _verify(SESSION[:300]).reason is Reason.RECORD_TRUNCATED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OCMF",
        "ocmf|{}|{}",
        "OCMF|[]|{}",
        "OCMF|{}x|{}",
        "OCMF|{}|[]",
        "OCMF|{'a':1}|{}",
        'OCMF|{"RV":NaN}|{}',
        'OCMF|{"RD":[],"RD":[]}|{}',
        'OCMF|{"a":' + "1" * 5000 + "}|{}",
        'OCMF|{"a":0.' + "1" * 5000 + "}|{}",
        'OCMF|{"a":1e99999999999999999999}|{}',
        'OCMF|{"a":' + "[" * 40_000 + "}|{}",
        "<?xml version='1.0'?><values/>",
    ],
    ids=range(14),
)
def test_what_is_no_record_is_not_verifiable(text: str) -> None:
    for sent in (text, encoded(text)):
        result = _verify(sent)
        assert result.outcome is Outcome.NOT_VERIFIABLE
        assert result.reason in {Reason.RECORD_UNREADABLE, Reason.RECORD_TRUNCATED}


def test_other_encodings_are_not_verifiable_and_named() -> None:
    result = _verify(encoded("anything"), method="Alfen Eichrecht")
    assert result.reason is Reason.ENCODING_UNSUPPORTED
    assert result.encoding == "Alfen Eichrecht"
    assert _verify(encoded(SESSION), method="ocmf 1.0").outcome is Outcome.VALID


def test_sizes_are_limited() -> None:
    assert _verify("A" * (MAX_CHARACTERS + 1)).reason is Reason.TOO_LARGE
    assert _verify(*[encoded(SESSION)] * (MAX_VALUES + 1)).reason is Reason.TOO_LARGE
    rows = [{"RV": 1}] * (MAX_READINGS // 2 + 1)
    many = encoded(METER.record({"RD": [reading(BEGIN, "B", 0), *rows]}))
    result = _verify(many, many)
    assert (result.reason, result.energy_kwh) == (Reason.TOO_LARGE, None)


def test_result_is_told_as_json_and_as_text() -> None:
    result = _verify(encoded(SESSION), total="20")
    assert json.loads(json.dumps(as_json(result))) == {
        "outcome": "valid",
        "reason": "verified",
        "message": "the key signed 1 of 1 records",
        "encoding": "OCMF",
        "energy_kwh": 22.5,
        "begin": "2026-10-05T12:00:00Z",
        "end": "2026-10-05T13:30:00Z",
        "meter": METER.serial,
        "difference_kwh": -2.5,
        "differs": True,
        "verified": 1,
        "values": 1,
        "notes": [],
    }
    assert as_text(result).splitlines() == [
        "valid: the key signed 1 of 1 records",
        "energy: 22.500 kWh",
        "from 2026-10-05T12:00:00Z to 2026-10-05T13:30:00Z",
        f"meter: {METER.serial}",
        "total_energy of the CDR is -2.500 kWh off",
    ]


def test_absurd_energy_of_a_cdr_is_told_in_few_words() -> None:
    for total in ("1e400", "-1e400", "1e-400"):
        result = _verify(encoded(SESSION), total=total)
        assert result.differs
        json.dumps(as_json(result), allow_nan=False)
        assert len(as_text(result)) < 300
