"""What holds for the objects of every list: valid, tidy, owned by the partner, each there once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ocpi_hub.checking.checks.paging import names
from ocpi_hub.checking.checks.validity import hard_fault, mild_faults
from ocpi_hub.checking.model import Check, Notes, Run, Severity, Skip
from ocpi_hub.checking.partner import Partner
from ocpi_hub.checking.reading import Crawl, Object
from ocpi_hub.domain.party import Module
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.v2_2_1.cdrs import CDR
from ocpi_hub.ocpi.v2_2_1.hub_client_info import ClientInfo
from ocpi_hub.ocpi.v2_2_1.locations import Location
from ocpi_hub.ocpi.v2_2_1.sessions import Session
from ocpi_hub.ocpi.v2_2_1.tariffs import Tariff
from ocpi_hub.ocpi.v2_2_1.tokens import Token

MUST, SHOULD, INFO = Severity.MUST, Severity.SHOULD, Severity.INFO

MODELS: Final[Mapping[Module, type[OcpiModel]]] = MappingProxyType(
    {
        Module.LOCATIONS: Location,
        Module.TARIFFS: Tariff,
        Module.TOKENS: Token,
        Module.SESSIONS: Session,
        Module.CDRS: CDR,
        Module.HUB_CLIENT_INFO: ClientInfo,
    }
)

Faults = Callable[[Object], Iterable[str]]
"""What is wrong with one object."""


def called(module: str, item: Object) -> str:
    """An object's name in a text; a token's uid is nobody's business."""
    if module == Module.TOKENS:
        return "a token"
    return f"{item.get('id', item.get('party_id', '?'))}"[:40]


def each_object(module: Module, faults: Faults) -> Run:
    """A check of every object of a list."""

    async def run(partner: Partner, notes: Notes) -> None:
        crawl = await partner.crawl(module)
        if not crawl.items:
            raise Skip(f"the list of {module} is empty")
        notes.saw(crawl.pages[0])
        # Thousands of objects take their time: others on this loop do not wait for it.
        await asyncio.to_thread(_look_at_each, module, faults, crawl, notes)
        if not notes.faults:
            notes.remark(f"{len(crawl.items)} objects")

    return run


def _look_at_each(module: Module, faults: Faults, crawl: Crawl, notes: Notes) -> None:
    for page in crawl.pages:
        for item in page.data if isinstance(page.data, list) else ():
            for text in faults(item) if isinstance(item, dict) else ("no object",):
                name = called(module, item) if isinstance(item, dict) else "an element"
                notes.fault(f"{name}: {text}", page, item)


def _valid(model: type[OcpiModel]) -> Faults:
    def faults(item: Object) -> Iterable[str]:
        fault = hard_fault(item, model)
        return () if fault is None else (fault,)

    return faults


def _tidy(model: type[OcpiModel]) -> Faults:
    return lambda item: mild_faults(item, model)


async def unique(partner: Partner, notes: Notes) -> None:
    for listing in await partner.listings():
        crawl = await partner.crawl(listing.module)
        notes.saw(crawl.pages[0])
        folded = Counter(tuple(part.casefold() for part in name) for name in names(crawl.items))
        for name, times in folded.items():
            if times > 1:
                shown = "a token" if listing.module == Module.TOKENS else "/".join(name[:3])
                notes.fault(f"{listing.module}: {shown[:60]} comes {times} times", crawl.pages[0])


async def owned(partner: Partner, notes: Notes) -> None:
    if await partner.is_hub():
        raise Skip("a hub lists objects of many parties")
    parties = {str(party) for party, _ in await partner.roles()}
    for listing in await partner.listings():
        notes.saw(listing.first)
        for item in listing.items:
            owner = f"{item.get('country_code')}*{item.get('party_id')}".upper()
            if owner not in parties:
                text = f"{listing.module}: {owner[:10]} is no party of this platform"
                notes.fault(text, listing.first)


_FIX_VALID = "Correct the fields named: receivers refuse such objects."
_FIX_TIDY = "Correct the fields named: some receivers cut such values off, or refuse them."

_IDS = (
    (Module.LOCATIONS, ("LO-10", "LO-14", "LO-16"), "Locations"),
    (Module.TARIFFS, ("TA-04", "TA-07"), "Tariffs"),
    (Module.TOKENS, ("TK-15",), "Tokens"),
    (Module.SESSIONS, ("SE-07",), "Sessions"),
    (Module.CDRS, ("CD-13", "CD-15"), "CDRs"),
    (Module.HUB_CLIENT_INFO, ("HC-01",), "ClientInfo objects"),
)

CHECKS = (
    *(
        Check(f"{module}.valid", f"{title} are valid", rows, MUST, _FIX_VALID,
              each_object(module, _valid(MODELS[module])))
        for module, rows, title in _IDS
    ),
    *(
        Check(f"{module}.tidy", f"{title} keep lengths, forms and known values",
              ("TY-01", "TY-02", "TY-11"), SHOULD, _FIX_TIDY,
              each_object(module, _tidy(MODELS[module])))
        for module, rows, title in _IDS
    ),
    Check("objects.once", "Each object is listed once", ("TY-01", "TF-27"), MUST,
          "Ids are compared without regard to case: make them unique for each party.", unique),
    Check("objects.owner", "Objects belong to parties of the platform", ("TF-25", "CR-19"), MUST,
          "List only objects of your own parties, or add the party to your roles (PUT"
          " credentials).", owned),
)  # fmt: skip
