"""What names a driver is hidden from those who only look; all the rest stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast, get_args
from unittest.mock import Mock

import pytest

from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.personal import Personal, Privacy, marked_fields
from ocpi_hub.admin.routes import all_routes
from ocpi_hub.admin.views.answers import AnswerView
from ocpi_hub.admin.views.authorizations import AuthorizationItem
from ocpi_hub.admin.views.base import Page, View
from ocpi_hub.admin.views.cdrs import CdrItem, OtherContentView
from ocpi_hub.authorization.protocols import DecidedBy
from ocpi_hub.domain.objects import DirectedState


def mac(text: str) -> str:
    return f"{sum(text.encode()):016x}"


PRIVACY = Privacy(mac, frozenset({"licence"}))
UID = "04aabb"
HIDDEN = f"~{mac(UID.upper())}"


def item(uid: str) -> AuthorizationItem:
    return AuthorizationItem(
        at="2026-10-01T08:00:00Z",
        uid=uid,
        cpo="NL*CPO",
        emsp="DE*MSP",
        decided_by=DecidedBy.EMSP,
        reason="answered",
        allowed="ALLOWED",
        reference="R-1",
        legs_ms={"DE*MSP": 2.0},
        late=(),
        linked_by=None,
        correlation_id="c",
        total_ms=2.5,
    )


def test_a_value_is_the_same_however_it_is_written_and_however_often_it_is_hidden() -> None:
    assert PRIVACY.name(UID) == PRIVACY.name("04AaBb") == HIDDEN
    assert PRIVACY.name(HIDDEN) == HIDDEN
    assert PRIVACY.name("~erased") == "~erased"
    assert PRIVACY.name("~mine") != "~mine"


def test_a_list_hides_the_value_of_each_item_and_nothing_else() -> None:
    shown: Page[AuthorizationItem] = PRIVACY.view(Page(items=(item(UID), item("other")), next=None))
    first, second = shown.items
    assert first.uid == HIDDEN
    assert second.uid != "other"
    assert first == item(UID).model_copy(update={"uid": HIDDEN})


def test_views_without_such_fields_are_handed_on_untouched() -> None:
    page: Page[AuthorizationItem] = Page(items=(), next="n")
    assert PRIVACY.view(page) is page


@pytest.mark.parametrize(
    ("body", "hidden"),
    [
        ({"cdr_token": {"uid": UID, "type": "APP_USER"}},
         {"cdr_token": {"uid": HIDDEN, "type": "APP_USER"}}),
        ({"UID": UID}, {"UID": HIDDEN}),
        ({"evses": [{"uid": "E1", "status": "AVAILABLE"}]}, None),
        ({"licence": UID, "id": "CDR-1"}, {"licence": HIDDEN, "id": "CDR-1"}),
        ({"signed_data": {"signed_values": [{"plain_data": UID, "nature": "Start"}]}},
         {"signed_data": {"signed_values": [{"plain_data": HIDDEN, "nature": "Start"}]}}),
        ({"uid": 4711}, {"uid": f"~{mac('4711')}"}),
        ({"uid": {"contract_id": UID}}, {"uid": {"contract_id": HIDDEN}}),
        ({"kwh": 1.25, "contract_id": None}, None),
        ({"uid": UID, "type": "RFID", "status": "OK"},
         {"uid": HIDDEN, "type": "RFID", "status": "OK"}),
        ({"uid": [UID, {"contract_id": UID}]}, {"uid": [HIDDEN, {"contract_id": HIDDEN}]}),
        ({"licence": {"of": UID}}, {"licence": "~"}),
        ({"licence": [UID, {"of": UID}]}, {"licence": [HIDDEN, "~"]}),
    ],
    ids=["token", "case", "evse", "configured", "signed", "number", "object", "nothing",
         "token with a status", "list", "configured object", "configured list"],
)  # fmt: skip
def test_a_text_hides_what_names_a_driver(
    body: dict[str, object], hidden: dict[str, object] | None
) -> None:
    text = json.dumps(body)
    assert json.loads(PRIVACY.text(text)) == (body if hidden is None else hidden)
    view = PRIVACY.view(OtherContentView(at=None, kind="conflict", version=1, body=text))
    assert json.loads(view.body) == (body if hidden is None else hidden)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"unknown card {UID}", f"unknown card {HIDDEN}"),
        (f"unknown card {UID.upper()}!", f"unknown card {HIDDEN}!"),
        (f"x{UID}x, C-1 and C-12", f"x{HIDDEN}x, ~{mac('C-1')} and C-12"),
        ("HTTP 400, no such tariff", "HTTP 400, no such tariff"),
    ],
    ids=["as it is", "in capitals", "within a word", "nothing"],
)
def test_words_of_others_hide_what_they_quote_of_the_same_object(text: str, hidden: str) -> None:
    answer = AnswerView(http=400, ocpi=2001, message=text)
    shown = CdrItem(
        owner="NL*CPO", id=f"CDR-{UID}", receiver="DE*MSP", state=DirectedState.REFUSED,
        attempts=1, next_attempt_at=None, last_answer=answer, reason=text, card=(UID, "C-1", ""),
    )  # fmt: skip
    page: Page[CdrItem] = PRIVACY.view(Page(items=(shown,), next=None))
    [item] = page.items
    assert item.last_answer is not None
    assert item.last_answer.message == item.reason == hidden
    assert item.id == shown.id
    assert "card" not in item.shown()
    assert "C-1'" not in repr(item)
    # Of an object that names nobody nothing is known that could be quoted.
    assert PRIVACY.view(answer) is answer


def test_a_page_that_reads_a_body_hides_words_only() -> None:
    body = json.dumps({"uid": UID})
    other = OtherContentView(at=None, kind="conflict", version=1, body=body)
    assert PRIVACY.quotes(other) is other


@pytest.mark.parametrize(
    "body",
    ["<html>", '{"uid": "04AA', "[" * 100_000, '{"a":' * 900 + f'{{"uid": "{UID}"}}' + "}" * 900],
    ids=["no JSON", "cut", "nothing but depth", "deep"],
)
def test_of_what_cannot_be_read_nothing_is_told(body: str) -> None:
    assert PRIVACY.text(body) == "~"


def test_a_number_that_is_too_long_hides_nothing_else() -> None:
    text = PRIVACY.text(f'{{"n": {"9" * 5000}, "uid": "{UID}"}}')
    assert json.loads(text) == {"n": "9" * 5000, "uid": HIDDEN}


NAMES = ("uid", "contract_id", "visual_number", "group_id")


def models(annotation: object) -> Iterator[type[View]]:
    """Views in a type."""
    if isinstance(annotation, type) and issubclass(annotation, View):
        yield annotation
    for each in get_args(annotation):
        yield from models(each)


def shown_by_routes() -> set[type[View]]:
    waiting = [route.result for route in all_routes(cast(AdminParts, Mock()))]
    found: set[type[View]] = set()
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            for field in kind.model_fields.values():
                waiting += models(field.annotation)
    return found


def test_whatever_is_called_like_that_in_a_result_is_marked() -> None:
    """So no route can forget to hide it."""
    found = {
        (kind.__name__, name): mark
        for kind in shown_by_routes()
        for name, mark in marked_fields(kind)
        if name in NAMES
    }
    assert ("TokenItem", "contract_id") in found
    assert set(found.values()) == {Personal.NAME}
