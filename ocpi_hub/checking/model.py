"""What a check is, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from ocpi_hub.domain.party import CredentialsToken, PartyId, Role

if TYPE_CHECKING:
    from ocpi_hub.checking.conversation import Seen
    from ocpi_hub.checking.partner import Partner

MOST_FAULTS = 5
"""Faults that a result names; the others are counted."""
MOST_EVIDENCE = 3


class Severity(StrEnum):
    """What it means when a check does not pass."""

    MUST = "must"
    """The specification demands it: the partner does not conform."""
    SHOULD = "should"
    """Something will go wrong some day, or already does at somebody else's."""
    INFO = "info"
    """Good to know."""


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    SKIPPED = "skipped"


class Skip(Exception):
    """A check cannot be made; the text is the reason."""


class NotPermitted(Skip):
    """The partner does not let us do that: HTTP 403, or 401 to a token that opens other things.

    Attributes:
        seen: the request and its answer.
    """

    def __init__(self, what: str, seen: Seen) -> None:
        super().__init__(f"we may not use {what} ({seen.outcome})")
        self.seen = seen


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong.

    Attributes:
        seen: the exchange that shows it, if one does.
        item: the object in its answer that it is about.
    """

    text: str
    seen: Seen | None
    item: object = None


class Notes:
    """What a check notes while it runs.

    Attributes:
        faults: what is wrong.
        seen: exchanges that it judged.
        remarks: worth saying although nothing is wrong.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.remarks: list[str] = []

    def saw(self, *seen: Seen) -> None:
        self.seen += seen

    def fault(self, text: str, seen: Seen | None = None, item: object = None) -> None:
        self.faults.append(Fault(text, seen, item))

    def remark(self, text: str) -> None:
        self.remarks.append(text)


Run = Callable[["Partner", Notes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table.

    Attributes:
        check_id: stable: scripts and tickets name it.
        title: what is right when it passes.
        requirements: rows of the checklist of OCPI requirements.
        fix: what the partner's engineer should do when it does not pass.
        writes: sends more than GET; made only when asked for.
    """

    check_id: str
    title: str
    requirements: tuple[str, ...]
    severity: Severity
    fix: str
    run: Run
    writes: bool = False

    @property
    def area(self) -> str:
        """The part of the interface that it is about."""
        return self.check_id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One exchange as it is shown: nothing secret, nothing personal.

    Attributes:
        request: method and URL.
        answer: HTTP and OCPI status, or why there was none.
        headers: those of the answer that matter to OCPI.
        body: its beginning, or the object in it that matters.
    """

    request: str
    answer: str
    headers: Sequence[tuple[str, str]]
    body: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check.

    Attributes:
        text: what is wrong, why it was skipped, or what is worth saying; "" when it just passed.
    """

    check: Check
    outcome: Outcome
    text: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to check, and how to get in.

    Attributes:
        own: the party of this hub: FROM of requests to functional modules.
        sender: FROM in its place, of who checks a hub with credentials of its own; None: `own`, but
            towards a hub nobody, which it then takes from the credentials.
        raw: the token travels without Base64.
        expected: roles that the partner registered with, if it did.
        write: make the checks that write, too.
    """

    versions_url: str
    token: CredentialsToken
    own: PartyId
    sender: PartyId | None = None
    raw: bool = False
    expected: frozenset[tuple[PartyId, Role]] | None = None
    write: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a run may ask of a partner, and of us.

    Attributes:
        request_s: seconds for one request.
        total_s: seconds for all of them; checks that are left then are skipped.
        requests: of one run.
        pages: of one list that are read.
        answer_bytes: of one answer; `total_bytes` of all: they are kept until the end of the run.
        answer_values: JSON values of one answer; `total_values` of all: a value of two bytes takes
            fifty times as much memory.
        response_s: slower answers get a warning; generous, as the way there counts too.
        certificate_days: a certificate that expires earlier gets a warning.
    """

    request_s: float = 10.0
    total_s: float = 240.0
    requests: int = 800
    pages: int = 5
    answer_bytes: int = 8 * 1024 * 1024
    total_bytes: int = 32 * 1024 * 1024
    answer_values: int = 400_000
    total_values: int = 1_000_000
    response_s: float = 5.0
    certificate_days: int = 21


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one run.

    Attributes:
        party_names: the partner's parties, as `CC*PID ROLE`.
        slowest_ms: of all answers; `median_ms` likewise.
    """

    versions_url: str
    started: datetime
    seconds: float
    requests: int
    median_ms: int
    slowest_ms: int
    party_names: tuple[str, ...]
    wrote: bool
    results: tuple[Result, ...] = field(default_factory=tuple)

    def count(self, outcome: Outcome) -> int:
        return sum(result.outcome is outcome for result in self.results)

    @property
    def conforms(self) -> bool:
        """No check of what the specification demands has failed."""
        return not any(result.outcome is Outcome.FAILED for result in self.results)
