"""Who answered for an unknown token the last time: whom to ask first, never an answer."""

from __future__ import annotations

from ocpi_hub.authorization.answer import Asked
from ocpi_hub.clock import Clock
from ocpi_hub.domain.party import PartyId

MOST = 10_000
"""Tokens that are remembered; the oldest are forgotten first."""


class OwnerHints:
    """Owners of tokens that the hub does not hold, as one process remembers them.

    Args:
        keep_s: seconds for which a hint is good; 0: none is kept.
    """

    def __init__(self, clock: Clock, *, keep_s: float) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._known: dict[tuple[str, str], tuple[PartyId, float]] = {}

    def note(self, asked: Asked, owner: PartyId) -> None:
        """An eMSP told something about a token."""
        if not self._keep_s:
            return
        name = _name(asked)
        self._known.pop(name, None)
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[name] = owner, self._clock.monotonic() + self._keep_s

    def owner(self, asked: Asked) -> PartyId | None:
        """Whom to ask first; None: nobody in particular."""
        name = _name(asked)
        known = self._known.get(name)
        if known is None:
            return None
        owner, until = known
        if self._clock.monotonic() < until:
            return owner
        del self._known[name]
        return None

    def forget(self, asked: Asked) -> None:
        """The hint was wrong, or the token's records are to go."""
        self._known.pop(_name(asked), None)


def _name(asked: Asked) -> tuple[str, str]:
    return asked.uid.upper(), asked.token_type
