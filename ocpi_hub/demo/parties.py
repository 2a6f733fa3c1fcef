"""Who takes part: invented companies, two of each kind."""

from __future__ import annotations

from dataclasses import dataclass

from ocpi_hub.domain.party import PartyId, Role

HUB = PartyId("EU", "HUB")
"""The hub under its default name."""


@dataclass(frozen=True, slots=True)
class Company:
    """A party with a platform of its own."""

    role: Role
    party: PartyId
    name: str

    @property
    def slug(self) -> str:
        """A name for files."""
        return f"{self.party.country_code}-{self.party.party_id}".lower()


STROMWEIDE = Company(Role.CPO, PartyId("DE", "STW"), "Stromweide")
LAADOEVER = Company(Role.CPO, PartyId("NL", "LDO"), "Laadoever")
FAHRTWIND = Company(Role.EMSP, PartyId("DE", "FWD"), "Fahrtwind")
ROULIBRE = Company(Role.EMSP, PartyId("FR", "RLB"), "Roulibre")

CPOS = (STROMWEIDE, LAADOEVER)
EMSPS = (FAHRTWIND, ROULIBRE)
COMPANIES = CPOS + EMSPS
