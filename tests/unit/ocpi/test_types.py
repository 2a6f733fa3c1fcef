"""Wire types: what is refused, what is accepted with a finding, what is correct."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

import pytest

from ocpi_hub.domain.party import Role
from ocpi_hub.errors import InvalidRequest
from ocpi_hub.ocpi.base import (
    Boolean,
    CdrDateTime,
    CiString,
    Currency,
    DateTime,
    Identifier,
    Integer,
    Many,
    Number,
    OcpiModel,
    OcpiString,
    OpenEnum,
    Rule,
    Some,
    Url,
    parse_datetime,
)
from ocpi_hub.ocpi.findings import findings
from ocpi_hub.ocpi.parse import MAX_FINDINGS, parse_object
from ocpi_hub.ocpi.v2_2_1.common import DisplayText, Price
from tests.unit.ocpi.factories import encode


class Sample(OcpiModel, frozen=True):
    """One optional field of every type."""

    ci: Annotated[str, CiString(5)] | None = None
    key: Annotated[str, Identifier(5)] | None = None
    text: Annotated[str, OcpiString(5)] | None = None
    url: Url | None = None
    currency: Currency | None = None
    role: Annotated[str, OpenEnum(Role)] | None = None
    at: DateTime | None = None
    cdr_at: CdrDateTime | None = None
    number: Number | None = None
    count: Integer | None = None
    flag: Boolean | None = None
    many: Many[DisplayText] = ()
    some: Some[Annotated[str, CiString(5)]] | None = None
    price: Price | None = None


def read(**fields: Any) -> Sample:
    return parse_object(encode(fields), Sample, max_depth=8).value


def rules(**fields: Any) -> list[tuple[str, Rule]]:
    parsed = parse_object(encode(fields), Sample, max_depth=8)
    assert parsed.findings == findings(parsed.value)
    return [(finding.path, finding.rule) for finding in parsed.findings]


@pytest.mark.req("TY-01")
@pytest.mark.parametrize("value", ["a\nb", "a\tb", "é", "\x7f"])
def test_cistring_outside_printable_ascii_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="ci: must be a CiString"):
        read(ci=value)


@pytest.mark.req("TY-01")
def test_string_is_printable_unicode_and_case_sensitive() -> None:
    assert rules(text="Bäü€") == []
    assert read(text="aB").text == "aB"


@pytest.mark.req("TY-01")
@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\tb"])
def test_string_with_control_characters_is_reported(value: str) -> None:
    assert rules(text=value) == [("text", Rule.NOT_PRINTABLE)]
    assert read(text=value).text == value


@pytest.mark.req("TY-02")
@pytest.mark.parametrize("field", ["ci", "key", "text"])
def test_overlong_string_is_accepted_whole_and_reported(field: str) -> None:
    assert rules(**{field: "123456"}) == [(field, Rule.TOO_LONG)]
    assert getattr(read(**{field: "123456"}), field) == "123456"
    assert rules(**{field: "12345"}) == []


def test_empty_identifier_is_refused_and_empty_cistring_accepted() -> None:
    assert rules(ci="") == []
    with pytest.raises(InvalidRequest, match="not empty, got a string of 0 characters"):
        read(key="")


@pytest.mark.req("TY-07")
def test_url_over_255_characters_or_without_scheme_is_reported() -> None:
    assert rules(url="https://a.example/" + "x" * 237) == []
    assert rules(url="https://a.example/" + "x" * 238) == [("url", Rule.TOO_LONG)]
    assert rules(url="a.example/x") == [("url", Rule.WRONG_FORM)]


@pytest.mark.req("TF-28")
def test_no_data_mark_has_no_finding_in_any_string() -> None:
    assert rules(ci="#NA", key="#NA", text="#NA", url="#NA", currency="#NA") == []


@pytest.mark.req("TY-10")
def test_currency_that_is_no_iso_code_is_reported() -> None:
    assert rules(currency="EUR") == []
    assert rules(currency="eur") == [("currency", Rule.WRONG_FORM)]


@pytest.mark.req("TY-01", "TY-08", "TY-11")
def test_unknown_and_miscased_enum_values_survive_and_are_reported() -> None:
    assert [rules(role=role.value) for role in Role] == [[]] * 7
    assert rules(role="EmspX") == [("role", Rule.UNKNOWN_VALUE)]
    assert rules(role="cpo") == [("role", Rule.UNKNOWN_VALUE)]
    assert read(role="EmspX").role == "EmspX"
    assert read(role="CPO").role == Role.CPO


@pytest.mark.req("TY-03", "TY-04")
@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-02-03T04:05:06Z", 0),
        ("2026-02-03T04:05:06", 0),
        ("2026-02-03T04:05:06.7Z", 700_000),
        ("2026-02-03T04:05:06.7", 700_000),
        ("2026-02-03T04:05:06.123456789Z", 123_456),
        ("2026-02-03T04:05:06.123456789", 123_456),
    ],
)
def test_datetime_is_utc_with_or_without_designator(text: str, microsecond: int) -> None:
    expected = datetime(2026, 2, 3, 4, 5, 6, microsecond, tzinfo=UTC)
    moment = read(at=text).at
    assert moment is not None
    assert moment == expected == parse_datetime(text)
    assert moment.utcoffset() == timedelta(0)
    assert read(cdr_at=text).cdr_at == expected


@pytest.mark.req("TY-03")
@pytest.mark.parametrize(
    "text",
    [
        "2026-02-03T04:05:06+00:00",
        "2026-02-03T04:05:06-01:00",
        "2026-02-03T04:05:06+00:00Z",
        "2026-02-03 04:05:06Z",
        "2026-02-03t04:05:06z",
        "2026-02-03T04:05Z",
        "2026-02-03",
        "2026-02-30T04:05:06Z",
        "2026-02-30T04:05:06",
        "2026-02-03T24:00:00Z",
        "2026-02-03T04:05:06.Z",
        "2026-02-03T04:05:06Z\n",
        "٢٠٢٦-02-03T04:05:06Z",
        "1770091506",
        "1970-1-1T00:00:00Z",
        "",
    ],
)
def test_other_datetimes_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="at: must be a DateTime"):
        read(at=text)
    with pytest.raises(ValueError, match="DateTime"):
        parse_datetime(text)


@pytest.mark.parametrize("value", [1770091506, True, None, {}])
def test_datetime_of_another_json_type_is_refused(value: object) -> None:
    if value is None:
        assert read(at=None).at is None
        return
    with pytest.raises(InvalidRequest, match="at: must be a DateTime"):
        read(at=value)


@pytest.mark.req("CD-24")
def test_unknown_time_is_accepted_in_cdr_times_only() -> None:
    assert read(cdr_at="1970-1-1T00:00:00Z").cdr_at == datetime(1970, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidRequest):
        read(cdr_at="1970-1-2T00:00:00Z")


def test_datetime_built_in_code_must_be_utc() -> None:
    moment = datetime(2026, 2, 3, tzinfo=UTC)
    assert Sample(at=moment).at == moment
    for other in (moment.replace(tzinfo=None), moment.astimezone(timezone(timedelta(hours=1)))):
        with pytest.raises(ValueError, match="DateTime"):
            Sample(at=other)


@pytest.mark.req("TY-05")
@pytest.mark.parametrize(
    "text", ["0", "-0.5", "1.10", "0.1", "3.14159265358979323846264338327950288", "1E2", "2e-7"]
)
def test_number_is_the_exact_decimal_of_its_text(text: str) -> None:
    body = f'{{"number":{text}}}'.encode()
    assert parse_object(body, Sample, max_depth=8).value.number == Decimal(text)


@pytest.mark.req("TY-05")
@pytest.mark.parametrize("value", ["1.5", True, [], {}, "NaN", "#NA"])
def test_number_of_another_json_type_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="number: must be a JSON number"):
        read(number=value)


def test_int_may_be_written_with_a_zero_fraction_only() -> None:
    assert read(count=300).count == 300
    assert parse_object(b'{"count":300.0}', Sample, max_depth=8).value.count == 300
    for body in (b'{"count":300.5}', b'{"count":"300"}', b'{"count":true}'):
        with pytest.raises(InvalidRequest, match="count: must be a JSON number without a fraction"):
            parse_object(body, Sample, max_depth=8)


@pytest.mark.parametrize("value", ["true", 1, 0, "yes"])
def test_boolean_of_another_json_type_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="flag: must be a boolean"):
        read(flag=value)


@pytest.mark.req("TY-06")
def test_price_and_display_text() -> None:
    assert read(price={"excl_vat": 1}).price == Price(excl_vat=Decimal(1))
    assert rules(price={"excl_vat": 1, "incl_vat": 1.2}) == []
    with pytest.raises(InvalidRequest, match=r"price\.excl_vat: is required"):
        read(price={"incl_vat": 1})
    assert rules(many=[{"language": "en", "text": "x" * 512}]) == []
    assert rules(many=[{"language": "eng", "text": "x" * 513}]) == [
        ("many[0].language", Rule.TOO_LONG),
        ("many[0].text", Rule.TOO_LONG),
    ]


@pytest.mark.req("TY-09")
def test_null_counts_as_absent() -> None:
    sample = read(**dict.fromkeys(set(Sample.model_fields) - {"many", "some"}), many=None)
    assert sample.many == ()
    assert sample.ci is None
    assert read(many=[]).many == ()


@pytest.mark.req("TY-09")
def test_plus_list_needs_one_element() -> None:
    assert read(some=["a"]).some == ("a",)
    with pytest.raises(InvalidRequest, match="some: must have at least one element"):
        read(some=[])


def test_faulty_element_is_named_and_nothing_else() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read(some=["a", 4, 5])
    assert refusal.value.message == "some[1]: must be a CiString(5): printable ASCII, got a number"


def test_findings_of_one_object_are_limited() -> None:
    assert len(rules_of_many(3 * MAX_FINDINGS)) == MAX_FINDINGS


def rules_of_many(count: int) -> list[str]:
    parsed = parse_object(encode({"some": ["too long"] * count}), Sample, max_depth=8)
    return [finding.path for finding in parsed.findings]


@pytest.mark.req("TF-38")
def test_unknown_fields_are_kept_at_every_level() -> None:
    sample = read(vendor={"x": [1, None]}, price={"excl_vat": 1, "gift": True})
    assert sample.to_json() == (b'{"price":{"excl_vat":1,"gift":true},"vendor":{"x":[1,null]}}')


def test_json_of_a_model_has_number_and_time_in_ocpi_form() -> None:
    sample = Sample(at=datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC), number=Decimal("1.50"))
    assert sample.to_json() == b'{"at":"2026-02-03T04:05:06.789Z","number":1.50}'


def test_models_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read(ci="a").ci = "b"  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize("sign", [1, -1])
def test_whole_number_that_no_index_can_hold_is_refused(sign: int) -> None:
    assert read(number=sign * 10**98).number == sign * 10**98
    for exponent in (100, 4000):
        with pytest.raises(InvalidRequest, match="a number out of all range"):
            read(number=sign * 10**exponent)
