"""Renderings of a report: what a hostile partner said is text in all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from ocpi_hub.admin.views.checks import check_report
from ocpi_hub.checking.conversation import Asked, Seen
from ocpi_hub.checking.masking import HIDDEN, MAX_BODY, Mask
from ocpi_hub.checking.model import Check, Notes, Outcome, Report, Result, Severity
from ocpi_hub.checking.page import as_page
from ocpi_hub.checking.partner import Partner
from ocpi_hub.checking.text import as_text
from ocpi_hub.domain.exchange import Answer, NoAnswer
from ocpi_hub.domain.party import CredentialsToken
from ocpi_hub.ocpi.headers import authorization

TOKEN = CredentialsToken("secret-Token-0123456789")
HOSTILE = "</code><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\u202e"


async def _nothing(_partner: Partner, _notes: Notes) -> None:
    return None


def make_check(check_id: str = "paging.total", severity: Severity = Severity.MUST) -> Check:
    return Check(check_id, "A title", ("TF-15",), severity, "Do it.", _nothing)


def seen_with(body: bytes, **headers: str) -> Seen:
    asked = Asked("GET", f"https://partner.example/ocpi?{HOSTILE}", {}, None, True, True)
    return Seen(asked, Answer(200, {"content-type": "text/html", **headers}, body), 0.0123)


def make_report(text: str = HOSTILE) -> Report:
    mask = Mask(TOKEN)
    body = json.dumps({"status_code": 1000, "data": [{"id": text}]}).encode()
    evidence = mask.evidence(seen_with(body, link=text))
    results = (
        Result(make_check(), Outcome.FAILED, mask.text(text), (evidence,)),
        Result(make_check("paging.link", Severity.SHOULD), Outcome.WARNING, mask.text(text)),
        Result(make_check("objects.once"), Outcome.SKIPPED, mask.text(text)),
        Result(make_check("write.tariff"), Outcome.PASSED),
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    url = mask.text(f"https://partner.example/{text}")
    return Report(url, at, 1.5, 10, 3, 40, (mask.text(f"NL*CPO {text}"),), False, results)


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_has_no_element_and_no_attribute_of_the_partner() -> None:
    page = as_page(make_report())
    assert Tags(page).names == Tags(as_page(make_report("harmless"))).names
    assert not Tags(page).names & {"script", "img", "iframe", "link", "object", "a"}
    assert not [name for name in Tags(page).attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "http-equiv" in page


def test_the_page_loads_nothing() -> None:
    page = as_page(make_report("harmless"))
    assert "url(" not in page
    assert Tags(page).attributes & {"src", "href", "action"} == set()


@pytest.mark.parametrize("render", [as_text, as_page], ids=["terminal", "page"])
def test_no_rendering_has_control_characters_of_the_partner(render: object) -> None:
    assert callable(render)
    text = render(make_report())
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_terminal_says_what_is_wrong_and_how_to_mend_it() -> None:
    text = as_text(make_report("odd"))
    assert "FAILED   paging.total: A title [must] (TF-15)\n           odd\n" in text
    assert "to mend it: Do it." in text
    assert "4 checks: 1 passed, 1 failed, 1 warning, 1 skipped" in text
    assert text.endswith("The partner does not conform: see paging.total")


def test_checks_skipped_for_one_reason_share_it_on_the_terminal() -> None:
    report = make_report("no list")
    skipped = next(each for each in report.results if each.outcome is Outcome.SKIPPED)
    text = as_text(replace(report, results=(skipped, skipped)))
    assert text.count("  skipped  objects.once: A title") == 2
    assert text.count(f"\n           {skipped.text}\n") == 1


def test_the_json_has_every_result_with_its_evidence() -> None:
    shown = check_report(make_report("odd")).shown()
    assert shown["conforms"] is False
    assert shown["counts"] == {"passed": 1, "failed": 1, "warning": 1, "skipped": 1}
    results = shown["results"]
    assert isinstance(results, list)
    assert results[0]["requirements"] == ["TF-15"]
    assert results[0]["evidence"][0]["ms"] == 12


@pytest.mark.parametrize(
    "written",
    [str(TOKEN), authorization(TOKEN), authorization(TOKEN).rstrip("=")],
    ids=["plain", "base64", "unpadded"],
)
def test_the_credentials_token_is_hidden_wherever_it_stands(written: str) -> None:
    body = json.dumps({"data": {"deep": [{"said": f"your {written}"}]}, "token": "other"}).encode()
    asked = Asked("GET", f"https://partner.example/{written}", {}, None, True, True)
    evidence = Mask(TOKEN).evidence(Seen(asked, Answer(200, {"link": written}, body), 0.1))
    whole = repr(evidence)
    assert written.removeprefix("Token ") not in whole
    assert "other" not in whole
    assert whole.count(HIDDEN) >= 4


def test_personal_values_are_hidden_and_evse_uids_are_not() -> None:
    body = json.dumps(
        {
            "data": [
                {"uid": "CARD1", "contract_id": "C-1", "visual_number": "V-1", "type": "RFID"},
                {"cdr_token": {"uid": "CARD2", "contract_id": "C-2"}},
                {"evses": [{"uid": "EVSE1", "status": "AVAILABLE"}]},
            ]
        }
    ).encode()
    text = Mask(TOKEN).evidence(seen_with(body)).body
    assert "EVSE1" in text
    for secret in ("CARD1", "CARD2", "C-1", "C-2", "V-1"):
        assert secret not in text


def test_what_is_no_json_is_shown_only_if_it_is_a_page() -> None:
    mask = Mask(TOKEN)
    assert "<h1>Oops" in mask.evidence(seen_with(b"<h1>Oops</h1>")).body
    assert mask.evidence(seen_with(b'[{"uid": "CARD1"')).body == "16 bytes that are not JSON"


def test_evidence_is_short_however_much_came() -> None:
    body = json.dumps({"data": [{"id": "x" * 10_000}] * 10_000}).encode()
    assert len(Mask(TOKEN).evidence(seen_with(body)).body) <= MAX_BODY + 3
    nested = b'{"data":' * 60 + b"1" + b"}" * 60
    assert "..." in Mask(TOKEN).evidence(seen_with(nested)).body


def test_a_request_without_an_answer_shows_why() -> None:
    asked = Asked("GET", "https://partner.example", {}, None, True, True)
    evidence = Mask(TOKEN).evidence(Seen(asked, NoAnswer("no answer within 10 s"), 10.0))
    assert (evidence.answer, evidence.milliseconds) == ("no answer within 10 s", 10_000)
