"""The table of pages, the texts, and what is served beside them."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from ocpi_hub.admin.accounts import AccountRole, Secret, checked_account_name, checked_password
from ocpi_hub.admin.acting import without_secrets
from ocpi_hub.admin.keys import Scope
from ocpi_hub.admin.viewer import Viewer
from ocpi_hub.console.assets import Assets
from ocpi_hub.console.lists import ListPage
from ocpi_hub.console.logins import inside
from ocpi_hub.console.pages import all_pages
from ocpi_hub.console.texts import t
from ocpi_hub.domain.party import PartyId, PlatformId, PlatformState
from ocpi_hub.registration.failures import Failure
from ocpi_hub.registration.steps import StepName

CONSOLE = Path(str(resources.files("ocpi_hub.console")))
PARTNER = Viewer(
    "a-1", "x", AccountRole.PARTNER, PlatformId("p-1"), frozenset({PartyId("NL", "CPO")})
)


def owner(handler: object) -> object:
    """The list or story whose method a handler is."""
    return getattr(handler, "__self__", None)


def test_every_page_has_a_path_of_its_own() -> None:
    rows = [(page.method, page.path) for page in all_pages()]
    assert len(set(rows)) == len(rows)


def test_pages_for_everybody_are_few() -> None:
    """Whatever is public, or needs no scope, is about the visitor only."""
    open_to_all = {page.path for page in all_pages() if page.needs is None}
    assert open_to_all == {"/login", "/logout", "/password"}
    deeds_of_partners = {p.path for p in all_pages() if p.partner and p.method == "POST"}
    assert deeds_of_partners <= {"/logout", "/password", "/platforms/{platform}/checks"}


def test_every_text_that_is_used_exists() -> None:
    used = set()
    for file in [*CONSOLE.rglob("*.py"), *CONSOLE.rglob("*.html")]:
        used |= set(re.findall(r'\bt\(\s*"([a-z_]+\.[a-z0-9_]+)"', file.read_text()))
    assert len(used) > 50
    assert used <= t.names()


def test_every_list_says_what_would_be_in_it() -> None:
    lists = [each for page in all_pages() if isinstance(each := owner(page.handler), ListPage)]
    assert len(lists) > 15
    for name in ("title", "intro", "empty"):
        assert {f"{each.area}.{name}" for each in lists} <= t.names()


def test_templates_have_neither_scripts_nor_styles_of_their_own() -> None:
    for file in CONSOLE.rglob("*.html"):
        text = file.read_text()
        assert not re.search(
            r"<script(?! src=)|<style| style=| on[a-z]+=|\|\s*safe|autoescape", text
        )
        assert not re.search(r"""(src|href)=["']https?:""", text)


def test_assets_are_known_by_their_content() -> None:
    assets = Assets()
    _, _, _, digest, name = assets.url("console.css").split("/")
    assert assets.find(digest, name) is not None
    assert assets.find("0" * 16, name) is None
    assert assets.find(digest, "../texts.py") is None


def test_a_partner_sees_its_platform_and_parties() -> None:
    assert PARTNER.sees_platform("p-1")
    assert not PARTNER.sees_platform("p-2")
    assert not PARTNER.sees_platform(None)
    assert PARTNER.sees_party("DE*MSP", "nl*cpo")
    assert not PARTNER.sees_party("DE*MSP", None, "nonsense")
    assert not PARTNER.may(Scope.READ)


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        (AccountRole.ADMIN, set(Scope)),
        (AccountRole.OPERATOR, {Scope.READ, Scope.OPERATE}),
        (AccountRole.VIEWER, {Scope.READ}),
        (AccountRole.PARTNER, set()),
    ],
)
def test_roles_include_scopes(role: AccountRole, scopes: set[Scope]) -> None:
    viewer = Viewer("a-1", "x", role)
    assert {scope for scope in Scope if viewer.may(scope)} == scopes


@pytest.mark.parametrize("password", ["short", "a" * 201, "aaaaaaaaaaaaaaa", "anna.the.admin"])
def test_poor_passwords_are_refused(password: str) -> None:
    with pytest.raises(ValueError, match="password"):
        checked_password(password, "Anna.The.Admin")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a" * 101, "a\0b"])
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        checked_account_name(name)


def test_secrets_stay_out_of_logs_and_of_the_audit_log() -> None:
    assert "hidden" not in repr(Secret("hidden"))
    shown = {"key": "k-1", "secret": "hidden", "more": [{"token": "hidden", "password": "hidden"}]}
    assert without_secrets(shown) == {"key": "k-1", "more": [{}]}


@pytest.mark.parametrize(
    "path", [None, "", "x", "//evil.example", "/\\evil", "/a\\b", "https://evil.example", "/a\nb"]
)
def test_only_paths_of_the_console_are_gone_on_to(path: str | None) -> None:
    assert inside(path) == "/"
    assert inside("/platforms?q=x") == "/platforms?q=x"


def test_every_step_and_failure_of_a_handshake_has_words() -> None:
    names = t.names()
    assert {f"onboarding.hint_{failure}" for failure in Failure} <= names
    assert {f"onboarding.step_{step}" for step in StepName} <= names
    ours = set(StepName) - {StepName.CAME, StepName.CREDENTIALS_CAME}
    assert {f"onboarding.step_{step}_failed" for step in ours} <= names
    stuck = set(PlatformState) - {PlatformState.CONNECTED, PlatformState.BY_FILE}
    assert {f"onboarding.missing_{state}" for state in stuck} <= names
