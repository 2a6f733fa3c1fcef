from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from ocpi_hub.domain.party import CredentialsToken
from ocpi_hub.ocpi.headers import authorization
from ocpi_hub.party.credentials import Access, CredentialsStore, Peer


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, delay_s: float) -> None:
        self.seconds += delay_s


PEER = Peer("https://peer.example/ocpi/versions", CredentialsToken("ours"), {})


def make_store(*, raw: bool = False, clock: Clock | None = None) -> CredentialsStore:
    return CredentialsStore(clock or Clock(), token_a="invitation", raw=raw)


def test_invitation_opens_less_than_an_issued_token() -> None:
    store = make_store()
    assert store.admit(authorization("invitation")) is Access.INVITED
    assert store.admit(authorization(store.issue())) is Access.PEER


@pytest.mark.parametrize("header", [None, "", "Token", "Token ", "Bearer x", "Token ???", "x"])
def test_anything_else_opens_nothing(header: str | None) -> None:
    assert make_store().admit(header) is Access.NONE


def test_base64_is_demanded_unless_tokens_travel_raw() -> None:
    strict, lax = make_store(), make_store(raw=True)
    encoded = base64.b64encode(b"invitation").decode()
    assert strict.admit("Token invitation") is Access.NONE
    assert lax.admit("Token invitation") is Access.INVITED
    assert lax.admit(f"Token {encoded}") is Access.NONE


def test_rotated_token_expires_after_its_grace() -> None:
    clock = Clock()
    store = make_store(clock=clock)
    old, new = store.issue(), store.issue()
    store.join_peer(PEER, new, grace_s=5)
    assert store.admit(authorization(old)) is Access.PEER
    clock.seconds = 5
    assert store.admit(authorization(old)) is Access.NONE
    assert store.admit(authorization(new)) is Access.PEER
    assert store.current_token() == new


def test_nothing_opens_after_everything_was_forgotten() -> None:
    store = make_store()
    token = store.issue()
    store.forget_all()
    assert store.admit(authorization(token)) is Access.NONE


def test_new_invitation_voids_the_older_one() -> None:
    store = make_store()
    token = store.invite()
    assert store.admit(authorization(token)) is Access.INVITED
    assert store.admit(authorization("invitation")) is Access.NONE
