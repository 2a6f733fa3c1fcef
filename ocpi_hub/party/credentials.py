"""Credentials the platform holds: tokens its peer may present, and what it knows of the peer."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import CredentialsToken, InterfaceRole, PartyId, Role
from ocpi_hub.errors import OperatorError
from ocpi_hub.ocpi import headers as ocpi_headers


class Access(Enum):
    """What a presented credentials token opens."""

    NONE = "none"
    INVITED = "invited"
    """CREDENTIALS_TOKEN_A: versions and the start of a registration."""
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Peer:
    """The platform at the other end.

    Attributes:
        our_token: the credentials token we present to it.
        endpoints: URL by (module, interface role); credentials is under both roles.
        roles: its CredentialsRoles as it sent them.
    """

    versions_url: str
    our_token: CredentialsToken
    endpoints: Mapping[tuple[str, InterfaceRole], str]
    roles: tuple[Mapping[str, Any], ...] = ()

    @property
    def hub(self) -> PartyId | None:
        """The party that plays the role HUB; None: there is no hub in between."""
        return next((party for party, role in self._parties() if role == Role.HUB), None)

    @property
    def only_party(self) -> PartyId | None:
        """The party of a platform that has no other; None: it has several."""
        parties = {party for party, _ in self._parties()}
        return parties.pop() if len(parties) == 1 else None

    def _parties(self) -> Iterator[tuple[PartyId, object]]:
        """Roles that name no party are left out: they are the peer's own words."""
        for role in self.roles:
            text = f"{role.get('country_code')}*{role.get('party_id')}"
            try:
                yield PartyId.parse(text), role.get("role")
            except ValueError:
                continue

    def endpoint(self, module: str, role: InterfaceRole) -> str | None:
        return self.endpoints.get((module, role))


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the credentials outlives the process."""

    token_a: CredentialsToken | None
    their_tokens: tuple[CredentialsToken, ...]
    peer: Peer | None


class CredentialsKeeper(Protocol):
    """Keeps credentials between two runs of the platform."""

    def load(self) -> Kept | None: ...

    def save(self, kept: Kept) -> None: ...


class CredentialsStore:
    """Tokens issued to the peer (their tokens), the invitation, and the peer itself.

    Attributes:
        token_a: the invitation that is open.
        peer: None: not registered.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        token_a: str | None,
        raw: bool,
        keeper: CredentialsKeeper | None = None,
    ) -> None:
        self._clock = clock
        self._raw = raw
        self._keeper = keeper
        self._their_tokens: dict[CredentialsToken, float | None] = {}
        self.token_a = CredentialsToken(token_a) if token_a else None
        self.peer: Peer | None = None
        kept = keeper.load() if keeper else None
        if kept is not None:
            self._their_tokens = dict.fromkeys(kept.their_tokens)
            self.token_a, self.peer = kept.token_a, kept.peer

    def invite(self) -> CredentialsToken:
        """A new CREDENTIALS_TOKEN_A: lets one platform register here, and voids an older one.

        Raises:
            OperatorError: a platform is registered; there is room for one.
        """
        if self.peer is not None:
            raise OperatorError("a platform is registered here already: unregister first")
        self.token_a = CredentialsToken(secrets.token_urlsafe(32))
        self._keep()
        return self.token_a

    def issue(self) -> CredentialsToken:
        """A new token, accepted from now on."""
        token = self._new_token()
        self._keep()
        return token

    def _new_token(self) -> CredentialsToken:
        now = self._clock.monotonic()
        self._their_tokens = {
            token: expires
            for token, expires in self._their_tokens.items()
            if expires is None or expires > now
        }
        token = CredentialsToken(secrets.token_urlsafe(32))
        self._their_tokens[token] = None
        return token

    def withdraw(self, token: CredentialsToken) -> None:
        self._their_tokens.pop(token, None)
        self._keep()

    def admit_peer(self, peer: Peer, grace_s: float) -> CredentialsToken:
        """A platform has registered here, or again; the token it is to present from now on.

        The invitation is used up. Older tokens go on for `grace_s` seconds.
        """
        self.peer, self.token_a = peer, None
        token = self._new_token()
        self._expire_others(token, grace_s)
        self._keep()
        return token

    def join_peer(self, peer: Peer, their_token: CredentialsToken, grace_s: float) -> None:
        """We have registered at a platform, which presents `their_token` from now on."""
        self.peer = peer
        self._expire_others(their_token, grace_s)
        self._keep()

    def _expire_others(self, token: CredentialsToken, grace_s: float) -> None:
        until = self._clock.monotonic() + grace_s
        for other, expires in self._their_tokens.items():
            if other != token and expires is None:
                self._their_tokens[other] = until

    def forget_all(self) -> None:
        """After DELETE nothing opens anything, in either direction."""
        self._their_tokens.clear()
        self.peer = None
        self._keep()

    def _keep(self) -> None:
        """What lasts is kept; tokens in their last seconds are not worth it."""
        if self._keeper is not None:
            lasting = [token for token, expires in self._their_tokens.items() if expires is None]
            self._keeper.save(Kept(self.token_a, tuple(lasting), self.peer))

    def admit(self, header: str | None) -> Access:
        """What an Authorization header opens.

        Strict about the Base64, so that a peer that leaves it out is noticed.
        """
        candidates = list(ocpi_headers.token_candidates(header))
        for candidate in candidates[-1:] if self._raw else candidates[:-1]:
            token = CredentialsToken(candidate)
            if self._is_current(token):
                return Access.PEER
            if self.token_a is not None and token == self.token_a:
                return Access.INVITED
        return Access.NONE

    def _is_current(self, token: CredentialsToken) -> bool:
        expires = self._their_tokens.get(token, 0.0)
        return expires is None or expires > self._clock.monotonic()

    def current_token(self) -> CredentialsToken | None:
        """The newest token that the peer may present."""
        lasting = [token for token, expires in self._their_tokens.items() if expires is None]
        return lasting[-1] if lasting else None

    def as_json(self) -> dict[str, Any]:
        """What is held, in clear, but for the invitation, which is shown once.

        Only for the control side, which is bound to loopback.
        """
        peer = self.peer
        return {
            "registered": peer is not None,
            "invitation_open": self.token_a is not None,
            "their_token": self.current_token(),
            "our_token": peer.our_token if peer else None,
            "peer_versions_url": peer.versions_url if peer else None,
            "peer_roles": list(peer.roles) if peer else [],
            "peer_endpoints": [
                {"identifier": module, "role": role.value, "url": url}
                for (module, role), url in (peer.endpoints.items() if peer else ())
            ],
        }
