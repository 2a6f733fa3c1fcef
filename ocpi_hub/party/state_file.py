"""Credentials in a file, so that a platform that starts again is still registered.

The file holds credentials tokens in clear, like the process itself, so only its owner may read it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ocpi_hub.domain.party import CredentialsToken, InterfaceRole, PartyRole
from ocpi_hub.errors import OperatorError
from ocpi_hub.party.credentials import Kept, Peer


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Endpoint(_Form):
    identifier: str
    role: InterfaceRole
    url: str


class _Peer(_Form):
    versions_url: str
    our_token: str
    endpoints: tuple[_Endpoint, ...]
    roles: tuple[dict[str, Any], ...]


class _State(_Form):
    parties: tuple[str, ...]
    token_a: str | None
    their_tokens: tuple[str, ...]
    peer: _Peer | None


class StateFile:
    """The file of one platform."""

    def __init__(self, path: Path, parties: Sequence[PartyRole]) -> None:
        self._path = path
        self._parties = tuple(f"{party.role} {party.party}" for party in parties)

    def load(self) -> Kept | None:
        """None: there is no such file yet.

        Raises:
            OperatorError: it is not usable, or of a platform with other parties.
        """
        try:
            state = _State.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no state of a party"
            raise OperatorError(f"{self._path} cannot be used: {reason}") from None
        if state.parties != self._parties:
            raise OperatorError(f"{self._path} belongs to {', '.join(state.parties)}")
        return Kept(
            token_a=CredentialsToken(state.token_a) if state.token_a else None,
            their_tokens=tuple(CredentialsToken(token) for token in state.their_tokens),
            peer=_peer(state.peer) if state.peer else None,
        )

    def save(self, kept: Kept) -> None:
        """Replace the file as a whole.

        Raises:
            OperatorError: it cannot be written.
        """
        state = _State(
            parties=self._parties,
            token_a=kept.token_a,
            their_tokens=kept.their_tokens,
            peer=_kept_peer(kept.peer) if kept.peer else None,
        )
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            beside.unlink(missing_ok=True)
            written = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(written, "wb") as file:
                file.write(state.model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise OperatorError(f"{self._path} cannot be written: {error.strerror}") from None


def _peer(kept: _Peer) -> Peer:
    return Peer(
        versions_url=kept.versions_url,
        our_token=CredentialsToken(kept.our_token),
        endpoints={(each.identifier, each.role): each.url for each in kept.endpoints},
        roles=kept.roles,
    )


def _kept_peer(peer: Peer) -> _Peer:
    return _Peer(
        versions_url=peer.versions_url,
        our_token=peer.our_token,
        endpoints=tuple(
            _Endpoint(identifier=module, role=role, url=url)
            for (module, role), url in peer.endpoints.items()
        ),
        roles=tuple(dict(role) for role in peer.roles),
    )
