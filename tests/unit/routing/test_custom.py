"""Who may use a custom module, and with whom."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import pytest

from ocpi_hub.domain.party import (
    InterfaceRole,
    OcpiVersion,
    PartyId,
    Platform,
    PlatformState,
    RelationMode,
    Role,
)
from ocpi_hub.errors import (
    HubRoutingError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotPermitted,
    OcpiError,
    ReceiverNotConnected,
    UnknownReceiver,
)
from ocpi_hub.routing.custom import MAX_SEGMENTS, custom_module, custom_target, require_own_url
from ocpi_hub.routing.route import ToParty
from tests.support.factories import CPO, EMSP, HUB, make_directory, make_message, make_platform

MODULE = "nltnm-tokens"
BASE = "https://partner.example/custom"
SENDER, RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER
BOTH = {(MODULE, SENDER): f"{BASE}/s", (MODULE, RECEIVER): f"{BASE}/r"}


def taking_part(party: PartyId, role: Role, **changes: object) -> Platform:
    platform = make_platform((party, role), endpoints=BOTH)
    return replace(platform, custom_modules=frozenset({MODULE}), **changes)  # type: ignore[arg-type] # the changes are a test's own


CPO_SIDE, EMSP_SIDE = taking_part(CPO, Role.CPO), taking_part(EMSP, Role.EMSP)


def decided(
    sender: Platform = CPO_SIDE,
    receiver: Platform = EMSP_SIDE,
    *,
    to: PartyId | None = EMSP,
    method: str = "POST",
    path: tuple[str, ...] = ("a",),
    relation: RelationMode = RelationMode.REALTIME,
) -> ToParty:
    message = make_message(sender, CPO, to=to, module=MODULE, method=method, path=path, body=b"{}")
    return custom_target(message, make_directory(sender, receiver, default_relation=relation))


@pytest.mark.req("VE-12")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_to_alone_says_who_receives_whatever_the_method(method: str) -> None:
    assert decided(method=method) == ToParty(EMSP, EMSP_SIDE, online=True)


REFUSED: dict[str, tuple[dict[str, object], type[OcpiError], tuple[int, int]]] = {
    "no TO": ({"to": None}, UnknownReceiver, (200, 4001)),
    "TO is the hub": ({"to": HUB}, UnknownReceiver, (200, 4001)),
    "TO is unknown": ({"to": PartyId("FR", "NOT")}, UnknownReceiver, (200, 4001)),
    "no relation": ({"relation": RelationMode.NONE}, ReceiverNotConnected, (200, 4003)),
    "receiver suspended": (
        {"receiver": taking_part(EMSP, Role.EMSP, state=PlatformState.SUSPENDED)},
        ReceiverNotConnected,
        (200, 4003),
    ),
    "not agreed on with the sender": (
        {"sender": replace(CPO_SIDE, custom_modules=frozenset())},
        NotFound,
        (404, 2000),
    ),
    "not announced by the sender": (
        {"sender": replace(CPO_SIDE, endpoints={})},
        NotPermitted,
        (403, 2001),
    ),
    "not agreed on with the receiver": (
        {"receiver": replace(EMSP_SIDE, custom_modules=frozenset())},
        HubRoutingError,
        (200, 4000),
    ),
    "not announced by the receiver": (
        {"receiver": replace(EMSP_SIDE, endpoints={(MODULE, SENDER): BASE})},
        HubRoutingError,
        (200, 4000),
    ),
    "receiver of another version": (
        {"receiver": replace(EMSP_SIDE, version=OcpiVersion("2.3.0"))},
        HubRoutingError,
        (200, 4000),
    ),
    "no method of OCPI": ({"method": "OPTIONS"}, MethodNotAllowed, (405, 2000)),
}


@pytest.mark.req("VE-12", "VE-11", "RT-12", "RT-15", "RT-20")
@pytest.mark.parametrize("case", REFUSED)
def test_everything_else_is_refused(case: str) -> None:
    arguments, kind, codes = REFUSED[case]
    with pytest.raises(kind) as error:
        decided(**arguments)  # type: ignore[arg-type] # the arguments of one case each
    assert type(error.value) is kind
    assert (error.value.http_status, error.value.status_code) == codes


@pytest.mark.req("VE-11")
def test_whether_others_have_agreed_on_a_module_is_not_told_to_strangers_to_it() -> None:
    """Not even by another answer to a method that does not exist."""
    stranger = replace(CPO_SIDE, custom_modules=frozenset({"nltnm-other"}))
    with pytest.raises(NotFound, match="no such module"):
        decided(sender=stranger, method="OPTIONS")


@pytest.mark.parametrize(
    "segment",
    [
        "..", ".", "../..", "..\\credentials", "a/../b", "%2e%2e", "..%2f..",
        "%2e%2e%2fcredentials", "..;", "..;x=1", "a/..;/b", "%252e%252e", "%25252525",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_module(segment: str) -> None:
    for path in ((segment,), ("a", segment, "b")):
        with pytest.raises(InvalidRequest):
            decided(path=path)


@pytest.mark.parametrize(
    "segment", ["...", "a..b", ".well-known", "A/1", "#", "100%", "%2F", "Zürich", "a;b", "x y"]
)
def test_what_only_looks_like_it_passes(segment: str) -> None:
    assert decided(path=(segment,)).receiver == EMSP


@pytest.mark.parametrize(
    ("others", "path", "allowed"),
    [
        ({"credentials": f"{BASE}/r/credentials"}, "/credentials", False),
        ({"credentials": f"{BASE}/r/credentials"}, "/Credentials/x", False),
        ({"credentials": f"{BASE}/r/credentials"}, "/credentials%2F", False),
        ({"credentials": f"{BASE}/r/credentials"}, "/%5Ccredentials%3Bx", False),
        ({"credentials": f"{BASE}/r/a/credentials"}, "/a%2F%2Fcredentials", False),
        ({"tokens": f"{BASE}/r/tokens/"}, "/tokens/DE/MSP/1", False),
        ({"tokens": f"{BASE}/r/tokens/"}, "/tokenship", True),
        ({"tokens": f"{BASE}/r"}, "/tokens", True),
        ({"credentials": f"{BASE}/r/"}, "/a", False),
        ({"credentials": f"{BASE}/credentials"}, "/credentials", True),
        ({"credentials": "https://partner.example"}, "/a", True),
        # As sent: a server that decodes twice, or that is called by its other names.
        ({"credentials": f"{BASE}/r/credentials"}, "/credential%2573", False),
        ({"credentials": f"{BASE}/r/credentials"}, "/credential%252573", False),
        (
            {"credentials": "https://partner.example:443/custom/r/credentials"},
            "/credentials",
            False,
        ),
        ({"credentials": "https://Partner.Example.:/custom/r/credentials"}, "/credentials", False),
        (
            {"credentials": "https://partner.example:8443/custom/r/credentials"},
            "/credentials",
            True,
        ),
        ({"credentials": f"{BASE}/r?module=credentials"}, "", False),
    ],
)
def test_another_modules_urls_are_not_reached_below_a_custom_module(
    others: dict[str, str], path: str, allowed: bool
) -> None:
    endpoints = BOTH | {(name, SENDER): url for name, url in others.items()}
    platform = replace(EMSP_SIDE, endpoints=endpoints)
    message = make_message(CPO_SIDE, CPO, to=EMSP, module=MODULE)
    target = ToParty(EMSP, platform, online=True)
    if allowed:
        require_own_url(f"{BASE}/r{path}", message, target)
    else:
        with pytest.raises(NotPermitted, match="another module"):
            require_own_url(f"{BASE}/r{path}", message, target)


def test_a_path_has_a_bounded_number_of_segments() -> None:
    assert decided(path=("a",) * MAX_SEGMENTS).receiver == EMSP
    with pytest.raises(InvalidRequest, match="segments"):
        decided(path=("a",) * (MAX_SEGMENTS + 1))


def test_a_long_url_is_read_once_however_many_endpoints_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def counting(text: str) -> str:
        read.append(text)
        return unquote(text)

    monkeypatch.setattr("ocpi_hub.routing.custom.unquote", counting)
    endpoints = BOTH | {(f"m{number}", SENDER): f"{BASE}/r/m{number}" for number in range(200)}
    target = ToParty(EMSP, replace(EMSP_SIDE, endpoints=endpoints), online=True)
    url = f"{BASE}/r/{'%25a;/' * 2000}"
    require_own_url(url, make_message(CPO_SIDE, CPO, to=EMSP, module=MODULE), target)
    assert sum(len(text) > 5000 for text in read) < 5


@pytest.mark.parametrize(
    ("versions_url", "allowed"),
    [(f"{BASE}/r/versions", False), ("https://partner.example/custom", True)],
)
def test_the_versions_url_is_not_reached_either(versions_url: str, allowed: bool) -> None:
    target = ToParty(EMSP, replace(EMSP_SIDE, versions_url=versions_url), online=True)
    message = make_message(CPO_SIDE, CPO, to=EMSP, module=MODULE)
    if allowed:
        require_own_url(f"{BASE}/r/versions", message, target)
    else:
        with pytest.raises(NotPermitted):
            require_own_url(f"{BASE}/r/versions", message, target)


@pytest.mark.req("VE-11")
@pytest.mark.parametrize("text", ["nltnm-tokens", "NLTNM-Tokens", "a", "x.y_z-1", "a" * 100])
def test_identifiers_are_folded_as_announced_ones_are(text: str) -> None:
    assert custom_module(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    ["", "-a", "a-", "a/b", "a b", "ä", "a" * 101, "tokens", "CREDENTIALS", "versions", "other",
     "hubclientinfo", "a\n"],
)  # fmt: skip
def test_what_is_no_custom_module_cannot_be_agreed_on(text: str) -> None:
    with pytest.raises(ValueError, match=r"module"):
        custom_module(text)
