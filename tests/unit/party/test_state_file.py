"""Credentials that outlive the platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi.headers import authorization
from ocpi_hub.party.credentials import Access, CredentialsStore
from ocpi_hub.party.state_file import StateFile
from tests.support.party import party_role
from tests.unit.party.stepping import StepClock, make_peer

CPO = party_role("CPO", "NL*CPO")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def store(path: Path, token_a: str | None = None) -> CredentialsStore:
    return CredentialsStore(StepClock(), token_a=token_a, raw=False, keeper=StateFile(path, [CPO]))


def test_a_registration_outlives_the_process(path: Path) -> None:
    first = store(path, token_a="invited")
    token = first.admit_peer(make_peer(), grace_s=5)
    second = store(path, token_a="invited")
    assert second.peer == make_peer()
    assert second.current_token() == token
    assert second.admit(authorization(token)) is Access.PEER
    assert second.admit(authorization("invited")) is Access.NONE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["state.json"]


def test_an_invitation_outlives_the_process_until_it_is_used(path: Path) -> None:
    token = store(path).invite()
    again = store(path)
    assert again.admit(authorization(token)) is Access.INVITED
    again.admit_peer(make_peer(), grace_s=5)
    again.forget_all()
    assert store(path).admit(authorization(token)) is Access.NONE


def test_a_token_in_its_last_seconds_does_not(path: Path) -> None:
    first = store(path)
    old = first.admit_peer(make_peer(), grace_s=5)
    new = first.issue()
    first.join_peer(make_peer(), new, grace_s=5)
    assert first.admit(authorization(old)) is Access.PEER
    again = store(path)
    assert [again.admit(authorization(token)) for token in (old, new)] == [
        Access.NONE,
        Access.PEER,
    ]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"parties": 1}'])
def test_what_is_no_state_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(OperatorError, match="cannot be used"):
        store(path)


def test_the_state_of_other_parties_is_refused(path: Path) -> None:
    store(path).invite()
    with pytest.raises(OperatorError, match="belongs to CPO NL"):
        StateFile(path, [party_role("EMSP", "DE*MSP")]).load()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be written"):
        store(tmp_path / "nowhere" / "state.json").invite()
