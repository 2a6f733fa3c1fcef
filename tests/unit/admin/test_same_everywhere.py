"""What commands and the console do, the admin API does; and whatever changes something is noted.

Whoever adds a command, a page or a route says here what it goes with, or why it goes alone.
"""

from __future__ import annotations

import argparse
import types
from collections.abc import Iterator, Mapping
from typing import Any, cast
from unittest.mock import Mock

import pytest

from ocpi_hub.admin.acting import change
from ocpi_hub.admin.parts import AdminParts
from ocpi_hub.admin.routes import all_routes
from ocpi_hub.admin.routes.base import API, AnyRoute
from ocpi_hub.cli.main import CommandParser, build_parser
from ocpi_hub.console.page import Page
from ocpi_hub.console.pages import all_pages

ALONE = "-"
"""Begins a reason why there is no route."""

COMMANDS: Mapping[str, str] = {
    "serve": "- it is what serves the API",
    "migrate": "- the API needs the schema first",
    "backup": "- it writes a file on this machine, larger than a request takes",
    "restore": "- it fills an empty database, in which there is no key yet",
    "check-config": "- it reads the file and the environment of this machine",
    "ready": "- it asks /readyz, for which no key is needed",
    "party run": "- it is a program of its own, no part of the hub",
    "party invite": "- the same",
    "platform invite": "POST platforms",
    "platform connect": "POST connections",
    "platform list": "GET platforms",
    "platform by-file": "POST file-platforms",
    "platform show": "GET platforms/{platform}",
    "platform suspend": "POST platforms/{platform}/suspend",
    "platform resume": "POST platforms/{platform}/resume",
    "platform rotate": "POST platforms/{platform}/rotate",
    "platform quality": "GET quality",
    "platform remove": "DELETE platforms/{platform}",
    "platform set": "PATCH platforms/{platform}",
    "relation set": "PATCH relations/{cpo}/{emsp}",
    "relation rules": "PATCH relations/{cpo}/{emsp}/rules",
    "relation list": "GET relations",
    "authorization list": "GET authorizations",
    "whitelist schedule": "PUT platforms/{platform}/whitelist-schedule",
    "whitelist pull": "POST platforms/{platform}/whitelist-runs",
    "whitelist runs": "GET whitelist-runs",
    "whitelist confirm": "POST whitelist-runs/{run}/confirm",
    "whitelist discard": "POST whitelist-runs/{run}/discard",
    "whitelist export": "GET token-export",
    "whitelist import": "POST token-imports",
    "token search": "GET tokens",
    "token erase": "POST tokens/erase",
    "cdr list": "GET cdrs",
    "cdr show": "GET cdrs/{owner}/{id}",
    "cdr redrive": "POST cdrs/redrive",
    "cdr release": "POST cdrs/{owner}/{id}/release",
    "cdr refuse": "POST cdrs/{owner}/{id}/refuse",
    "cdr confirm": "POST cdrs/{owner}/{id}/confirm",
    "cdr dispute open": "POST cdrs/{owner}/{id}/dispute",
    "cdr dispute answer": "POST cdrs/{owner}/{id}/dispute/answer",
    "cdr dispute close": "POST cdrs/{owner}/{id}/dispute/close",
    "cdr dispute list": "GET cdr-disputes",
    "cdr conflicts": "GET cdr-conflicts",
    "cdr gaps": "GET cdr-gaps",
    "cdr price": "POST cdrs/price",
    "cdr meter": "POST cdrs/meter",
    "cdr check": "POST cdrs/check",
    "cdr export": "GET cdr-export",
    "cdr import": "POST cdr-imports",
    "cdr imports": "GET file-imports",
    "cdr runs": "GET cdr-runs",
    "statement": "POST statements/{month}/{cpo}/{emsp}/close",
    "report thg": "GET reports/thg/{year}",
    "report energy": "GET reports/energy/{month}",
    "report ledger": "GET reports/ledger",
    "session list": "GET sessions",
    "session show": "GET sessions/{owner}/{id}",
    "check": "POST checks",
    "message list": "GET messages",
    "admin create": "POST accounts",
    "admin account create": "POST accounts",
    "admin account list": "GET accounts",
    "admin account disable": "POST accounts/{account}/disable",
    "admin account enable": "POST accounts/{account}/enable",
    "admin account reset": "POST accounts/{account}/reset",
    "admin audit": "GET audit",
    "admin key create": "POST keys",
    "admin key list": "GET keys",
    "admin key revoke": "DELETE keys/{key}",
}

