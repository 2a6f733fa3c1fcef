"""What a party platform is: its parties, addresses and limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ocpi_hub.domain.party import InterfaceRole, Module, PartyRole, Role
from ocpi_hub.party.simulation import Simulation

VERSION = "2.2.1"

OFFERED: dict[Role, tuple[tuple[Module, InterfaceRole], ...]] = {
    Role.CPO: (
        (Module.LOCATIONS, InterfaceRole.SENDER),
        (Module.TARIFFS, InterfaceRole.SENDER),
        (Module.TOKENS, InterfaceRole.RECEIVER),
        (Module.SESSIONS, InterfaceRole.SENDER),
        (Module.CDRS, InterfaceRole.SENDER),
        (Module.COMMANDS, InterfaceRole.RECEIVER),
        (Module.CHARGING_PROFILES, InterfaceRole.RECEIVER),
        (Module.HUB_CLIENT_INFO, InterfaceRole.RECEIVER),
    ),
    Role.EMSP: (
        (Module.LOCATIONS, InterfaceRole.RECEIVER),
        (Module.TARIFFS, InterfaceRole.RECEIVER),
        (Module.TOKENS, InterfaceRole.SENDER),
        (Module.SESSIONS, InterfaceRole.RECEIVER),
        (Module.CDRS, InterfaceRole.RECEIVER),
        (Module.COMMANDS, InterfaceRole.SENDER),
        (Module.CHARGING_PROFILES, InterfaceRole.SENDER),
        (Module.HUB_CLIENT_INFO, InterfaceRole.RECEIVER),
    ),
}
"""Interfaces by role; a platform offers those of all its roles."""


@dataclass(frozen=True, slots=True)
class PartyConfig:
    """A platform as its operator describes it.

    Attributes:
        parties: at least one, each CPO or EMSP.
        port: 0 takes a free port.
        control_port: 0 takes a free port; None leaves the control side out.
        public_url: base of every URL handed out; empty: http://<host>:<port>.
        token_a: credentials token with which another platform may register here, once.
        raw_token: credentials tokens travel without Base64, in both directions.
        left_out: interfaces that are not offered although the roles would.
        token_grace_s: seconds for which a rotated credentials token stays accepted.
        record_items: exchanges kept; the oldest go first.
        ca_file: PEM certificates that are trusted besides those that are anyway.
        state_file: keeps the credentials from one run to the next; None: they end with the process.
        simulation: how charge points behave; None: commands are only answered.
    """

    parties: tuple[PartyRole, ...]
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int | None = 0
    public_url: str = ""
    token_a: str | None = None
    raw_token: bool = False
    left_out: frozenset[tuple[str, InterfaceRole]] = frozenset()
    page_limit: int = 100
    max_body_bytes: int = 16 * 1024 * 1024
    max_answer_bytes: int = 64 * 1024 * 1024
    max_connections: int = 32
    timeout_s: float = 30.0
    token_grace_s: float = 5.0
    record_items: int = 200_000
    ca_file: Path | None = None
    state_file: Path | None = None
    simulation: Simulation | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: no party, or a role this platform does not play.
        """
        if not self.parties:
            raise ValueError("a platform needs at least one party")
        for party in self.parties:
            if party.role not in OFFERED:
                raise ValueError(
                    f"{party.party}: only CPO and EMSP can be played, not {party.role}"
                )

    @property
    def interfaces(self) -> tuple[tuple[Module, InterfaceRole], ...]:
        """The interfaces offered, each once."""
        offered = (interface for party in self.parties for interface in OFFERED[party.role])
        return tuple(dict.fromkeys(i for i in offered if i not in self.left_out))
