"""Who takes part: invented companies, two of which have nothing to do with each other."""

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
    def is_cpo(self) -> bool:
        return self.role is Role.CPO

    @property
    def slug(self) -> str:
        """A name for files."""
        return f"{self.party.country_code}-{self.party.party_id}".lower()


STROMWEIDE = Company(Role.CPO, PartyId("DE", "STW"), "Stromweide")
LAADOEVER = Company(Role.CPO, PartyId("NL", "LDO"), "Laadoever")
FAHRTWIND = Company(Role.EMSP, PartyId("DE", "FWD"), "Fahrtwind")
ROULIBRE = Company(Role.EMSP, PartyId("FR", "RLB"), "Roulibre")

FJORDLADE = Company(Role.CPO, PartyId("DK", "FJL"), "Fjordlade")

CPOS = (STROMWEIDE, LAADOEVER)
"""Those with cars at their charging points."""
ALL_CPOS = (*CPOS, FJORDLADE)
EMSPS = (FAHRTWIND, ROULIBRE)
COMPANIES = ALL_CPOS + EMSPS
STRANGERS = frozenset({FJORDLADE, ROULIBRE})
"""They have no relation: neither must see anything of the other."""


def related(one: Company, other: Company) -> bool:
    return {one, other} != STRANGERS