PAGES: Mapping[str, str] = {
    "GET /": "GET overview",
    "GET /traffic": "GET traffic",
    "GET /platforms": "GET platforms",
    "GET /platforms/{platform}": "GET platforms/{platform}",
    "POST /platforms/{platform}/suspend": "POST platforms/{platform}/suspend",
    "POST /platforms/{platform}/resume": "POST platforms/{platform}/resume",
    "POST /platforms/{platform}/set": "PATCH platforms/{platform}",
    "GET /onboarding": "GET handshakes",
    "POST /onboarding/invite": "POST platforms",
    "POST /onboarding/connect": "POST connections",
    "POST /onboarding/by-file": "POST file-platforms",
    "GET /onboarding/attempts/{attempt}": "GET handshakes/{attempt}",
    "GET /platforms/{platform}/onboarding": "GET platforms/{platform}/handshake",
    "POST /platforms/{platform}/invitation": "POST platforms/{platform}/invitation",
    "POST /platforms/{platform}/rotate": "POST platforms/{platform}/rotate",
    "POST /platforms/{platform}/revoke": "POST platforms/{platform}/rotate",
    "POST /platforms/{platform}/remove": "DELETE platforms/{platform}",
    "GET /platforms/{platform}/onboarding/relations": "GET relations",
    "POST /platforms/{platform}/onboarding/relations": "PATCH relations/{cpo}/{emsp}",
    "GET /platforms/{platform}/checks": "GET platforms/{platform}/checks",
    "POST /platforms/{platform}/checks": "POST platforms/{platform}/checks",
    "GET /platforms/{platform}/checks/{run}": "GET platforms/{platform}/checks/{run}",
    "POST /platforms/{platform}/accounts": "POST accounts",
    "GET /relations": "GET relations",
    "GET /relations/{cpo}/{emsp}": "GET relations/{cpo}/{emsp}",
    "POST /relations/{cpo}/{emsp}": "PATCH relations/{cpo}/{emsp}",
    "GET /locations": "GET location-points",
    "GET /locations/points": "GET location-points",
    "GET /locations/list": "GET locations",
    "GET /locations/{owner}/{location}": "GET locations/{owner}/{id}/standing",
    "GET /relations/{cpo}/{emsp}/rules": "GET relations/{cpo}/{emsp}/rules",
    "POST /relations/{cpo}/{emsp}/rules/weights": "PATCH relations/{cpo}/{emsp}/rules",
    "POST /relations/{cpo}/{emsp}/rules/limits": "PATCH relations/{cpo}/{emsp}/rules",
    "GET /authorizations": "GET authorizations",
    "GET /authorizations/{at}/{correlation_id}": "GET authorizations/{at}/{correlation_id}",
    "GET /sessions": "GET sessions",
    "GET /sessions/{owner}/{id}": "GET sessions/{owner}/{id}",
    "GET /cdrs": "GET cdrs",
    "GET /cdrs/waiting": "- the beginnings of lists: CDRs, disputes, conflicts, gaps",
    "POST /cdrs/redrive": "POST cdrs/redrive",
    "POST /cdrs/check": "POST cdrs/check",
    "GET /cdrs/{owner}/{id}": "GET cdrs/{owner}/{id}",
    "POST /cdrs/{owner}/{id}/release": "POST cdrs/{owner}/{id}/release",
    "POST /cdrs/{owner}/{id}/refuse": "POST cdrs/{owner}/{id}/refuse",
    "POST /cdrs/{owner}/{id}/confirm": "POST cdrs/{owner}/{id}/confirm",
    "POST /cdrs/{owner}/{id}/redrive": "POST cdrs/{owner}/{id}/redrive",
    "POST /cdrs/{owner}/{id}/dispute": "POST cdrs/{owner}/{id}/dispute",
    "POST /cdrs/{owner}/{id}/dispute/answer": "POST cdrs/{owner}/{id}/dispute/answer",
    "POST /cdrs/{owner}/{id}/dispute/close": "POST cdrs/{owner}/{id}/dispute/close",
    "GET /disputes": "GET cdr-disputes",
    "GET /conflicts": "GET cdr-conflicts",
    "GET /gaps": "GET cdr-gaps",
    "GET /messages": "GET messages",
    "GET /messages/{correlation_id}": "GET messages/{correlation_id}",
    "GET /lanes": "GET lanes",
    "GET /lanes/{receiver}/{module}": "GET lanes/{receiver}/{module}",
    "POST /lanes/{receiver}/{module}/hasten": "POST lanes/{receiver}/{module}/hasten",
    "GET /tokens": "GET tokens",
    "GET /tokens/{serial}": "GET tokens/{serial}",
    "POST /tokens/{serial}/erase": "POST tokens/erase",
    "GET /whitelist": "GET whitelist-runs",
    "GET /whitelist-ages": "GET whitelist-ages",
    "GET /whitelist/{run}": "GET whitelist-runs/{run}",
    "POST /whitelist/{run}/confirm": "POST whitelist-runs/{run}/confirm",
    "POST /whitelist/{run}/discard": "POST whitelist-runs/{run}/discard",
    "GET /whitelist-schedules": "GET whitelist-schedules",
    "GET /whitelist-schedules/{platform}": "GET platforms/{platform}/whitelist-schedule",
    "POST /whitelist-schedules/{platform}/set": "PUT platforms/{platform}/whitelist-schedule",
    "POST /whitelist-schedules/{platform}/read": "POST platforms/{platform}/whitelist-runs",
    "GET /imports": "GET file-imports",
    "GET /cdr-batches": "GET cdr-runs",
    "GET /imports/{id}": "GET file-imports/{id}",
    "POST /imports/tokens": "POST token-imports",
    "POST /imports/cdrs": "POST cdr-imports",
    "GET /statements": "GET statements/{month}",
    "GET /statements/{month}/{cpo}/{emsp}": "GET statements/{month}/{cpo}/{emsp}",
    "GET /statements/{month}/{cpo}/{emsp}/csv": "GET statements/{month}/{cpo}/{emsp}/lines",
    "GET /statements/{month}/{cpo}/{emsp}/print": "GET statements/{month}/{cpo}/{emsp}",
    "POST /statements/{month}/{cpo}/{emsp}/close": "POST statements/{month}/{cpo}/{emsp}/close",
    "POST /statements/{month}/{cpo}/{emsp}/recheck": "GET statements/{month}/{cpo}/{emsp}/recheck",
    "GET /reports": "- it leads to the reports that there are",
    "GET /reports/thg": "GET reports/thg/{year}",
    "GET /reports/thg.csv": "GET reports/thg/{year}",
    "GET /audit": "GET audit",
    "GET /audit/{entry}": "GET audit/{entry}",
    "GET /accounts": "GET accounts",
    "POST /accounts": "POST accounts",
    "GET /accounts/{account}": "GET accounts/{account}",
    "POST /accounts/{account}/disable": "POST accounts/{account}/disable",
    "POST /accounts/{account}/enable": "POST accounts/{account}/enable",
    "POST /accounts/{account}/reset": "POST accounts/{account}/reset",
    "GET /login": "- keys do not log in",
    "POST /login": "- keys do not log in, and it changes nothing but who looks",
    "POST /logout": "- the same",
    "GET /password": "- an account's own password is a matter of its holder",
    "POST /password": "- the same",
}
"""Without those that send a part of a page again and again."""

