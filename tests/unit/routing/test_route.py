"""The routing decision, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocpi_hub.domain.party import (
    InterfaceRole,
    Module,
    PartyId,
    PlatformState,
    Relation,
    RelationMode,
    Role,
)
from ocpi_hub.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotPermitted,
    ReceiverNotConnected,
    UnknownReceiver,
)
from ocpi_hub.routing.route import Broadcast, FromStore, ToParty, route
from ocpi_hub.routing.rules import RULES
from tests.support.factories import CPO, EMSP, HUB, make_directory, make_message, make_platform

SENDER, RECEIVER = InterfaceRole.SENDER, InterfaceRole.RECEIVER
NSP, NAP, OTHER, SCSP = (PartyId("DE", pid) for pid in ("NSP", "NAP", "OTH", "SCS"))
EMSP_2 = PartyId("FR", "MS2")


@pytest.mark.req("RT-06", "RT-09")
def test_to_a_party_goes_to_that_party() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    message = make_message(cpo, CPO, to=EMSP, module="locations")
    decided = route(message, RULES["locations"], make_directory(cpo, emsp))
    assert decided == ToParty(EMSP, emsp, online=True)


@pytest.mark.req("RT-12")
def test_an_unknown_to_is_4001() -> None:
    cpo = make_platform((CPO, Role.CPO))
    with pytest.raises(UnknownReceiver):
        route(make_message(cpo, CPO, to=EMSP, module="cdrs", method="POST"),
              RULES["cdrs"], make_directory(cpo))  # fmt: skip


@pytest.mark.req("RT-13")
@pytest.mark.parametrize("state", [PlatformState.INVITED, PlatformState.SUSPENDED,
                                   PlatformState.DISCONNECTED])  # fmt: skip
def test_a_party_that_is_not_connected_is_4003(state: PlatformState) -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP), state=state)
    with pytest.raises(ReceiverNotConnected):
        route(make_message(cpo, CPO, to=EMSP, module="locations"),
              RULES["locations"], make_directory(cpo, emsp))  # fmt: skip


@pytest.mark.parametrize("module", sorted(RULES))
def test_a_party_that_exchanges_files_gets_cdrs_and_nothing_else(module: str) -> None:
    cpo = make_platform((CPO, Role.CPO))
    emsp = make_platform((EMSP, Role.EMSP), state=PlatformState.BY_FILE)
    rules, directory = RULES[module], make_directory(cpo, emsp)
    for method in sorted(rules.methods[RECEIVER]):
        message = make_message(cpo, CPO, to=EMSP, module=module, method=method)
        if (module, method) == ("cdrs", "POST"):
            assert route(message, rules, directory) == ToParty(EMSP, emsp, online=False)
            continue
        with pytest.raises((ReceiverNotConnected, NotPermitted)):
            route(message, rules, directory)


def test_an_offline_party_is_addressed_but_marked() -> None:
    cpo = make_platform((CPO, Role.CPO))
    emsp = make_platform((EMSP, Role.EMSP), online=False)
    message = make_message(cpo, CPO, to=EMSP, module="cdrs", method="POST")
    decided = route(message, RULES["cdrs"], make_directory(cpo, emsp))
    assert isinstance(decided, ToParty)
    assert not decided.online


@pytest.mark.req("RT-20")
def test_without_a_relation_nothing_passes() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    closed = make_directory(cpo, emsp, default_relation=RelationMode.NONE)
    message = make_message(cpo, CPO, to=EMSP, module="locations")
    with pytest.raises(ReceiverNotConnected, match="no relation"):
        route(message, RULES["locations"], closed)
    allowed = make_directory(
        cpo, emsp, default_relation=RelationMode.NONE,
        relations=[Relation(CPO, EMSP, RelationMode.WHITELIST)],
    )  # fmt: skip
    assert isinstance(route(message, RULES["locations"], allowed), ToParty)


@pytest.mark.req("RT-20")
def test_a_relation_none_closes_a_pair_on_an_open_hub() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    directory = make_directory(cpo, emsp, relations=[Relation(CPO, EMSP, RelationMode.NONE)])
    with pytest.raises(ReceiverNotConnected):
        route(make_message(cpo, CPO, to=EMSP, module="locations"), RULES["locations"], directory)


@pytest.mark.req("RT-21", "RT-25", "RT-26", "RT-27")
def test_a_broadcast_reaches_the_opposite_roles_once_per_party() -> None:
    cpo = make_platform((CPO, Role.CPO), (PartyId("NL", "OWN"), Role.EMSP))
    shared = make_platform((EMSP, Role.EMSP), (EMSP_2, Role.EMSP))
    others = make_platform((NSP, Role.NSP), (OTHER, Role.OTHER), (NAP, Role.NAP), (SCSP, Role.SCSP))
    second_cpo = make_platform((PartyId("BE", "CP2"), Role.CPO))
    message = make_message(cpo, CPO, to=HUB, module="locations")
    decided = route(message, RULES["locations"], make_directory(cpo, shared, others, second_cpo))
    assert decided == Broadcast((EMSP, NAP, NSP, OTHER, EMSP_2))


@pytest.mark.req("RT-25")
def test_tokens_are_broadcast_to_cpos_only() -> None:
    emsp = make_platform((EMSP, Role.EMSP))
    rest = make_platform((CPO, Role.CPO), (EMSP_2, Role.EMSP), (NSP, Role.NSP))
    decided = route(make_message(emsp, EMSP, to=HUB), RULES["tokens"], make_directory(emsp, rest))
    assert decided == Broadcast((CPO,))


@pytest.mark.req("RT-25")
def test_a_broadcast_skips_platforms_without_the_receiver_interface() -> None:
    emsp = make_platform((EMSP, Role.EMSP))
    cpo = make_platform((CPO, Role.CPO), endpoints={("tokens", SENDER): "https://c.example"})
    decided = route(make_message(emsp, EMSP, to=HUB), RULES["tokens"], make_directory(emsp, cpo))
    assert decided == Broadcast(())


@pytest.mark.req("RT-28", "CD-07")
@pytest.mark.parametrize(("module", "method"), [("cdrs", "POST"), ("sessions", "PUT"),
                                                ("sessions", "PATCH")])  # fmt: skip
def test_personal_data_is_never_broadcast(module: str, method: str) -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    message = make_message(cpo, CPO, to=HUB, module=module, method=method)
    with pytest.raises(InvalidRequest, match="not broadcast"):
        route(message, RULES[module], make_directory(cpo, emsp))


@pytest.mark.req("RT-28")
def test_commands_are_never_broadcast() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    message = make_message(emsp, EMSP, to=HUB, module="commands", method="POST")
    with pytest.raises(InvalidRequest):
        route(message, RULES["commands"], make_directory(cpo, emsp))


@pytest.mark.req("RT-29")
def test_a_tariff_delete_to_the_hub_is_a_broadcast() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    message = make_message(cpo, CPO, to=HUB, module="tariffs", method="DELETE")
    assert route(message, RULES["tariffs"], make_directory(cpo, emsp)) == Broadcast((EMSP,))


@pytest.mark.req("RT-38", "RT-30")
@pytest.mark.parametrize("role", [SENDER, RECEIVER])
def test_a_get_to_the_hub_is_answered_from_the_store(role: InterfaceRole) -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    caller, party = (cpo, CPO) if role is SENDER else (emsp, EMSP)
    message = make_message(caller, party, to=HUB, method="GET", interface_role=role)
    assert route(message, RULES["tokens"], make_directory(cpo, emsp)) == FromStore()


@pytest.mark.req("RT-32", "RT-34", "RT-37")
def test_open_routing_follows_the_party_in_the_content() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    message = make_message(cpo, CPO, module="cdrs", method="POST")
    decided = route(message, RULES["cdrs"], make_directory(cpo, emsp), content_party=EMSP)
    assert decided == ToParty(EMSP, emsp, online=True)


@pytest.mark.req("RT-35")
def test_a_list_without_to_is_4001() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    message = make_message(cpo, CPO, method="GET", interface_role=SENDER)
    with pytest.raises(UnknownReceiver):
        route(message, RULES["tokens"], make_directory(cpo, emsp))


@pytest.mark.req("RT-36")
def test_a_push_without_to_is_broadcast_when_the_module_may_be() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    directory = make_directory(cpo, emsp)
    assert route(make_message(emsp, EMSP), RULES["tokens"], directory) == Broadcast((CPO,))
    with pytest.raises(UnknownReceiver):
        route(make_message(cpo, CPO, module="sessions"), RULES["sessions"], directory)


@pytest.mark.req("RT-05")
@pytest.mark.parametrize(
    ("module", "role", "method", "party", "party_role"),
    [
        ("tokens", RECEIVER, "PUT", CPO, Role.CPO),
        ("tokens", SENDER, "GET", EMSP, Role.EMSP),
        ("cdrs", RECEIVER, "POST", EMSP, Role.EMSP),
        ("locations", RECEIVER, "PUT", EMSP, Role.EMSP),
        ("sessions", RECEIVER, "PUT", NAP, Role.NAP),
    ],
)
def test_a_sender_whose_role_does_not_fit_is_refused(
    module: str, role: InterfaceRole, method: str, party: PartyId, party_role: Role
) -> None:
    platform = make_platform((party, party_role))
    message = make_message(
        platform, party, to=HUB, module=module, interface_role=role, method=method
    )
    with pytest.raises(NotPermitted, match="may not call"):
        route(message, RULES[module], make_directory(platform))


@pytest.mark.req("ER-08", "TK-01", "CD-01", "LO-03", "TA-01", "SE-01")
@pytest.mark.parametrize(
    ("module", "role", "allowed"),
    [
        ("tokens", RECEIVER, "GET PUT PATCH"),
        ("tokens", SENDER, "GET POST"),
        ("cdrs", RECEIVER, "GET POST"),
        ("cdrs", SENDER, "GET"),
        ("locations", RECEIVER, "GET PUT PATCH"),
        ("locations", SENDER, "GET"),
        ("tariffs", RECEIVER, "GET PUT DELETE"),
        ("tariffs", SENDER, "GET"),
        ("sessions", RECEIVER, "GET PUT PATCH"),
        ("sessions", SENDER, "GET PUT"),
        ("commands", RECEIVER, "POST"),
        ("commands", SENDER, "POST"),
        ("chargingprofiles", RECEIVER, "GET PUT DELETE"),
        ("chargingprofiles", SENDER, "POST PUT"),
    ],
)
def test_methods_an_interface_lacks_are_405(module: str, role: InterfaceRole, allowed: str) -> None:
    everything = make_platform((CPO, Role.CPO), (EMSP, Role.EMSP))
    directory = make_directory(everything)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        message = make_message(
            everything, CPO, to=HUB, module=module, interface_role=role, method=method
        )
        if method in allowed.split():
            continue
        with pytest.raises(MethodNotAllowed) as refused:
            route(message, RULES[module], directory)
        assert set(refused.value.headers["Allow"].split(", ")) == set(allowed.split())


def test_every_functional_module_has_rules() -> None:
    configuration = {Module.CREDENTIALS, Module.HUB_CLIENT_INFO}
    assert set(RULES) == {module.value for module in Module if module not in configuration}


def test_a_withdrawn_role_no_longer_receives() -> None:
    cpo, emsp = make_platform((CPO, Role.CPO)), make_platform((EMSP, Role.EMSP))
    withdrawn = replace(emsp, roles=(replace(emsp.roles[0], active=False),))
    message = make_message(cpo, CPO, to=EMSP, module="locations")
    with pytest.raises(ReceiverNotConnected):
        route(message, RULES["locations"], make_directory(cpo, withdrawn))
