"""Everything the checks look at, and what a check is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocpi_hub.demo.authorizing import Answered
from ocpi_hub.demo.cdrs import DemoCdr
from ocpi_hub.demo.copies import Copies
from ocpi_hub.demo.crawls import Crawl
from ocpi_hub.demo.notes import AllNotes
from ocpi_hub.demo.parties import Company
from ocpi_hub.demo.settling import Settlement
from ocpi_hub.demo.tokens import DemoToken
from ocpi_hub.demo.wishes import Asked

MAX_SHOWN = 3
"""Problems of one check that are told in full."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the checks look at.

    Attributes:
        answers: what the CPOs were answered to their authorizations.
        decisions: the hub's list of decisions.
        cdrs: all CDRs that were to be sent.
        acknowledged: ids of those that their CPO got a 1000 for.
        received: the CDRs each eMSP holds, with the number of times each came.
        ledger: the hub's list of CDRs.
        attempts: outcomes of the hub's attempts, for CDRs that came more than once.
        asked: uids that each eMSP was asked about.
        pulled: the tokens that each CPO got from the hub's list.
        copies: who has which Locations.
        secrets: credentials tokens of all platforms, and what stands in their `response_url`s.
        notes: what the parties have on record of commands, profiles, Sessions and Tariffs.
        wanted: what drivers wanted done by app.
        live: by Session, how many of its changes were sent before anything went wrong.
        crawls: lists that parties have read page by page.
        returned: who was away, and when it was back (OCPI DateTime).
        settlement: the statements.
    """

    answers: Sequence[Answered]
    decisions: Sequence[Mapping[str, Any]]
    cdrs: Sequence[DemoCdr]
    acknowledged: Collection[str]
    received: Mapping[Company, Sequence[Mapping[str, Any]]]
    ledger: Sequence[Mapping[str, Any]]
    attempts: Mapping[str, Sequence[str]]
    asked: Mapping[Company, Collection[str]]
    pulled: Mapping[Company, Sequence[Mapping[str, Any]]]
    tokens: Sequence[DemoToken]
    copies: Copies
    secrets: Collection[str]
    hub_log: str
    hub_url: str
    notes: AllNotes
    wanted: Sequence[Asked]
    live: Mapping[str, int]
    crawls: Sequence[Crawl]
    returned: tuple[Company, str]
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class Check:
    """One promise and what contradicts it."""

    name: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def told(self) -> str:
        """The first problems, and how many more there are."""
        more = len(self.problems) - MAX_SHOWN
        shown = "; ".join(self.problems[:MAX_SHOWN])
        return f"{shown}; and {more} more" if more > 0 else shown


Finder = Callable[[Evidence], Iterator[str]]
Checks = Sequence[tuple[str, Finder]]