LIVE = "/live"


def routes() -> dict[str, AnyRoute]:
    """By method and path below the API."""
    parts = cast(AdminParts, Mock())
    return {
        f"{route.method} {route.template.removeprefix(f'{API}/')}": route
        for route in all_routes(parts)
    }


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that does something."""

    def below(
        parser: argparse.ArgumentParser, names: tuple[str, ...]
    ) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        if isinstance(parser, CommandParser):
            parser.complete()
        # argparse has no other way to tell.
        groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
        if not groups:
            yield " ".join(names), parser
        for group in groups:
            for name, inner in group.choices.items():
                yield from below(inner, (*names, name))

    return below(build_parser(), ())


def pages() -> dict[str, Page]:
    return {
        f"{page.method} {page.path}": page for page in all_pages() if not page.path.endswith(LIVE)
    }


def reaches_change(start: object) -> bool:
    """Whether a function leads to the audit log: by what it names, and what that names."""
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        each = waiting.pop()
        if each is change:
            return True
        if id(each) in seen or not isinstance(each, types.FunctionType):
            continue
        seen.add(id(each))
        waiting += _named(each)
        if wrapped := getattr(each, "__wrapped__", None):
            waiting.append(wrapped)
    return False


def _named(function: types.FunctionType) -> Iterator[object]:
    """Functions of the hub that stand in a function's code."""
    names = set(_names(function.__code__))
    known = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        known[name] = cell.cell_contents
        names.add(name)
    for name in names & known.keys():
        found = known[name]
        yield found
        if isinstance(found, type | types.ModuleType) and _is_ours(found):
            yield from (getattr(found, inner) for inner in names if hasattr(found, inner))


