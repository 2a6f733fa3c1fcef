"""Status codes and error classes against the specification's table and the error matrix."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ocpi_hub import errors
from ocpi_hub.errors import HubError, OcpiError
from ocpi_hub.ocpi.status_codes import StatusCode, is_client_error, is_success
from tests.support.conformance import load_requirements

# Spec: 2.2.1 status_codes_status_codes, typed from the table and not from the code.
CODES_OF_THE_SPECIFICATION = [
    *[1000],
    *[2000, 2001, 2002, 2003, 2004],
    *[3000, 3001, 3002, 3003],
    *[4000, 4001, 4002, 4003],
]

PAIRS = {
    "InvalidRequest": (200, 2001),
    "MalformedJson": (400, 2001),
    "NotPermitted": (403, 2001),
    "NotOwnUrl": (404, 2001),
    "UnknownForPatch": (404, 2001),
    "BodyTooLarge": (413, 2001),
    "Unauthenticated": (401, 2000),
    "NotFound": (404, 2000),
    "MethodNotAllowed": (405, 2000),
    "UnknownLocation": (404, 2003),
    "UnknownToken": (404, 2004),
    "ServerFault": (200, 3000),
    "Overloaded": (503, 3000),
    "TooManyRequests": (429, 3000),
    "ClientApiUnusable": (200, 3001),
    "UnsupportedVersion": (200, 3002),
    "EndpointsMissing": (200, 3003),
    "HubRoutingError": (200, 4000),
    "UnknownReceiver": (200, 4001),
    "ReceiverTimeout": (200, 4002),
    "ReceiverNotConnected": (200, 4003),
}


def _below(cls: type[HubError]) -> Iterator[type[HubError]]:
    for child in cls.__subclasses__():
        # Modules further up may derive their own; they are tested where they live.
        if child.__module__ == errors.__name__:
            yield child
            yield from _below(child)


OCPI_ERRORS = [cls for cls in _below(HubError) if issubclass(cls, OcpiError)]


@pytest.mark.req("ER-05")
def test_codes_are_those_of_the_specification_once_each() -> None:
    assert [code.value for code in StatusCode] == CODES_OF_THE_SPECIFICATION
    assert len(StatusCode.__members__) == len(CODES_OF_THE_SPECIFICATION)


@pytest.mark.req("ER-06")
def test_custom_ranges_are_not_used() -> None:
    assert not [code for code in StatusCode if code % 1000 >= 900]


@pytest.mark.parametrize(
    ("code", "success", "client_error"),
    [
        (999, False, False),
        (1000, True, False),
        (1999, True, False),
        (2000, False, True),
        (2999, False, True),
        (3000, False, False),
        (4003, False, False),
    ],
)
def test_classes_of_codes_include_the_custom_ranges(
    code: int, success: bool, client_error: bool
) -> None:
    assert (is_success(code), is_client_error(code)) == (success, client_error)


def test_each_error_leaves_with_its_pair() -> None:
    pairs = {cls.__name__: (cls.http_status, cls.status_code) for cls in OCPI_ERRORS}
    pairs.pop("OcpiError")
    assert pairs == PAIRS


def test_every_pair_is_in_the_error_matrix() -> None:
    answers = {answer for case in load_requirements().error for answer in case.answers}
    assert {f"{http}/{code}" for http, code in PAIRS.values()} <= answers
    assert {int(answer.partition("/")[2]) for answer in answers} <= set(CODES_OF_THE_SPECIFICATION)


def test_error_matrix_names_rows_of_the_checklist() -> None:
    requirements = load_requirements()
    known = {row.id for row in requirements.requirement}
    assert {row for case in requirements.error for row in case.rows} <= known


def test_docstring_draws_every_class_at_its_place() -> None:
    assert errors.__doc__ is not None
    drawn = re.findall(r"^([│├└─ ]*)(\w+)  +", errors.__doc__, flags=re.MULTILINE)
    drawn += re.findall(r"^([│├└─ ]+)(ReceiverNotConnected) ", errors.__doc__, flags=re.MULTILINE)
    depths = {name: len(lines) // 4 for lines, name in drawn}
    classes = {cls.__name__: len(cls.__mro__) for cls in _below(HubError)}
    root = len(HubError.__mro__)
    assert depths.pop("HubError") == 0
    assert depths == {name: depth - root for name, depth in classes.items()}


@pytest.mark.parametrize("cls", OCPI_ERRORS, ids=lambda cls: cls.__name__)
def test_drawn_pair_is_the_real_one(cls: type[OcpiError]) -> None:
    assert errors.__doc__ is not None
    drawn = re.search(rf"── {cls.__name__} +(\d+)/(\d+)", errors.__doc__)
    if cls is OcpiError:
        assert drawn is None
    else:
        assert drawn is not None
        assert tuple(map(int, drawn.groups())) == (cls.http_status, cls.status_code)


@pytest.mark.parametrize("cls", OCPI_ERRORS, ids=lambda cls: cls.__name__)
def test_error_has_a_text_and_takes_another(cls: type[OcpiError]) -> None:
    assert str(cls()) == cls.default_message
    error = cls("the relation was removed", headers={"Retry-After": "3"})
    assert (str(error), error.message) == ("the relation was removed",) * 2
    assert error.headers == {"Retry-After": "3"}
    assert cls().headers == {}


def test_default_texts_differ() -> None:
    texts = [cls.default_message for cls in OCPI_ERRORS]
    assert len(set(texts)) == len(texts)
