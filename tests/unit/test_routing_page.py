"""docs/routing.md says what the code does."""

from __future__ import annotations

import pytest

from ocpi_hub.domain.party import InterfaceRole
from ocpi_hub.routing.custom import METHODS
from ocpi_hub.routing.rules import RULES
from tests.support import routing_page
from tests.support.factories import CPO, EMSP
from tests.support.routing_examples import Example, examples
from tests.support.routing_page import PAGE, outcome

DEFINED = [
    (rules.module, role, method)
    for rules in RULES.values()
    for role in InterfaceRole
    for method in sorted(rules.methods[role])
]


async def test_the_page_is_current() -> None:
    shown = PAGE.read_text(encoding="utf-8")
    assert await routing_page.page() == shown, "run `make docs`"


def test_every_method_of_every_module_is_shown() -> None:
    shown = {(example.module, example.role, example.method) for example in examples()}
    assert shown == set(DEFINED)


@pytest.mark.req("ER-08")
@pytest.mark.parametrize("module", RULES)
async def test_whatever_is_not_shown_is_answered_405(module: str) -> None:
    rules = RULES[module]
    for role in InterfaceRole:
        for method in set(METHODS) - rules.methods[role]:
            example = Example(rules.module, role, method, "", ("NL", "CPO", "1"))
            other = EMSP if example.sender == CPO else CPO
            assert await outcome(example, other) == "405"