def _is_ours(found: type | types.ModuleType) -> bool:
    name = found.__module__ if isinstance(found, type) else found.__name__
    return name.startswith("ocpi_hub.")


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _names(each)


def test_every_command_has_a_route_or_a_reason() -> None:
    assert {name for name, _ in commands()} == set(COMMANDS)


def test_every_page_and_deed_of_the_console_has_a_route_or_a_reason() -> None:
    assert set(pages()) == set(PAGES)


@pytest.mark.parametrize("table", [COMMANDS, PAGES], ids=["commands", "pages"])
def test_what_is_named_is_served_or_explained(table: Mapping[str, str]) -> None:
    served = routes()
    for name, told in table.items():
        assert told.startswith(f"{ALONE} ") or told in served, name


@pytest.mark.parametrize("name", [name for name, route in routes().items() if route.changes])
def test_a_route_that_changes_something_notes_it(name: str) -> None:
    assert reaches_change(routes()[name].handler)


@pytest.mark.parametrize(
    "name", [name for name, told in COMMANDS.items() if told in routes() and routes()[told].changes]
)
def test_a_command_that_changes_something_notes_it(name: str) -> None:
    run: Any = dict(commands())[name].get_default("run")
    assert reaches_change(run)


@pytest.mark.parametrize(
    "name", [name for name, told in PAGES.items() if told in routes() and routes()[told].changes]
)
def test_a_deed_that_changes_something_notes_it(name: str) -> None:
    assert reaches_change(pages()[name].handler)


def test_what_only_looks_says_so() -> None:
    """Looking leads to no entry; so what is found to note something does."""
    looks = [name for name, route in routes().items() if not route.changes]
    assert [name for name in looks if reaches_change(routes()[name].handler)] == []


def test_a_password_that_its_holder_changes_is_noted() -> None:
    assert reaches_change(pages()["POST /password"].handler)
